package statuspage

import (
	"strings"
	"time"
)

// judgeAll says in a line how everything is, whatever the query leaves out, and
// the worst that the line says.
func judgeAll(targets []Target, t *table, now time.Time) (verdict, tone string) {
	var lists [numListStates]int
	for i := range targets {
		for j := range targets[i].Lists {
			lists[condition(&targets[i].Lists[j], now)]++
		}
	}
	var parts []string
	if n := lists[listFailed]; n > 0 {
		parts = append(parts, count(n, "list", "lists")+" not read")
	}
	if n := lists[listStale]; n > 0 {
		parts = append(parts, count(n, "list", "lists")+" out of date")
	}
	for _, s := range states() {
		n, old := t.all[s], t.allOld[s]
		if !s.bad() || n+old == 0 {
			continue
		}
		part := number(n+old) + " " + strings.ToLower(s.info().Word)
		if old > 0 {
			part += " (" + number(old) + " as of an old read)"
		}
		parts = append(parts, part)
	}
	pending := lists[listPending]
	switch {
	case len(parts) > 0:
		if pending > 0 {
			parts = append(parts, count(pending, "list", "lists")+" not read yet")
		}
		return strings.Join(parts, ", "), "bad"
	case lists[listRead] == 0 && pending == 0:
		return "No list is read", "bad"
	case lists[listRead] == 0:
		return "Nothing read yet", "pending"
	}
	verdict = "All is well: " + number(t.all[fine]) + " OK"
	if n := t.all[running]; n > 0 {
		verdict += ", " + number(n) + " running"
	}
	if pending > 0 {
		return verdict + ", " + count(pending, "list", "lists") + " not read yet", "pending"
	}
	return verdict, "ok"
}
