package statuspage

import (
	"cmp"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"

	"cckm_sync_exporter/collector/printable"
	"cckm_sync_exporter/collector/state"
	"cckm_sync_exporter/collector/syncjob"
)

const (
	// maxName and maxWords bound names and texts, in bytes.
	maxName  = 300
	maxWords = 1000
)

// style returns the style sheet, which must not be escaped.
func style() template.CSS {
	return template.CSS(pageStyle) //nolint:gosec // It is the embedded file, whose hash the policy has.
}

// rowView is a scope as the page shows it.
type rowView struct {
	States []state.Info
	// AsOf is the time of the last complete read if the row is old.
	AsOf *shownTime
	// Name is the name in the scope's identifier; Scope is the identifier if it differs.
	Name, Scope  string
	Target, List string
	// Results are the last results, and ResultAt the time of the newest.
	Results  []run
	ResultAt *shownTime
	// Since is since when no job has completed, at least if AtLeast; nil if the newest one did.
	Since   *shownTime
	AtLeast bool
	// Success is the time of the last success. Succeeded is true if there was one, with or without a
	// time.
	Success   *shownTime
	Succeeded bool
	// Newest is the status of the newest job; without a job, NewestAt is when the inventory says that it was
	// refreshed.
	Newest   string
	NewestAt *shownTime
	// Schedules are the names of those that cover it, "no schedule", or empty if none are read. Due is when
	// they should have started the newest job, and Next when they start the next one.
	Schedules string
	Due, Next *shownTime
	Details   []detail
}

// run is a number of consecutive equal results.
type run struct {
	Symbols, Text string
	Bad           bool
}

// detail explains a state: the appliance's text, and the job to look up.
type detail struct {
	Text said
	// Fact is what the exporter knows, ID and API the job's id and where to read it.
	Fact, ID, API string
}

func newRowView(r *row, now time.Time) rowView {
	s, theirs, times := r.scope, now.Add(r.target.ClockOffset), r.plan.Times(r.at)
	name := r.target.clean(s.Name)
	v := rowView{
		Target: printable.Line(r.target.Name, maxName), List: r.latest.List.Name,
		Name: printable.Shorten(cmp.Or(r.plan.DisplayName, r.latest.List.Identify(name).Name), maxName), Scope: printable.Shorten(name, maxName),
		Results: runs(s.Results),
		Success: newShownTime(theirs, s.LastSuccess), Succeeded: s.Jobs[syncjob.Completed] > 0,
		Newest: statusText(s.Newest.Status), NewestAt: newShownTime(theirs, s.Newest.CreatedAt),
		Schedules: schedulesOf(r), Due: newShownTime(theirs, times.Due), Next: newShownTime(theirs, times.Next),
		Details: details(r),
	}
	if v.Next != nil {
		v.Next.Relative = "in " + coarse(times.Next.Sub(theirs))
	}
	if r.plan.Job == nil {
		v.Newest = "none"
		if v.NewestAt = newShownTime(theirs, r.plan.RefreshedAt); v.NewestAt != nil {
			v.Newest = "none, but refreshed"
		}
	}
	if r.states == 0 {
		v.States = []state.Info{r.info()}
	}
	for _, each := range r.states.States() {
		v.States = append(v.States, each.Info())
	}
	if v.Name == v.Scope {
		v.Scope = ""
	}
	if r.old {
		v.AsOf = newShownTime(now, r.latest.CompleteAt)
	}
	if s.Last != nil {
		v.ResultAt = newShownTime(theirs, s.Last.FinishedAt)
	}
	since, atLeast := failingSince(s)
	v.Since, v.AtLeast = newShownTime(theirs, since), atLeast
	return v
}

// schedulesOf returns the names of the enabled schedules that cover a row, else of the others.
func schedulesOf(r *row) string {
	if r.target.Sources == nil || r.target.Sources.Schedules == nil {
		return ""
	}
	var on, off []string
	for _, s := range r.plan.Schedules() {
		if s.Enabled(r.at) {
			on = append(on, s.Label)
		} else {
			off = append(off, s.Label+" (off)")
		}
	}
	if len(on) == 0 {
		on = off
	}
	return printable.Line(cmp.Or(strings.Join(on, ", "), "no schedule"), maxName)
}

// runs returns results as runs.
func runs(results []syncjob.Result) []run {
	var found []run
	for i := 0; i < len(results); {
		n := 1
		for i+n < len(results) && results[i+n].Status == results[i].Status {
			n++
		}
		status := results[i].Status
		found = append(found, run{
			Symbols: strings.Repeat(symbol(status), n), Text: strconv.Itoa(n) + " " + statusText(status), Bad: status != syncjob.Completed,
		})
		i += n
	}
	return found
}

// symbol returns the symbol of a result, which is that of the state that it leads to.
func symbol(s syncjob.Status) string {
	return map[syncjob.Status]state.State{
		syncjob.InProgress: state.Running, syncjob.Completed: state.InSync, syncjob.Failed: state.Failed,
		syncjob.Aborted: state.Aborted, syncjob.Unknown: state.Unknown,
	}[s].Info().Symbol
}

// statusText returns a status for people.
func statusText(s syncjob.Status) string { return strings.ReplaceAll(s.String(), "_", " ") }

// details returns what explains the states of a row that need attention.
func details(r *row) (found []detail) {
	s := r.scope
	add := func(text, fact, id string) {
		id = r.target.clean(id)
		api := apiBase(r.target.URL) + "/api/v1/" + r.latest.List.Path + "/" + url.PathEscape(id)
		found = append(found, detail{Text: jobText(text), Fact: fact, ID: printable.Shorten(id, maxName), API: api})
	}
	if r.info().Severity == state.None {
		return nil
	}
	switch last := s.Last; {
	case last != nil && last.Status != syncjob.Completed:
		fact := statusText(last.Status)
		if took, ok := last.Duration(); ok {
			fact += " after " + duration(took)
		}
		add(last.Text, fact, last.ID)
	case r.cause != nil:
		found = append(found, detail{Fact: r.cause.text})
	}
	if r.states.Has(state.Stuck) {
		add(s.OldestInProgressText, "in progress for "+coarse(r.at.Sub(s.OldestInProgress)), s.OldestInProgressID)
	}
	return found
}
