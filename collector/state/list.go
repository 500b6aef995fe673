package state

import (
	"time"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
)

// ListState is the state of a list. The order is worst first.
type ListState uint8

// The states of lists.
const (
	// Unreadable: the last read failed.
	Unreadable ListState = iota
	// OutOfDate: the last read succeeded, but nothing has asked for any list of the target for maxAge.
	OutOfDate
	// Waiting: nothing has asked for the list yet.
	Waiting
	// Reading: the first read is in progress.
	Reading
	// Unasked: other lists of the target were read later than this one by more than alertMemory.
	Unasked
	// Readable: the last read succeeded.
	Readable

	// NumListStates is how many states of lists there are.
	NumListStates = 6
)

// maxAge is the age of a read after which it is out of date, and how long the first read may take before the
// list is unreadable. Scrape intervals are a minute or two, and the alerts wait as long.
const maxAge = 10 * time.Minute

// alertMemory is how long the alerts use the last samples of a list. A list that scrapes exclude by collect[] or
// exclude[] has no alert after that.
const alertMemory = 20 * time.Minute

// listInfos are the states of lists in their order.
//
//nolint:gochecknoglobals // An immutable table.
var listInfos = [NumListStates]Info{
	Unreadable: {
		"unreadable", "Unreadable", "✕", Critical, "CCKMSyncListUnreadable",
		"The last read failed, so its failed and overdue synchronizations go unnoticed.",
		"Fix what the error says.",
	},
	OutOfDate: {
		"out_of_date", "Out of date", "▲", Critical, "CCKMSyncExporterDown",
		"The last read succeeded, but no scrape has asked for any list of the target for 10 minutes.",
		"Look at the target in Prometheus, under Status, Targets.",
	},
	Waiting: {"waiting", "Waiting for the first read", "…", None, "", "No scrape has asked for the list yet.", ""},
	Reading: {"reading", "Reading", "…", None, "", "The first read is in progress.", ""},
	Unasked: {
		"unasked", "Not asked for", "–", None, "",
		"Scrapes read other lists of the target, and stopped asking for this one more than 20 minutes ago (collect[], exclude[]).", "",
	},
	Readable: {"readable", "Readable", "✓", None, "", "The last read succeeded.", ""},
}

// Info returns how the state is named and shown.
func (s ListState) Info() Info { return listInfos[s] }

// InfoOf is like Info for a list that is in the state. Nobody is paged for a list that was never readable because
// the appliance does not have it, or does not let the user read it. Prometheus remembers that longer than a
// process lives, so that Meaning has what its alert depends on.
func (s ListState) InfoOf(l *scrape.Latest) Info {
	info := s.Info()
	if s == Unreadable && l.Complete == nil {
		if r := reason.Of(l.Read.Err); r == reason.NotFound || r == reason.Forbidden {
			info.Severity = Warning
			info.Meaning = "No read has succeeded since the exporter started. The alert is critical if one did before, otherwise a warning."
		}
	}
	return info
}

// AllLists returns every state of lists, worst first.
func AllLists() [NumListStates]ListState {
	return [...]ListState{Unreadable, OutOfDate, Waiting, Reading, Unasked, Readable}
}

// OfList returns the state of a list. now is the present by the exporter's clock.
func OfList(l *scrape.Latest, now time.Time) ListState {
	switch {
	case l.Complete == nil && l.FullRead != nil && now.Sub(l.FullRead.Started) <= maxAge && (l.Read == nil || outlived(l)):
		return Reading
	case l.Read == nil:
		return Waiting
	case l.ScrapedAt.Sub(l.ReadAt) > alertMemory:
		return Unasked
	case l.Read.Err != nil || l.Read.Summary == nil:
		return Unreadable
	case now.Sub(l.ReadAt) > maxAge && now.Sub(l.ScrapedAt) > maxAge:
		return OutOfDate
	default:
		return Readable
	}
}

// outlived reports whether the last scrape ended before the full read that is running: it timed out while
// pages arrive. If none has arrived, the appliance does not respond, and each further attempt would
// hide that.
func outlived(l *scrape.Latest) bool {
	return reason.Of(l.Read.Err) == reason.Timeout && l.FullRead.Pages > 0
}
