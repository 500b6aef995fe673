package scrape

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

// sharedReads lets scrapes that overlap share one read of a list. A read lasts as long as a
// scrape waits for it, and at most as long as the longest scrape: a scraper that leaves does
// not end it for another, and the last one that leaves does.
type sharedReads struct {
	// life ends with the Scraper.
	life        context.Context //nolint:containedctx // A read outlives the scrape that starts it.
	longest     time.Duration
	minInterval time.Duration
	read        func(context.Context) ListRead
	reads       *sync.WaitGroup
	list        syncjob.List
	// ended is called after each read, before any scraper is answered: with the read's context,
	// how it ended, and whether the time of one of its scrapers was up before.
	ended func(ctx context.Context, read ListRead, left bool)
	// late is called with what a scrape gets whose time was up although the read goes on for
	// another one.
	late func(read ListRead)

	mu sync.Mutex
	// running is the read in progress, or nil.
	running *sharedRead
	// last is the last read that a scraper waited for to its end, and lastEnd when it ended.
	last    *ListRead
	lastEnd time.Time
}

// sharedRead is one read and the scrapes that wait for it.
type sharedRead struct {
	cancel  context.CancelCauseFunc
	waiting int
	// left is true if a scraper's time was up while others went on waiting.
	left bool
	// done is closed when result is set.
	done   chan struct{}
	result ListRead
}

// lastWord is how long a scraper whose time is up waits for the error of the read that it has
// ended.
const lastWord = 250 * time.Millisecond

// leastPatience is the shortest deadline that says something about a list that missed it.
const leastPatience = time.Second

// errImpatient ends a read whose last scraper gave it less than leastPatience.
var errImpatient = fmt.Errorf("less than %s was left: %w", leastPatience, context.DeadlineExceeded)

// join returns the outcome of a read: of the last one if it is new enough, of the one in
// progress, or of a new one. It returns soon after ctx ends.
func (s *sharedReads) join(ctx context.Context) ListRead {
	begun := time.Now()
	s.mu.Lock()
	if s.last != nil && s.minInterval > 0 && time.Since(s.lastEnd) < s.minInterval {
		defer s.mu.Unlock()
		return *s.last
	}
	if err := context.Cause(s.life); err != nil { //nolint:contextcheck // The collector's life, not the scrape's.
		defer s.mu.Unlock()
		return s.timeout(begun, err)
	}
	shared := s.running
	if shared == nil {
		shared = s.start() //nolint:contextcheck // A read outlives the scrape that starts it.
	}
	shared.waiting++
	s.mu.Unlock()

	select {
	case <-shared.done:
		return shared.result
	case <-ctx.Done():
		return s.leave(ctx, begun, shared)
	}
}

// start starts a read. The caller holds the lock.
func (s *sharedReads) start() *sharedRead {
	ctx, cancel := context.WithCancelCause(s.life)
	shared := &sharedRead{cancel: cancel, done: make(chan struct{})}
	s.running = shared
	s.reads.Go(func() {
		defer cancel(nil)
		ctx, stop := withTimeout(ctx, s.longest)
		defer stop()
		result := s.read(ctx)
		s.mu.Lock()
		left := shared.left
		s.mu.Unlock()
		s.ended(ctx, result, left)

		s.mu.Lock()
		defer s.mu.Unlock()
		shared.result = result
		close(shared.done)
		// A read that every scraper has left is of no use to later ones.
		if s.running == shared {
			s.running = nil
			s.last, s.lastEnd = &result, time.Now()
		}
	})
	return shared
}

// withTimeout is context.WithTimeout, except that 0 means no timeout.
func withTimeout(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, timeout)
}

// leave is called by a scraper whose time is up, or that hung up.
func (s *sharedReads) leave(ctx context.Context, begun time.Time, shared *sharedRead) ListRead {
	cause := context.Cause(ctx)
	if deadline, ok := ctx.Deadline(); ok && errors.Is(cause, context.DeadlineExceeded) && deadline.Sub(begun) < leastPatience {
		cause = errImpatient
	}
	timeIsUp := errors.Is(cause, context.DeadlineExceeded) && !errors.Is(cause, errImpatient)
	s.mu.Lock()
	shared.waiting--
	alone := shared.waiting == 0
	shared.left = shared.left || (timeIsUp && !alone)
	if alone && s.running == shared {
		s.running = nil
		shared.cancel(cause)
	}
	s.mu.Unlock()
	if alone {
		patience := time.NewTimer(lastWord)
		defer patience.Stop()
		select {
		case <-shared.done:
			return shared.result
		case <-patience.C:
		}
	}
	read := s.timeout(begun, fmt.Errorf("the scrape's deadline passed while the list was being read: %w", cause))
	if timeIsUp && !alone {
		s.late(read)
	}
	return read
}

// timeout returns the outcome of a scrape that got no read of its list.
func (s *sharedReads) timeout(begun time.Time, err error) ListRead {
	return ListRead{
		List: s.list, Started: begun, Took: time.Since(begun),
		Err: reason.New(reason.Timeout, fmt.Errorf("list %s: %w", s.list.Name, err), remedyTimeout),
	}
}
