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

// sharedReads lets overlapping scrapes share one read of a list. A scrape that leaves does not end
// the read for the others; when the last one leaves, the read is canceled.
type sharedReads struct {
	// life is the Scraper's context.
	life context.Context //nolint:containedctx // A read outlives the scrape that starts it.
	// longest is the timeout of a read, and minInterval is Options.MinInterval.
	longest     time.Duration
	minInterval time.Duration
	read        func(context.Context) ListRead
	reads       *sync.WaitGroup
	list        syncjob.List
	// ended is called after each read, before it is returned to any scrape: with the read's context,
	// its outcome, and whether the deadline of a scrape has passed before.
	ended func(ctx context.Context, read ListRead, left bool)
	// late is called with the outcome of a scrape whose deadline passed while the read continues for
	// another one.
	late func(read ListRead)

	mu sync.Mutex
	// running is the read in progress, or nil.
	running *sharedRead
	// last is the last read that a scrape has waited for until its end, and lastEnd its end.
	last    *ListRead
	lastEnd time.Time
}

// sharedRead is one read and the scrapes that wait for it.
type sharedRead struct {
	cancel  context.CancelCauseFunc
	waiting int
	// left is true if a scrape's deadline passed while others still waited.
	left bool
	// done is closed when result is set.
	done   chan struct{}
	result ListRead
}

// cancelGrace is how long the last scrape that leaves waits for the error of the read that it has
// canceled. That error says more than a timeout.
const cancelGrace = 250 * time.Millisecond

// minPatience is the shortest time for a read whose failure counts as one of the list.
const minPatience = time.Second

// errImpatient cancels a read whose last scrape has waited for less than minPatience.
var errImpatient = fmt.Errorf("less than %s was left: %w", minPatience, context.DeadlineExceeded)

// join returns the outcome of a read: of the last one if it ended less than minInterval ago, else of
// the one that is running, else of a new one. It returns soon after ctx has ended.
func (s *sharedReads) join(ctx context.Context) ListRead {
	begun := time.Now()
	s.mu.Lock()
	if s.last != nil && s.minInterval > 0 && time.Since(s.lastEnd) < s.minInterval {
		defer s.mu.Unlock()
		return *s.last
	}
	if err := context.Cause(s.life); err != nil { //nolint:contextcheck // The Scraper's life, not the scrape's.
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
		// If every scrape has left, the read was canceled and is no last read.
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

// leave returns the outcome of a scrape whose deadline has passed, or that hung up. If no other
// scrape waits for the read, leave cancels it.
func (s *sharedReads) leave(ctx context.Context, begun time.Time, shared *sharedRead) ListRead {
	cause := context.Cause(ctx)
	if deadline, ok := ctx.Deadline(); ok && errors.Is(cause, context.DeadlineExceeded) && deadline.Sub(begun) < minPatience {
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
		patience := time.NewTimer(cancelGrace)
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

// timeout returns the outcome of a scrape that did not get its read in time.
func (s *sharedReads) timeout(begun time.Time, err error) ListRead {
	return ListRead{
		List: s.list, Started: begun, Took: time.Since(begun),
		Err: reason.New(reason.Timeout, fmt.Errorf("list %s: %w", s.list.Name, err), remedyTimeout),
	}
}
