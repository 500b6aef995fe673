package web

import (
	"fmt"
	"net/http"
	"sync"
)

// limits bounds the concurrent scrapes of each target. A target that hangs must not keep the others
// from being scraped.
type limits struct {
	// bound is the largest number of scrapes; 0 means no bound.
	bound int
	// encoders has room for the scrapes of all targets that are gathered and encoded at the same time:
	// the gathered series need many times the memory of the response.
	encoders chan struct{}

	mu sync.Mutex
	// targets are the scrapes in progress by the target's name.
	targets map[string]*targetScrapes
}

// targetScrapes are the scrapes of one target that are in progress.
type targetScrapes struct {
	// scrapes is how many there are. limits.mu guards it.
	scrapes int
	// encoders is limits.encoders.
	encoders chan struct{}
	// mu makes one response at a time, and guards the recent ones.
	mu     sync.Mutex
	recent []*response
}

func newLimits(bound int) *limits {
	return &limits{bound: bound, encoders: make(chan struct{}, 2), targets: map[string]*targetScrapes{}}
}

// serve calls scrape for a scrape of a target, or responds with 503.
func (l *limits) serve(name string, w http.ResponseWriter, scrape func(*targetScrapes)) {
	s := l.enter(name)
	if s == nil {
		http.Error(w, fmt.Sprintf("%d scrapes are being served, which is the limit (--web.max-requests); try again later.", l.bound),
			http.StatusServiceUnavailable)
		return
	}
	defer l.leave(name)
	scrape(s)
}

// enter returns nil if the bound is reached.
func (l *limits) enter(name string) *targetScrapes {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.targets[name]
	if s == nil {
		s = &targetScrapes{encoders: l.encoders}
		l.targets[name] = s
	}
	if l.bound > 0 && s.scrapes >= l.bound {
		return nil
	}
	s.scrapes++
	return s
}

func (l *limits) leave(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.targets[name]
	s.scrapes--
	if s.scrapes == 0 {
		delete(l.targets, name)
	}
}
