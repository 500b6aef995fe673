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
	// old says that the list has not been read since its last whole read, so that
	// nothing here is known to be still so.
	old bool
	// at is when the scope's state was known, by the appliance's clock: now, or if old, at the last
	// whole read.
	at time.Time
}

// table is every scope that the query does not leave out.
type table struct {
	// rows are those of the state that is asked for.
	rows []row
	// counts and oldCounts count the scopes by state as the query has them but for
	// its state; all and allOld count them without a query.
	counts, oldCounts, all, allOld [numStates]int
	// forgotten counts the scopes that were left out for their age, and forgetful is the
	// first target of which some were.
	forgotten int
	forgetful *Target
}

// newTable gathers the scopes and puts the worst first.
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
				if scope.ForgottenAfter(target.ForgetScopesAfter, now.Add(target.ClockOffset)) {
					t.forgotten++
					t.forgetful = cmp.Or(t.forgetful, target)
					continue
				}
				at := now
				if old {
					at = latest.CompleteAt
				}
				at = at.Add(target.ClockOffset)
				r := row{scope: scope, latest: latest, target: target, order: order, state: judge(scope, latest.List.Cloud, at), old: old, at: at}
				tally(&t.all, &t.allOld, &r)
				if !here || !r.holds(needle) {
					continue
				}
				tally(&t.counts, &t.oldCounts, &r)
				if !byState || r.state == wanted {
					t.rows = append(t.rows, r)
				}
			}
		}
	}
	slices.SortFunc(t.rows, worstFirst)
	return t
}

func tally(current, old *[numStates]int, r *row) {
	if r.old {
		old[r.state]++
	} else {
		current[r.state]++
	}
}

// worstFirst orders rows by state; those that run long by how long, the longest
// first; then by the last success, the oldest first and none before any; then as
// the configuration and the appliance have them.
func worstFirst(a, b row) int {
	if c := cmp.Compare(a.state, b.state); c != 0 {
		return c
	}
	if a.state == long {
		if c := a.scope.OldestInProgress.Compare(b.scope.OldestInProgress); c != 0 {
			return c
		}
	}
	if c := a.scope.LastSuccess.Compare(b.scope.LastSuccess); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.scope.Name, b.scope.Name))
}

// holds says whether a text in lower case is part of what the row shows.
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

// contains costs no memory where the text has no capitals, as most have none.
func contains(text, needle string) bool { return strings.Contains(strings.ToLower(text), needle) }
