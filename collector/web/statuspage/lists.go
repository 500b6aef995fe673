package statuspage

import (
	"strings"
	"time"

	"cckm_sync_exporter/collector/printable"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// listState says what is known of a list.
type listState uint8

const (
	// listFailed says that the last read failed.
	listFailed listState = iota
	// listStale says that it was read, and that no scrape has asked for staleAfter.
	listStale
	// listPending says that no scrape has asked yet.
	listPending
	// listRead says that the last read got the whole list, of late.
	listRead

	numListStates = 4
)

// staleAfter is how long ago a read may be for the page to show it as the present:
// a scrape interval is a minute or two, and the alerts wait for ten as well.
const staleAfter = 10 * time.Minute

// condition returns what is known of a list.
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

// info tells how a list's state is shown.
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

// maxUnknownTexts bounds how many unknown texts the page shows of a list; the log
// has more.
const maxUnknownTexts = 5

// maxError bounds the text of an error on the page, in bytes.
const maxError = 1000

// listView is a list as the page shows it.
type listView struct {
	Name, Path        string
	Key, Word, Symbol string
	// Reading is how far the full read in progress is, if there is one.
	Reading string
	// At is when the last read ended, and Took and Pages what it cost.
	At    *when
	Took  string
	Pages string
	// Reason, Error and Todo say why it failed.
	Reason, Error, Todo string
	// AsOf is when the last whole read ended where that is not the last read, and
	// Never that there was none. Old says that the numbers are of that time.
	AsOf       *when
	Never, Old bool
	Jobs       []jobCount
	JobsAll    string
	Scopes     string
	// Texts are a few texts of detailed_status that this version does not know, and
	// MoreTexts reports that there are more.
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
	v.At = newWhen(now, l.ReadAt)
	v.Took, v.Pages = duration(l.Read.Took), number(l.Read.Pages)
	if state == listFailed {
		v.Reason, v.Error, v.Todo = why(l.Read.Err)
		v.AsOf = newWhen(now, l.CompleteAt)
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

// reading returns how far a full read is in progress, or nothing if there is none.
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

// why returns the reason of a failed read, what happened, and what to do.
func why(err error) (name, text, todo string) {
	if err == nil {
		return string(reason.Other), "the read ended without a list and without an error", "report it"
	}
	return string(reason.Of(err)), printable.Line(err.Error(), maxError), printable.Line(reason.RemedyOf(err), maxError)
}

// trouble is one reason why lists of a target are not read.
type trouble struct {
	Target            string
	Key, Word, Symbol string
	Lists             []string
	// Reason, Error and Todo are those of the first of the lists.
	Reason, Error, Todo string
	// Since is the last whole read of the first of the lists, if there was one.
	Since   *when
	Runbook string
}

// maxTroubles bounds what stands above the table of scopes; the table of lists
// has every list.
const maxTroubles = 5

// troubles gathers the lists that are not read, by target and reason: an appliance
// that is down is one trouble and not thirteen. It also returns how many more
// there are than it returns.
func troubles(targets []Target, now time.Time) (found []trouble, more int) {
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
			if len(found) == maxTroubles {
				continue
			}
			found = append(found, newTrouble(&targets[i], l, k.state, now))
		}
	}
	return found, len(at) - len(found)
}

func newTrouble(target *Target, l *scrape.Latest, state listState, now time.Time) trouble {
	t := trouble{Target: target.Name, Lists: []string{l.List.Name}, Since: newWhen(now, l.CompleteAt)}
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
