package collector

import (
	"slices"
	"sync"
	"time"

	"cckm_sync_exporter/collector/syncjob"
)

// Latest is what is known of a list without asking the appliance: how the last
// read of it ended, and what the last whole read said.
type Latest struct {
	List syncjob.List
	// Read is how the last read ended, or nil where there was none. A scrape that
	// left before its read ended counts as one that failed.
	Read *ListRead
	// ReadAt is when it ended.
	ReadAt time.Time
	// Whole is the last read that got the whole list, or nil where there was none.
	// It is Read itself unless that failed.
	Whole *ListRead
	// WholeAt is when it ended.
	WholeAt time.Time
}

// latest keeps what scrapes were told last of each list.
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

// note keeps how a read of the i-th list ended.
func (l *latest) note(i int, read ListRead) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := &l.lists[i]
	if list.Read != nil && !read.Started.IsZero() && read.Started.Before(list.Read.Started) {
		return // Another scrape has been told of a newer read in the meantime.
	}
	now := time.Now()
	if list.Read != nil && !read.Started.IsZero() && read.Started.Equal(list.Read.Started) {
		return // Scrapes that share a read are told the same.
	}
	list.Read, list.ReadAt = &read, now
	if read.Err == nil {
		list.Whole, list.WholeAt = &read, now
	}
}

func (l *latest) all() []Latest {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lists)
}
