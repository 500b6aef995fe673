package statuspage

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// row is one scope of one list of one target.
type row struct {
	scope  *syncjob.Scope
	latest *scrape.Latest
	target *Target
	// order is the list's place among all lists of all targets.
	order int
	state state
	// old is true if the list's last read failed or was long ago, so that the row may be outdated.
	old bool
	// at is the time of the scope's state by the appliance's clock: now, or the last complete read if
	// old.
	at time.Time
}

// table is the scopes that match the query.
type table struct {
	// rows have the requested state.
	rows []row
	// counts and oldCounts count the scopes by state that match the query except for its state; all
	// and allOld count all scopes.
	counts, oldCounts, all, allOld [numStates]int
	// forgotten counts the scopes that are omitted because of their age; firstForgetting is the first
	// target with such scopes.
	forgotten       int
	firstForgetting *Target
}

// newTable returns the matching scopes, worst first.
func newTable(targets []Target, q *query, now time.Time) *table {
	t := &table{}
	needle := strings.ToLower(q.text)
	wanted, byState := stateOf(q.state)
	order := 0
	for i := range targets {
		target := &targets[i]
		for j := range target.Lists {
			latest := &target.Lists[j]
			order++
			if latest.Complete == nil || latest.Complete.Summary == nil {
				continue
			}
			old := condition(latest, now) != listRead
			here := (q.list == "" || q.list == latest.List.Name) && (q.target == "" || q.target == target.Name)
			scopes := latest.Complete.Summary.Scopes
			for k := range scopes {
				scope := &scopes[k]
				// By this host's clock, as the metrics do.
				if scope.ForgottenAfter(target.ForgetScopesAfter, now) {
					t.forgotten++
					t.firstForgetting = cmp.Or(t.firstForgetting, target)
					continue
				}
				at := now
				if old {
					at = latest.CompleteAt
				}
				at = at.Add(target.ClockOffset)
				r := row{scope: scope, latest: latest, target: target, order: order, state: judge(scope, latest.List.Cloud, at), old: old, at: at}
				countRow(&t.all, &t.allOld, &r)
				if !here || !r.holds(needle) {
					continue
				}
				countRow(&t.counts, &t.oldCounts, &r)
				if !byState || r.state == wanted {
					t.rows = append(t.rows, r)
				}
			}
		}
	}
	slices.SortFunc(t.rows, worstFirst)
	return t
}

// countRow counts a row by its state.
func countRow(current, old *[numStates]int, r *row) {
	if r.old {
		old[r.state]++
	} else {
		current[r.state]++
	}
}

// worstFirst orders rows by state; stuck ones by duration, longest first; then by last success, none and
// oldest first; then in the order of lists and names.
func worstFirst(a, b row) int {
	if c := cmp.Compare(a.state, b.state); c != 0 {
		return c
	}
	if a.state == stuck {
		if c := a.scope.OldestInProgress.Compare(b.scope.OldestInProgress); c != 0 {
			return c
		}
	}
	if c := a.scope.LastSuccess.Compare(b.scope.LastSuccess); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.scope.Name, b.scope.Name))
}

// holds reports whether the row contains a lower-case text.
func (r *row) holds(needle string) bool {
	if needle == "" {
		return true
	}
	s := r.scope
	if contains(s.Name, needle) || contains(r.target.Name, needle) || contains(r.latest.List.Name, needle) ||
		contains(s.Newest.ID, needle) || contains(s.Newest.Text, needle) ||
		contains(s.OldestInProgressID, needle) || contains(s.OldestInProgressText, needle) {
		return true
	}
	return s.Last != nil && (contains(s.Last.ID, needle) || contains(s.Last.Text, needle))
}

// contains allocates only if the text has upper-case letters.
func contains(text, needle string) bool { return strings.Contains(strings.ToLower(text), needle) }
