package scrape

import (
	"slices"
	"time"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/sources"
	"cckm_sync_exporter/collector/syncjob"
)

// Snapshot is what one scrape has read. It is immutable, so scrapes that share reads may share it.
type Snapshot struct {
	// Lists has every list that the scrape asked for, also those that failed, in the order of New's sources.
	Lists []ListRead
	// Sources is what the schedules and inventories said when the lists had been read; it is nil if none
	// are read.
	Sources *sources.State
}

// Complete reports whether every list was read.
func (s *Snapshot) Complete() bool {
	for i := range s.Lists {
		if s.Lists[i].Err != nil {
			return false
		}
	}
	return true
}

// Same reports whether two snapshots, which may be nil, are of the same reads.
func (s *Snapshot) Same(other *Snapshot) bool {
	if s == nil || other == nil {
		return s == other
	}
	return s.Sources == other.Sources && slices.EqualFunc(s.Lists, other.Lists, func(a, b ListRead) bool {
		return a.List.Name == b.List.Name && a.Summary == b.Summary && reason.Of(a.Err) == reason.Of(b.Err) && a.Took == b.Took && a.Pages == b.Pages
	})
}

// ListRead is the outcome of a read of one list.
type ListRead struct {
	List syncjob.List
	// Summary is nil if the list was not read completely. It is never partial.
	Summary *syncjob.Summary
	// Err is why the list was not read completely, else nil. It carries a reason.Reason.
	Err error
	// Started and Took are the start and the duration of the read; for a scrape that left before its
	// end, those of the scrape.
	Started time.Time
	Took    time.Duration
	// Pages is how many pages the read requested.
	Pages int
}

// Ended returns when the read ended.
func (r *ListRead) Ended() time.Time { return r.Started.Add(r.Took) }

// Latest is the outcome of the last reads of a list. What it points to is immutable.
type Latest struct {
	List syncjob.List
	// Read is the last read, or nil before the first. A scrape whose deadline passed before the end
	// of the read that it shared counts as a read that failed with reason.Timeout. A scrape that hung
	// up does not count.
	Read *ListRead
	// ReadAt is when Read ended.
	ReadAt time.Time
	// Complete is the last read that succeeded, or nil before the first. It equals Read unless that
	// failed.
	Complete *ListRead
	// CompleteAt is when Complete ended.
	CompleteAt time.Time
	// ScrapedAt is when the last read of any list of the Scraper ended.
	ScrapedAt time.Time
	// FullRead is the progress of the full read that is running, or nil.
	FullRead *FullReadProgress
}
