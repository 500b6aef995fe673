package scrape

import (
	"slices"
	"sync"
	"time"

	"cckm_sync_exporter/collector/syncjob"
)

// Latest is what is known of a list without a request to the appliance. Nothing that it points
// to is ever changed.
type Latest struct {
	List syncjob.List
	// Read is how the last read ended, or nil before the first. A scrape that left at its
	// deadline, before the read ended that it shared, counts as one that failed with
	// reason.Timeout. A scraper that hung up does not count.
	Read *ListRead
	// ReadAt is when it ended.
	ReadAt time.Time
	// Complete is the last read that succeeded, or nil before the first. It is Read itself
	// unless that failed.
	Complete *ListRead
	// CompleteAt is when it ended.
	CompleteAt time.Time
	// FullRead is how far the full read in progress is, or nil.
	FullRead *FullReadProgress
}

// latest keeps how the last read of each list ended.
type latest struct {
	mu    sync.Mutex
	lists []Latest
}

func newLatest(sources []Source) *latest {
	l := &latest{}
	for _, source := range sources {
		l.lists = append(l.lists, Latest{List: source.List})
	}
	return l
}

// record keeps how a read of the i-th list ended. Reads may be recorded in any order: the one
// that ended last counts.
func (l *latest) record(i int, read ListRead) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list, at := &l.lists[i], read.Ended()
	if !at.Before(list.ReadAt) {
		list.Read, list.ReadAt = &read, at
	}
	if read.Err == nil && !at.Before(list.CompleteAt) {
		list.Complete, list.CompleteAt = &read, at
	}
}

func (l *latest) all() []Latest {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lists)
}
