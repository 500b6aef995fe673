package statuspage

import (
	"strings"
	"time"
)

// judgeAll says in a few words how everything is, whatever the query leaves out,
// the worst first, and whether that is "bad", "ok", or not all known yet ("pending").
func judgeAll(targets []Target, t *table, now time.Time) (verdict []string, tone string) {
	var lists [numListStates]int
	for i := range targets {
		for _, latest := range targets[i].Lists {
			lists[condition(&latest, now)]++
		}
	}
	pending := lists[listPending]
	verdict, tone = problems(t, lists), "bad"
	if len(verdict) == 0 {
		switch {
		case lists[listRead] > 0:
			tone = "ok"
			verdict = append(verdict, "All is well: "+number(t.all[fine])+" OK")
		case pending > 0:
			return []string{"Nothing read yet"}, "pending"
		default:
			return []string{"No list is read"}, "bad"
		}
		if n := t.all[running]; n > 0 {
			verdict = append(verdict, number(n)+" running")
		}
	}
	if pending > 0 {
		verdict = append(verdict, countLists(pending)+" not read yet")
		if tone == "ok" {
			tone = "pending"
		}
	}
	return verdict, tone
}

// problems counts what somebody has to do something about.
func problems(t *table, lists [numListStates]int) []string {
	var found []string
	if n := lists[listFailed]; n > 0 {
		found = append(found, countLists(n)+" not read")
	}
	if n := lists[listStale]; n > 0 {
		found = append(found, countLists(n)+" out of date")
	}
	for _, s := range states() {
		n, old := t.all[s], t.allOld[s]
		if !s.bad() || n+old == 0 {
			continue
		}
		problem := number(n+old) + " " + strings.ToLower(s.info().Word)
		if old > 0 {
			problem += " (" + number(old) + " old)"
		}
		found = append(found, problem)
	}
	return found
}
