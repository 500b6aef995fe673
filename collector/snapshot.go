package collector

import (
	"time"

	"cckm_sync_exporter/collector/syncjob"
)

// Snapshot is what one scrape has read. It is never changed once it is made, so
// that scrapes that share a read may share it as well.
type Snapshot struct {
	// Lists holds every enabled list, read or not, in the order of the table.
	Lists []ListRead
}

// Whole says whether every list was read.
func (s *Snapshot) Whole() bool {
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
	// Summary is nil where the list was not read whole: nothing partial is kept.
	Summary *syncjob.Summary
	// Err says why it was not; it carries a reason.Reason.
	Err error
	// Started and Took are when the read began and how long it lasted; of a scrape
	// that left before, when the scrape began and how long it waited.
	Started time.Time
	Took    time.Duration
	// Pages is how many pages the read asked for.
	Pages int
}

// Ended returns when the read ended.
func (r *ListRead) Ended() time.Time { return r.Started.Add(r.Took) }
