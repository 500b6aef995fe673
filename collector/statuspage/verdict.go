package statuspage

import (
	"strings"
	"time"
)

// judgeAll says in a few words how everything is, whatever the query leaves out,
// the worst first, and whether that is bad, ok, or not known yet ("pending").
func judgeAll(targets []Target, t *table, now time.Time) (verdict []string, tone string) {
	var lists [numListStates]int
	for i := range targets {
		for j := range targets[i].Lists {
			lists[condition(&targets[i].Lists[j], now)]++
		}
	}
	if n := lists[listFailed]; n > 0 {
		verdict = append(verdict, count(n, "list", "lists")+" not read")
	}
	if n := lists[listStale]; n > 0 {
		verdict = append(verdict, count(n, "list", "lists")+" out of date")
	}
	for _, s := range states() {
		n, old := t.all[s], t.allOld[s]
		if !s.bad() || n+old == 0 {
			continue
		}
		part := number(n+old) + " " + strings.ToLower(s.info().Word)
		if old > 0 {
			part += " (" + number(old) + " old)"
		}
		verdict = append(verdict, part)
	}
	pending := lists[listPending]
	switch {
	case len(verdict) > 0:
		tone = "bad"
	case lists[listRead] == 0 && pending == 0:
		return []string{"No list is read"}, "bad"
	case lists[listRead] == 0:
		return []string{"Nothing read yet"}, "pending"
	default:
		tone = "ok"
		verdict = append(verdict, "All is well: "+number(t.all[fine])+" OK")
		if n := t.all[running]; n > 0 {
			verdict = append(verdict, number(n)+" running")
		}
	}
	if pending > 0 {
		verdict = append(verdict, count(pending, "list", "lists")+" not read yet")
		if tone == "ok" {
			tone = "pending"
		}
	}
	return verdict, tone
}
