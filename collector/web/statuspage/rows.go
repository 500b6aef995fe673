package statuspage

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"cckm_sync_exporter/collector/plan"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/state"
	"cckm_sync_exporter/collector/syncjob"
)

// row is one scope of one list of one target.
type row struct {
	// scope sums up its jobs. It has only its name if there are none.
	scope *syncjob.Scope
	// plan is what schedules and the inventory say about it.
	plan   *plan.Scope
	latest *scrape.Latest
	target *Target
	// order is the list's place among all lists of all targets.
	order int
	// states may be empty only if there are no jobs.
	states state.Set
	// old is true if the list's last read failed or was long ago, so that the row may be outdated.
	old bool
	// at is the time of the scope's states by the appliance's clock: now, or the last complete read if
	// old.
	at time.Time
	// cause is nil if the row has none.
	cause *cause
}

// counts are numbers of rows: of all, by state, and without a state. A row counts for each of its states, also if
// it is old.
type counts struct {
	all, stateless int
	byState        [state.NumStates]int
}

func (c *counts) add(r *row) {
	c.all++
	if r.states == 0 {
		c.stateless++
	}
	for _, s := range r.states.States() {
		c.byState[s]++
	}
}

// survey is everything that the last reads returned, whatever the query asks for.
type survey struct {
	rows   []row
	lists  [state.NumListStates]int
	counts counts
	// critical is true if there is a list whose state is critical.
	critical bool
	// unreadableSources is the number of sources whose last read failed.
	unreadableSources int
	// withoutJobs is the number of rows that no job covers.
	withoutJobs int
	// firstReadable is the first list that was read, if there is one.
	firstReadable *syncjob.List
	// causes are those of rows, in the order in which they were found, and byText are the same by
	// cause.common.
	causes []*cause
	byText map[string]*cause
	// failures is the number of rows that are failed or partly failed.
	failures int
	// forgotten counts the scopes that are omitted because of their age; firstForgetting is the first
	// target with such scopes.
	forgotten       int
	firstForgetting *Target
}

func newSurvey(targets []Target, now time.Time) *survey {
	s := &survey{byText: map[string]*cause{}}
	order := 0
	for i := range targets {
		target := &targets[i]
		for _, source := range target.sources() {
			if source.Err != nil {
				s.unreadableSources++
			}
		}
		for j := range target.Lists {
			order++
			s.addList(target, &target.Lists[j], order, now)
		}
	}
	return s
}

func (s *survey) addList(target *Target, latest *scrape.Latest, order int, now time.Time) {
	condition := state.OfList(latest, now)
	s.lists[condition]++
	s.critical = s.critical || condition.InfoOf(latest).Severity == state.Critical
	if latest.Complete == nil || latest.Complete.Summary == nil || condition == state.Unasked {
		return
	}
	old := condition != state.Readable
	at := now
	if old {
		at = latest.CompleteAt
	} else {
		s.firstReadable = cmp.Or(s.firstReadable, &latest.List)
	}
	at = at.Add(target.ClockOffset)
	all := target.plan(latest)
	shown, scopes := make([]*plan.Scope, 0, len(all)), make([]state.Scope, 0, len(all))
	for i := range all {
		// By this host's clock, as the metrics do.
		if all[i].ForgottenAfter(target.ForgetScopesAfter, now) {
			s.forgotten++
			s.firstForgetting = cmp.Or(s.firstForgetting, target)
			continue
		}
		shown = append(shown, &all[i])
		scopes = append(scopes, state.ScopeOf(&all[i], at))
	}
	for i, states := range state.OfScopes(latest.List.Cloud, scopes, at) {
		r := row{scope: shown[i].Job, plan: shown[i], latest: latest, target: target, order: order, states: states, old: old, at: at}
		if r.scope == nil {
			r.scope = &syncjob.Scope{Name: r.plan.Name}
			s.withoutJobs++
		}
		if states.Has(state.Failed) || states.Has(state.PartlyFailed) {
			s.failures++
		}
		r.cause = s.countCause(&r)
		s.counts.add(&r)
		s.rows = append(s.rows, r)
	}
}

// plan returns the scopes of a list that was read: those of jobs, and of the inventory.
func (t *Target) plan(latest *scrape.Latest) []plan.Scope {
	if t.Sources != nil {
		return t.Sources.Plan(&latest.List, latest.Complete.Summary)
	}
	all := latest.Complete.Summary.Scopes
	scopes := make([]plan.Scope, len(all))
	for i := range all {
		scopes[i] = plan.Scope{Name: all[i].Name, Job: &all[i]}
	}
	return scopes
}

// choose returns the rows that match the query, worst first, and the counts of those that match it except
// for the state and the cause.
func (s *survey) choose(q *query) (rows []row, c counts) {
	needle := strings.ToLower(q.text)
	wanted, byState := state.Named(q.state)
	without := q.state == stateless().Key
	for i := range s.rows {
		r := &s.rows[i]
		if (q.list != "" && q.list != r.latest.List.Name) || (q.target != "" && q.target != r.target.Name) || !r.holds(needle) {
			continue
		}
		c.add(r)
		if (byState && !r.states.Has(wanted)) || (without && r.states != 0) || (q.cause != "" && (r.cause == nil || r.cause.key != q.cause)) {
			continue
		}
		rows = append(rows, *r)
	}
	slices.SortFunc(rows, worstFirst)
	return rows, c
}

// worstFirst orders rows by their worst state; stuck ones by duration, longest first; then by last success,
// none and oldest first; then in the order of lists and names.
func worstFirst(a, b row) int {
	worst := a.states.Worst()
	if c := cmp.Compare(worst, b.states.Worst()); c != 0 {
		return c
	}
	if worst == state.Stuck {
		if c := a.scope.OldestInProgress.Compare(b.scope.OldestInProgress); c != 0 {
			return c
		}
	}
	return cmp.Or(a.scope.LastSuccess.Compare(b.scope.LastSuccess), cmp.Compare(a.order, b.order), cmp.Compare(a.scope.Name, b.scope.Name))
}

// stateless is shown for a row without a state.
func stateless() state.Info {
	return state.Info{Key: "no_job", Name: "No job", Symbol: "○", Meaning: "It is registered, and the list has no job of it."}
}

// info returns how the row's worst state is shown.
func (r *row) info() state.Info {
	if r.states == 0 {
		return stateless()
	}
	return r.states.Worst().Info()
}

// holds reports whether the row contains a lower-case text.
func (r *row) holds(needle string) bool {
	if needle == "" {
		return true
	}
	s := r.scope
	if contains(s.Name, needle) || contains(r.plan.DisplayName, needle) || contains(r.target.Name, needle) || contains(r.latest.List.Name, needle) ||
		contains(s.Newest.ID, needle) || contains(s.Newest.Text, needle) ||
		contains(s.OldestInProgressID, needle) || contains(s.OldestInProgressText, needle) {
		return true
	}
	return s.Last != nil && (contains(s.Last.ID, needle) || contains(s.Last.Text, needle))
}

// contains allocates only if the text has upper-case letters.
func contains(text, needle string) bool { return strings.Contains(strings.ToLower(text), needle) }

// failingSince returns when the oldest job finished of those that did not complete the scope since its last
// success. It is zero if the newest finished job completed. atLeast is true if there may be older ones.
func failingSince(s *syncjob.Scope) (since time.Time, atLeast bool) {
	for _, r := range s.Results {
		if r.Status == syncjob.Completed {
			return since, false
		}
		if r.FinishedAt.IsZero() {
			return since, true // The place of such a job is unknown.
		}
		since = r.FinishedAt
	}
	return since, len(s.Results) == syncjob.MaxResults
}
