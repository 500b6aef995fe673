package scrape

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/go-kit/log/level"

	"cckm_sync_exporter/collector/reason"
)

// sharedList lets overlapping scrapes share one read of a list. A scrape that leaves does not end the
// read for the others; when the last one leaves, the read is canceled.
type sharedList struct {
	Source

	options Options
	scraper *Scraper
	log     *listLog

	mu sync.Mutex
	// running is the read in progress, or nil.
	running *sharedRead
	// last is the last read that a scrape has waited for until its end, or nil.
	last *ListRead
	// latest has no FullRead.
	latest Latest
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

// errImpatient cancels a read whose last scrape has waited for less than minPatience. It is a
// context.Canceled, because such a scraper counts as one that hung up.
var errImpatient = fmt.Errorf("less than %s was left: %w", minPatience, context.Canceled)

// await returns the outcome of a read: of the last one if it ended less than MinInterval ago, else of
// the one that is running, else of a new one. It returns soon after ctx has ended.
func (s *sharedList) await(ctx context.Context) ListRead {
	begun := time.Now()
	s.mu.Lock()
	if s.last != nil && time.Since(s.last.Ended()) < s.options.MinInterval {
		defer s.mu.Unlock()
		return *s.last
	}
	if err := context.Cause(s.scraper.life); err != nil { //nolint:contextcheck // The Scraper's life, not the scrape's.
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
func (s *sharedList) start() *sharedRead {
	ctx, cancel := context.WithCancelCause(s.scraper.life)
	shared := &sharedRead{cancel: cancel, done: make(chan struct{})}
	s.running = shared
	s.scraper.reads.Go(func() {
		defer cancel(nil)
		ctx, stop := withTimeout(ctx, s.options.Timeout)
		defer stop()
		result := s.read(ctx)
		s.mu.Lock()
		left := shared.left
		s.mu.Unlock()
		s.record(ctx, result, left)

		s.mu.Lock()
		defer s.mu.Unlock()
		shared.result = result
		close(shared.done)
		// If every scrape has left, the read was canceled and does not become the last read.
		if s.running == shared {
			s.running, s.last = nil, &result
		}
	})
	return shared
}

// read reads the list. A bug that panics fails this list only.
func (s *sharedList) read(ctx context.Context) (read ListRead) {
	read = ListRead{List: s.List, Started: time.Now()}
	defer func() {
		if p := recover(); p != nil {
			read.Summary, read.Err = nil, InternalError(s.List, p)
			level.Error(s.options.Logger).Log("during", "read", "list", s.List.Name, "panic", p, "stack", string(debug.Stack()))
		}
		read.Took = time.Since(read.Started)
	}()
	read.Summary, read.Pages, read.Err = s.Reader.Read(ctx)
	switch {
	case read.Err != nil && s.options.Hint != nil:
		read.Err = reason.New(reason.Of(read.Err), read.Err, s.options.Hint(reason.HintOf(read.Err)))
	case read.Err == nil && read.Summary == nil:
		read.Err = InternalError(s.List, "a read without a summary")
	}
	return read
}

// record stores and logs a read, before it is returned to any scrape. left is true if the deadline of
// a scrape has passed before. A read that failed because its scrapers hung up or gave it too little
// time is ignored, and so is every read during shutdown: these are not about the list.
func (s *sharedList) record(ctx context.Context, read ListRead, left bool) {
	if s.scraper.life.Err() != nil || (read.Err != nil && errors.Is(context.Cause(ctx), context.Canceled)) {
		return
	}
	s.store(read)
	s.log.record(read, left)
}

// store stores a read as the latest one, unless a read that ended later is stored already.
func (s *sharedList) store(read ListRead) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := read.Ended()
	if !at.Before(s.latest.ReadAt) {
		s.latest.Read, s.latest.ReadAt = &read, at
	}
	if read.Err == nil && !at.Before(s.latest.CompleteAt) {
		s.latest.Complete, s.latest.CompleteAt = &read, at
	}
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
func (s *sharedList) leave(ctx context.Context, begun time.Time, shared *sharedRead) ListRead {
	cause := context.Cause(ctx)
	if deadline, ok := ctx.Deadline(); ok && errors.Is(cause, context.DeadlineExceeded) && deadline.Sub(begun) < minPatience {
		cause = errImpatient
	}
	timeIsUp := errors.Is(cause, context.DeadlineExceeded)
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
	if timeIsUp && !alone && s.scraper.life.Err() == nil {
		// The read continues for another scrape.
		s.store(read)
		s.log.recordLate(read)
	}
	return read
}

// timeout returns the outcome of a scrape that did not get its read in time.
func (s *sharedList) timeout(begun time.Time, err error) ListRead {
	return ListRead{
		List: s.List, Started: begun, Took: time.Since(begun),
		Err: reason.New(reason.Timeout, fmt.Errorf("list %s: %w", s.List.Name, err), hintTimeout),
	}
}
