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

// style returns the style sheet as a part of the page that needs no escaping.
func style() template.CSS {
	return template.CSS(pageStyle) //nolint:gosec // It is the embedded file, whose hash the policy has.
}

// rowView is a scope as the page shows it.
type rowView struct {
	State stateInfo
	// AsOf is when the list was read last, where that is long ago or its last read
	// failed.
	AsOf         *when
	Target, List string
	// Name is the part of the scope's identifier that people know it by, and
	// Scope the whole of it where that is more.
	Name, Scope string
	// Newest and Result are the status of the newest job, and the result of the
	// newest finished one.
	Newest    string
	NewestAt  *when
	Result    string
	ResultBad bool
	ResultAt  *when
	// Success is when a job completed last; Succeeded says that one did, also where
	// its time is not known.
	Success   *when
	Succeeded bool
	// Running says that a job is in progress, Since for how long, and Long that
	// this is too long.
	Running, Long bool
	For           string
	Since         *when
	Details       []detail
}

// detail is a job to look up, with the appliance's own words.
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
		Newest: words(s.Newest.Status), NewestAt: newWhen(theirs, s.Newest.CreatedAt),
		Success: newWhen(theirs, s.LastSuccess), Succeeded: s.Jobs[syncjob.Completed] > 0,
	}
	if v.Name == v.Scope {
		v.Scope = ""
	}
	if r.old {
		v.AsOf = newWhen(now, r.latest.CompleteAt)
	}
	if s.Last != nil {
		v.Result, v.ResultBad = words(s.Last.Result), s.Last.Result != syncjob.Completed
		v.ResultAt = newWhen(theirs, s.Last.FinishedAt)
	}
	if s.Jobs[syncjob.InProgress] > 0 {
		v.Running, v.Since = true, newWhen(theirs, s.OldestInProgress)
		v.For, v.Long = runningFor(r)
	}
	v.Details = details(r, v.Long)
	return v
}

// runningFor returns for how long the oldest job has been in progress, as far as is
// known: up to the last read.
func runningFor(r *row) (text string, tooLong bool) {
	if r.scope.OldestInProgress.IsZero() {
		return "", false
	}
	return coarse(r.at.Sub(r.scope.OldestInProgress)), isLong(r.scope, r.latest.List.Cloud, r.at)
}

// words returns a status as a word of English.
func words(s syncjob.Status) string {
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

// details returns the jobs that tell more about a scope that is not well.
func details(r *row, tooLong bool) (found []detail) {
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
	if last := s.Last; last != nil && last.Result != syncjob.Completed && r.state.bad() {
		what := words(last.Result)
		switch last.Result {
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
	if tooLong {
		add("is in progress", s.OldestInProgressID, s.OldestInProgressText)
	}
	return found
}
