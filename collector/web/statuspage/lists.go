package statuspage

import (
	"strings"
	"time"

	"cckm_sync_exporter/collector/printable"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// listState is the state of a list.
type listState uint8

const (
	// listFailed: the last read failed.
	listFailed listState = iota
	// listStale: no scrape for staleAfter.
	listStale
	// listPending: no scrape yet.
	listPending
	// listRead: the last read was complete and recent.
	listRead

	numListStates = 4
)

// staleAfter is the age of a read after which the page shows it as out of date. Scrape intervals are a
// minute or two, and the alerts wait for ten minutes, too.
const staleAfter = 10 * time.Minute

// condition returns the state of a list.
func condition(l *scrape.Latest, now time.Time) listState {
	switch {
	case l.Read == nil:
		return listPending
	case l.Read.Err != nil || l.Read.Summary == nil:
		return listFailed
	case now.Sub(l.ReadAt) > staleAfter:
		return listStale
	default:
		return listRead
	}
}

// info returns how the state is shown.
func (s listState) info() (key, word, symbol string) {
	switch s {
	case listFailed:
		return "failed", "Not read", "✕"
	case listStale:
		return "stale", "Out of date", "▲"
	case listPending:
		return "pending", "Not read yet", "…"
	case listRead:
		return "ok", "Read", "✓"
	default:
		return "", "", ""
	}
}

// maxUnknownTexts bounds the unknown texts of a list on the page; the log has more.
const maxUnknownTexts = 5

// maxError bounds the text of an error on the page, in bytes.
const maxError = 1000

// listView is a list as the page shows it.
type listView struct {
	Name, Path        string
	Key, Word, Symbol string
	// Reading is the progress of a full read; empty if there is none.
	Reading string
	// At is the end of the last read, Took its duration and Pages its pages.
	At    *shownTime
	Took  string
	Pages string
	// Reason, Error and Todo are the reason of a failure, its text and advice.
	Reason, Error, Todo string
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
	state := condition(l, now)
	v := listView{Name: l.List.Name, Path: "/api/v1/" + l.List.Path, Old: state != listRead, Reading: reading(l.FullRead)}
	v.Key, v.Word, v.Symbol = state.info()
	if l.Read == nil {
		return v
	}
	v.At = newShownTime(now, l.ReadAt)
	v.Took, v.Pages = duration(l.Read.Took), number(l.Read.Pages)
	if state == listFailed {
		v.Reason, v.Error, v.Todo = why(l.Read.Err)
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
	return number(read.Pages) + " of about " + number(read.PagesExpected) + " pages, " +
		number(read.Jobs) + " of " + number(read.JobsExpected) + " jobs" + since
}

// why returns the reason of a failed read, its text and advice.
func why(err error) (name, text, todo string) {
	if err == nil {
		return string(reason.Other), "the read ended without a list and without an error", "report it"
	}
	return string(reason.Of(err)), printable.Line(err.Error(), maxError), printable.Line(reason.HintOf(err), maxError)
}

// problem is a reason why lists of a target are not read.
type problem struct {
	Target            string
	Key, Word, Symbol string
	Lists             []string
	// Reason, Error and Todo are those of the first of the lists.
	Reason, Error, Todo string
	// Since is the time of the last complete read of the first of the lists, if there was one.
	Since   *shownTime
	Runbook string
}

// maxProblems bounds the problems above the table of scopes; the table of lists has all lists.
const maxProblems = 5

// problemsOf returns the lists that are not read, grouped by target and reason: an appliance that is
// down is one problem, not thirteen. It also returns how many groups are omitted.
func problemsOf(targets []Target, now time.Time) (found []problem, more int) {
	type kind struct {
		target int
		state  listState
		reason reason.Reason
	}
	at := map[kind]int{}
	for i := range targets {
		for j := range targets[i].Lists {
			l := &targets[i].Lists[j]
			k := kind{target: i, state: condition(l, now)}
			if k.state != listFailed && k.state != listStale {
				continue
			}
			if k.state == listFailed && l.Read.Err != nil {
				k.reason = reason.Of(l.Read.Err)
			}
			if n, ok := at[k]; ok {
				if n < len(found) {
					found[n].Lists = append(found[n].Lists, l.List.Name)
				}
				continue
			}
			at[k] = len(at)
			if len(found) == maxProblems {
				continue
			}
			found = append(found, newProblem(&targets[i], l, k.state, now))
		}
	}
	return found, len(at) - len(found)
}

func newProblem(target *Target, l *scrape.Latest, state listState, now time.Time) problem {
	t := problem{Target: target.Name, Lists: []string{l.List.Name}, Since: newShownTime(now, l.CompleteAt)}
	t.Key, t.Word, t.Symbol = state.info()
	if state == listStale {
		t.Runbook = runbook("CCKMSyncExporterDown")
		t.Todo = "no scrape has asked for it since: look at this target in Prometheus, under Status, Targets"
		return t
	}
	t.Reason, t.Error, t.Todo = why(l.Read.Err)
	t.Runbook = runbook("CCKMSyncListUnreadable")
	if t.Reason == string(reason.Auth) {
		t.Runbook = runbook("CCKMSyncCredentialsRejected")
	}
	return t
}
