package statuspage

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"cckm_sync_exporter/collector/printable"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/sources"
	"cckm_sync_exporter/collector/state"
	"cckm_sync_exporter/collector/syncjob"
)

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
	// Jobs is the number of jobs, and ByStatus those with each status.
	Jobs, ByStatus, Scopes string
	// Texts are unknown texts of detailed_status.
	Texts []string
}

func newListView(l *scrape.Latest, now time.Time) listView {
	condition := state.OfList(l, now)
	v := listView{
		Name: l.List.Name, Path: "/api/v1/" + l.List.Path, State: condition.InfoOf(l), Old: condition != state.Readable,
		Reading: reading(l.FullRead),
	}
	if v.Reading != "" && condition != state.Reading {
		v.Reading = "full read: " + v.Reading
	}
	if l.Read == nil || condition == state.Unasked {
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
	summary, all := l.Complete.Summary, 0
	var byStatus []string
	for _, status := range syncjob.Statuses() {
		if n := summary.Jobs[status]; n > 0 {
			all += n
			byStatus = append(byStatus, number(n)+" "+statusText(status))
		}
	}
	v.Jobs, v.ByStatus, v.Scopes = number(all), strings.Join(byStatus, ", "), number(len(summary.Scopes))
	for _, text := range summary.UnknownTexts {
		v.Texts = append(v.Texts, printable.Line(text, maxWords))
	}
	return v
}

// unreadableSource is the state of a source whose last read failed. There is no state of the same name, so
// that numbers of lists stay right.
func unreadableSource() state.Info {
	info := state.Unreadable.Info()
	info.Name, info.Severity, info.Alert = "Source unreadable", state.Warning, "CCKMSyncSourceUnreadable"
	return info
}

// newSourceView returns a source of schedules or registered containers as a row of the table of lists.
func newSourceView(s *sources.Status, now time.Time) listView {
	v := listView{Name: s.Name, State: state.Readable.Info()}
	if !s.CompleteAt.IsZero() {
		v.Scopes = count(s.Records, "record")
	}
	if s.Err == nil {
		v.At = newShownTime(now, s.CompleteAt)
		return v
	}
	v.State, v.Failure, v.Old = unreadableSource(), failureOf(s.Err), true
	v.State.Meaning = neverRead
	if last := newShownTime(now, s.CompleteAt); last != nil {
		v.State.Meaning = "Last read " + last.Relative + ", which counts for an hour."
	}
	return v
}

// sources returns the sources that were read at least once.
func (t *Target) sources() []sources.Status {
	if t.Sources == nil {
		return nil
	}
	return t.Sources.Sources
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
	// Since is the time of the last complete read of the first of the lists, if there was one. Otherwise Never
	// says so.
	Since *shownTime
	Never string
}

// neverRead is about a list or source without a complete read. Those before the start are not known.
const neverRead = "No read has succeeded since the exporter started."

// maxProblems bounds the problems, and the causes, above the table; the tables have all of them.
const maxProblems = 5

// problemsOf returns the lists that are not read, critical ones first, grouped by target and reason: an appliance
// that is down is one problem, not thirteen. It also returns how many groups are omitted.
func problemsOf(targets []Target, now time.Time) (found []problem, more int) {
	type kind struct {
		target   int
		state    state.ListState
		severity state.Severity
		reason   reason.Reason
	}
	at := map[kind]int{}
	for i := range targets {
		for j := range targets[i].Lists {
			l := &targets[i].Lists[j]
			k := kind{target: i, state: state.OfList(l, now)}
			k.severity = k.state.InfoOf(l).Severity
			if k.severity == state.None {
				continue
			}
			if k.state == state.Unreadable {
				k.reason = reason.Of(l.Read.Err)
			}
			n, ok := at[k]
			if !ok {
				n = len(found)
				at[k] = n
				found = append(found, newProblem(&targets[i], l, k.state, now))
			}
			found[n].Lists = append(found[n].Lists, l.List.Name)
		}
		for _, source := range targets[i].sources() {
			if source.Err == nil {
				continue
			}
			info := unreadableSource()
			k := kind{i, state.NumListStates, info.Severity, reason.Of(source.Err)}
			n, ok := at[k]
			if !ok {
				n = len(found)
				at[k] = n
				found = append(found, problem{Target: targets[i].Name, State: info, Failure: failureOf(source.Err), Since: newShownTime(now, source.CompleteAt), Never: neverRead})
			}
			found[n].Lists = append(found[n].Lists, source.Name)
		}
	}
	// "critical" is before "warning".
	slices.SortStableFunc(found, func(a, b problem) int { return cmp.Compare(a.State.Severity, b.State.Severity) })
	more = max(0, len(found)-maxProblems)
	return found[:len(found)-more], more
}

func newProblem(target *Target, l *scrape.Latest, condition state.ListState, now time.Time) problem {
	p := problem{Target: target.Name, State: condition.InfoOf(l), Since: newShownTime(now, l.CompleteAt), Never: neverRead}
	if condition == state.Unreadable {
		p.Failure = failureOf(l.Read.Err)
		if p.State.Severity == state.Warning {
			p.Never = p.State.Meaning
		}
		if p.Failure.Reason == string(reason.Auth) {
			p.State.Alert = "CCKMSyncCredentialsRejected"
		}
	}
	return p
}
