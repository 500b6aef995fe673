package scrape

import (
	"slices"
	"sync"
	"time"

	"cckm_sync_exporter/collector/syncjob"
)

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
	// FullRead is the progress of the full read that is running, or nil.
	FullRead *FullReadProgress
}

// latest stores the Latest of each list.
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

// record stores a read of the i-th list, unless a read that ended later is stored already.
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
