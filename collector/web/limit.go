package web

import (
	"fmt"
	"net/http"
	"sync"
)

// limitRequests answers 503 to scrapes beyond the bound.
func limitRequests(bound int, next http.Handler) http.Handler {
	limits := newLimits(bound)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limits.serve("", w, r, next)
	})
}

// limits bounds the scrapes of each target that are served at once. Those of one
// take no room from another: a target that hangs must not keep the others from
// being scraped.
type limits struct {
	bound int

	mu sync.Mutex
	// served counts the scrapes by the target's name.
	served map[string]int
}

func newLimits(bound int) *limits { return &limits{bound: bound, served: map[string]int{}} }

// serve serves a scrape of a target, or answers 503.
func (l *limits) serve(name string, w http.ResponseWriter, r *http.Request, next http.Handler) {
	if l.bound > 0 {
		if !l.enter(name) {
			http.Error(w, fmt.Sprintf("%d scrapes are being served, which is the limit (--web.max-requests); try again later.", l.bound),
				http.StatusServiceUnavailable)
			return
		}
		defer l.leave(name)
	}
	next.ServeHTTP(w, r)
}

func (l *limits) enter(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.served[name] >= l.bound {
		return false
	}
	l.served[name]++
	return true
}

func (l *limits) leave(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.served[name]--
	if l.served[name] == 0 {
		delete(l.served, name)
	}
}
