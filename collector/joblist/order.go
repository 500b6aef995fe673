package joblist

import (
	"slices"
	"sync"
	"time"
)

// order is the jobs of a list by their position, and how their times of creation
// go from one position to the next.
type order struct {
	mu   sync.Mutex
	keys []jobKey
	// rising and falling count neighbours of which the later one is newer, or
	// older.
	rising, falling int
}

// expect makes room for so many jobs.
func (o *order) expect(jobs int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.keys = slices.Grow(o.keys, max(0, jobs-len(o.keys)))
}

// add takes over a stretch of the list.
func (o *order) add(from int, s *stretch) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if end := from + len(s.keys); end > len(o.keys) {
		o.keys = append(o.keys, make([]jobKey, end-len(o.keys))...)
	}
	copy(o.keys[from:], s.keys)
	o.rising += s.rising
	o.falling += s.falling
}

// newestFirst says whether the list has its newest jobs first; ok is false where
// it has them neither first nor last. The clocks of an appliance's nodes may
// differ a little, so that a few neighbours in a wrong order do not count.
func (o *order) newestFirst() (first, ok bool) {
	const fewer = 20
	switch {
	case o.falling > 0 && o.rising*fewer <= o.falling:
		return true, true
	case o.rising > 0 && o.falling*fewer <= o.rising:
		return false, true
	default:
		return false, false
	}
}

// stretch is a part of the order that one page holds.
type stretch struct {
	keys            []jobKey
	rising, falling int
	// last is when the newest job so far was created.
	last time.Time
}

// begin begins anew.
func (s *stretch) begin() {
	*s = stretch{keys: s.keys[:0]}
}

// add takes the next job.
func (s *stretch) add(key jobKey, created time.Time) {
	s.keys = append(s.keys, key)
	if created.IsZero() {
		return
	}
	if !s.last.IsZero() {
		switch created.Compare(s.last) {
		case 1:
			s.rising++
		case -1:
			s.falling++
		}
	}
	s.last = created
}
