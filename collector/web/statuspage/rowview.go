package statuspage

import (
	"html/template"
	"net/url"
	"time"

	"cckm_sync_exporter/collector/printable"
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
	State stateInfo
	// AsOf is the time of the last complete read if the row is old.
	AsOf         *shownTime
	Target, List string
	// Name is the name in the scope's identifier; Scope is the identifier if it differs.
	Name, Scope string
	// Newest is the status of the newest job, Result the result of the newest finished one.
	Newest    string
	NewestAt  *shownTime
	Result    string
	ResultBad bool
	ResultAt  *shownTime
	// Success is the time of the last success. Succeeded is true if there was one, with or without a
	// time.
	Success   *shownTime
	Succeeded bool
	// Running is true if a job is in progress, since Since, for For; Stuck if that is too long.
	Running, Stuck bool
	For            string
	Since          *shownTime
	Details        []detail
}

// detail is a job to look up, with the appliance's text.
type detail struct {
	ID, What, Text, API string
}

func newRowView(r *row, now time.Time) rowView {
	s, theirs := r.scope, now.Add(r.target.ClockOffset)
	name := r.target.clean(s.Name)
	v := rowView{
		State:  r.state.info(),
		Target: printable.Line(r.target.Name, maxName), List: r.latest.List.Name,
		Name: printable.Shorten(r.latest.List.Identify(name).Name, maxName), Scope: printable.Shorten(name, maxName),
		Newest: statusText(s.Newest.Status), NewestAt: newShownTime(theirs, s.Newest.CreatedAt),
		Success: newShownTime(theirs, s.LastSuccess), Succeeded: s.Jobs[syncjob.Completed] > 0,
	}
	if v.Name == v.Scope {
		v.Scope = ""
	}
	if r.old {
		v.AsOf = newShownTime(now, r.latest.CompleteAt)
	}
	if s.Last != nil {
		v.Result, v.ResultBad = statusText(s.Last.Status), s.Last.Status != syncjob.Completed
		v.ResultAt = newShownTime(theirs, s.Last.FinishedAt)
	}
	if s.Jobs[syncjob.InProgress] > 0 {
		v.Running, v.Since = true, newShownTime(theirs, s.OldestInProgress)
		v.For, v.Stuck = runningFor(r)
	}
	v.Details = details(r, v.Stuck)
	return v
}

// runningFor returns how long the oldest job has been in progress, up to the last read.
func runningFor(r *row) (text string, isTooLong bool) {
	if r.scope.OldestInProgress.IsZero() {
		return "", false
	}
	return coarse(r.at.Sub(r.scope.OldestInProgress)), isStuck(r.scope, r.latest.List.Cloud, r.at)
}

// statusText returns a status for people.
func statusText(s syncjob.Status) string {
	switch s {
	case syncjob.InProgress:
		return "in progress"
	case syncjob.Completed:
		return "completed"
	case syncjob.Failed:
		return "failed"
	case syncjob.Aborted:
		return "aborted"
	case syncjob.Unknown:
		return "unknown"
	}
	return "unknown"
}

// details returns the jobs that explain a bad state.
func details(r *row, isTooLong bool) (found []detail) {
	s := r.scope
	add := func(what, id, text string) {
		if id == "" && text == "" {
			return
		}
		id = r.target.clean(id)
		d := detail{What: what, Text: printable.Line(text, maxWords), ID: printable.Shorten(id, maxName)}
		if id != "" {
			d.API = apiBase(r.target.URL) + "/api/v1/" + r.latest.List.Path + "/" + url.PathEscape(id)
		}
		found = append(found, d)
	}
	if last := s.Last; last != nil && last.Status != syncjob.Completed && r.state.bad() {
		what := statusText(last.Status)
		switch last.Status {
		case syncjob.Aborted:
			what = "was aborted"
		case syncjob.Unknown:
			what = "ended with a status that is unknown"
		case syncjob.InProgress, syncjob.Completed, syncjob.Failed:
		}
		if took, ok := last.Duration(); ok {
			what += " after " + duration(took)
		}
		add(what, last.ID, last.Text)
	}
	if isTooLong {
		add("is in progress", s.OldestInProgressID, s.OldestInProgressText)
	}
	return found
}
