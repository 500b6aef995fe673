package collector

import (
	"slices"
	"sync"
	"time"

	"cckm_sync_exporter/collector/syncjob"
)

// Latest is what is known of a list without asking the appliance: how the last
// read of it ended, and what the last whole read said. Nothing that it points to
// is ever changed.
type Latest struct {
	List syncjob.List
	// Read is how the last read ended, or nil where there was none. A scrape that
	// left at its deadline, before the read ended that it shared, is one that failed
	// with reason.Timeout. A scraper that hung up says nothing about the list, unless
	// it is the second one in a row.
	Read *ListRead
	// ReadAt is when it ended.
	ReadAt time.Time
	// Whole is the last read that got the whole list, or nil where there was none.
	// It is Read itself unless that failed.
	Whole *ListRead
	// WholeAt is when it ended.
	WholeAt time.Time
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

// note keeps how a read of the i-th list ended. Which of two is newer is decided
// by when they ended, because what they say may come here in any order.
func (l *latest) note(i int, read ListRead) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list, at := &l.lists[i], read.Ended()
	if !at.Before(list.ReadAt) {
		list.Read, list.ReadAt = &read, at
	}
	if read.Err == nil && !at.Before(list.WholeAt) {
		list.Whole, list.WholeAt = &read, at
	}
}

func (l *latest) all() []Latest {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lists)
}
