package scrape

import (
	"time"

	"cckm_sync_exporter/collector/syncjob"
)

// Snapshot is what one scrape has read. It is immutable, so scrapes that share a read may share
// it as well.
type Snapshot struct {
	// Lists holds every enabled list, read or not, in the order of the table.
	Lists []ListRead
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

// ListRead is how the read of one list ended.
type ListRead struct {
	List syncjob.List
	// Summary is nil if the list was not read completely: nothing partial is kept.
	Summary *syncjob.Summary
	// Err is why it was not; it carries a reason.Reason.
	Err error
	// Started and Took are when the read began and how long it lasted; for a scrape that left
	// before, when the scrape began and how long it waited.
	Started time.Time
	Took    time.Duration
	// Pages is how many pages the read requested.
	Pages int
}

// Ended returns when the read ended.
func (r *ListRead) Ended() time.Time { return r.Started.Add(r.Took) }
