package joblist

import "sync"

// seams checks that segments join, in whatever order they come.
type seams struct {
	mu      sync.Mutex
	joined  int
	last    string
	waiting map[int]segment
}

// add takes the segment with the given number, counted from 1, and checks every
// seam whose two sides are known.
func (s *seams) add(number int, next segment) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting[number] = next
	for {
		next, ok := s.waiting[s.joined+1]
		if !ok {
			return nil
		}
		if next.firstID != s.last {
			return gapf("segment %d does not begin where the one before it ends", s.joined+1)
		}
		delete(s.waiting, s.joined+1)
		s.joined++
		s.last = next.lastID
	}
}
