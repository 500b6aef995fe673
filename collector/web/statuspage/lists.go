package statuspage

import (
	"strings"
	"time"

	"cckm_sync_exporter/collector/printable"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/state"
	"cckm_sync_exporter/collector/syncjob"
)

// maxUnknownTexts bounds the unknown texts of a list on the page; the log has more.
const maxUnknownTexts = 5

// listView is a list as the page shows it.
type listView struct {
	Name, Path string
	State      state.Info
	// Reading is the progress of a full read; empty if there is none.
	Reading string
	// At is the end of the last read, Took its duration and Pages its pages.
	At    *shownTime
	Took  string
	Pages string
	// Failure is why the last read failed, or nil.
	Failure *failure
	// AsOf is the time of the last complete read if the last one failed; Never is true if there was
	// none. Old is true if the numbers may be outdated.
	AsOf       *shownTime
	Never, Old bool
	Jobs       []jobCount
	JobsAll    string
	Scopes     string
	// Texts are some unknown texts of detailed_status; MoreTexts is true if there are more.
	Texts     []string
	MoreTexts bool
}

// jobCount is a number of jobs with a status.
type jobCount struct {
	Number string
	Status string
}

func newListView(l *scrape.Latest, now time.Time) listView {
	condition := state.OfList(l, now)
	v := listView{
		Name: l.List.Name, Path: "/api/v1/" + l.List.Path, State: condition.Info(), Old: condition != state.Readable,
		Reading: reading(l.FullRead),
	}
	if v.Reading != "" && condition != state.Reading {
		v.Reading = "full read: " + v.Reading
	}
	if l.Read == nil {
		return v
	}
	v.At = newShownTime(now, l.ReadAt)
	v.Took, v.Pages = duration(l.Read.Took), number(l.Read.Pages)
	if condition == state.Unreadable {
		v.Failure = failureOf(l.Read.Err)
		v.AsOf = newShownTime(now, l.CompleteAt)
		v.Never = l.Complete == nil
	}
	if l.Complete == nil || l.Complete.Summary == nil {
		return v
	}
	all := 0
	for _, status := range syncjob.Statuses() {
		n := l.Complete.Summary.Jobs[status]
		all += n
		if n > 0 {
			v.Jobs = append(v.Jobs, jobCount{number(n), strings.ReplaceAll(status.String(), "_", " ")})
		}
	}
	v.JobsAll, v.Scopes = number(all), number(len(l.Complete.Summary.Scopes))
	for _, text := range l.Complete.Summary.UnknownTexts {
		if v.MoreTexts = len(v.Texts) == maxUnknownTexts; v.MoreTexts {
			break
		}
		v.Texts = append(v.Texts, printable.Line(text, maxWords))
	}
	return v
}

// reading returns the progress of a full read, or "" if there is none.
func reading(read *scrape.FullReadProgress) string {
	if read == nil {
		return ""
	}
	since := ", since " + read.Started.UTC().Format(clockLayout)
	if read.PagesExpected == 0 {
		return "no page has arrived" + since
	}
	return number(read.Pages) + " of " + number(read.PagesExpected) + " pages" + since
}

// failure is why a read failed, for people.
type failure struct {
	Reason string
	Text   said
	// Todo is a hint without a full stop, or empty.
	Todo string
}

func failureOf(err error) *failure {
	if err == nil {
		return &failure{string(reason.Other), said{Cause: "the read ended without a list and without an error"}, "report it"}
	}
	return &failure{string(reason.Of(err)), errorText(err), printable.Line(reason.HintOf(err), maxWords)}
}

// problem is a reason why lists of a target are not read.
type problem struct {
	Target string
	State  state.Info
	Lists  []string
	// Failure is that of the first of the lists, or nil if the lists are out of date.
	Failure *failure
	// Since is the time of the last complete read of the first of the lists, if there was one.
	Since *shownTime
}

// maxProblems bounds the problems, and the causes, above the table; the tables have all of them.
const maxProblems = 5

// problemsOf returns the lists that are not read, grouped by target and reason: an appliance that is
// down is one problem, not thirteen. It also returns how many groups are omitted.
func problemsOf(targets []Target, now time.Time) (found []problem, more int) {
	type kind struct {
		target int
		state  state.ListState
		reason reason.Reason
	}
	at := map[kind]int{}
	for i := range targets {
		for j := range targets[i].Lists {
			l := &targets[i].Lists[j]
			k := kind{target: i, state: state.OfList(l, now)}
			if k.state.Info().Severity == state.None {
				continue
			}
			if k.state == state.Unreadable {
				k.reason = reason.Of(l.Read.Err)
			}
			n, ok := at[k]
			if !ok {
				n = len(at)
				at[k] = n
				if n < maxProblems {
					found = append(found, newProblem(&targets[i], l, k.state, now))
				}
			}
			if n < maxProblems {
				found[n].Lists = append(found[n].Lists, l.List.Name)
			}
		}
	}
	return found, len(at) - len(found)
}

func newProblem(target *Target, l *scrape.Latest, condition state.ListState, now time.Time) problem {
	p := problem{Target: target.Name, State: condition.Info(), Since: newShownTime(now, l.CompleteAt)}
	if condition == state.Unreadable {
		p.Failure = failureOf(l.Read.Err)
		if p.Failure.Reason == string(reason.Auth) {
			p.State.Alert = "CCKMSyncCredentialsRejected"
		}
	}
	return p
}
