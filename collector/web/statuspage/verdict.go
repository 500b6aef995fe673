package statuspage

import (
	"strings"
	"time"
)

// judgeAll returns the summary of all lists and scopes, worst first, and its tone: "bad", "ok", or
// "pending" if a list has not been read yet. It ignores the query.
func judgeAll(targets []Target, t *table, now time.Time) (verdict []string, tone string) {
	var lists [numListStates]int
	for i := range targets {
		for _, latest := range targets[i].Lists {
			lists[condition(&latest, now)]++
		}
	}
	pending := lists[listPending]
	verdict, tone = countProblems(t, lists), "bad"
	if len(verdict) == 0 {
		switch {
		case lists[listRead] > 0:
			tone = "ok"
			verdict = append(verdict, "All is well: "+number(t.all[ok])+" OK")
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

// countProblems returns the counts of lists and scopes that need attention.
func countProblems(t *table, lists [numListStates]int) []string {
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
