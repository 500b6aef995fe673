package collector

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

// flight lets scrapes that overlap share one read of a list. The read lasts as
// long as somebody waits for it, and no longer than the longest read: a scraper
// that gives up does not end it for another, and the last one that gives up
// leaves nothing behind.
type flight struct {
	// life ends with the collector.
	life        context.Context //nolint:containedctx // A read outlives the scrape that starts it.
	longest     time.Duration
	minInterval time.Duration
	read        func(context.Context) ListRead
	reads       *sync.WaitGroup
	list        syncjob.List
	// ended is told of each read before anybody is answered: how it ended, the
	// context that it had, and whether a scraper's time was up before.
	ended func(ctx context.Context, read ListRead, left bool)
	// late is told what a scrape got whose time was up although the read went on
	// for another's sake.
	late func(read ListRead)

	mu sync.Mutex
	// under is the read that is under way, or nil.
	under *sharedRead
	// last is the last read that nobody gave up, and lastEnd when it ended.
	last    *ListRead
	lastEnd time.Time
}

// sharedRead is one read and those who wait for it.
type sharedRead struct {
	cancel  context.CancelCauseFunc
	waiting int
	// left is true once a scraper's time was up while others went on waiting.
	left bool
	// done is closed once result is there.
	done   chan struct{}
	result ListRead
}

// lastWord is how long a scraper whose time is up waits for the read that it
// has ended to say why it did not get through.
const lastWord = 250 * time.Millisecond

// join returns the outcome of a read: of the last one while it is new enough,
// of the one under way, or of a new one. It returns soon after ctx ends.
func (f *flight) join(ctx context.Context) ListRead {
	begun := time.Now()
	f.mu.Lock()
	if f.last != nil && f.minInterval > 0 && time.Since(f.lastEnd) < f.minInterval {
		defer f.mu.Unlock()
		return *f.last
	}
	if err := context.Cause(f.life); err != nil { //nolint:contextcheck // The collector's life, not the scrape's.
		defer f.mu.Unlock()
		return f.timedOut(begun, err)
	}
	shared := f.under
	if shared == nil {
		shared = f.start() //nolint:contextcheck // A read outlives the scrape that starts it.
	}
	shared.waiting++
	f.mu.Unlock()

	select {
	case <-shared.done:
		return shared.result
	case <-ctx.Done():
		return f.leave(ctx, begun, shared)
	}
}

// start begins a read. The caller holds the lock.
func (f *flight) start() *sharedRead {
	ctx, cancel := context.WithCancelCause(f.life)
	shared := &sharedRead{cancel: cancel, done: make(chan struct{})}
	f.under = shared
	f.reads.Go(func() {
		defer cancel(nil)
		ctx, stop := context.WithTimeout(ctx, f.longest)
		defer stop()
		result := f.read(ctx)
		f.mu.Lock()
		left := shared.left
		f.mu.Unlock()
		f.ended(ctx, result, left)

		f.mu.Lock()
		defer f.mu.Unlock()
		shared.result = result
		close(shared.done)
		// A read that everybody has left ended for their sake, and says
		// nothing to those who come later.
		if f.under == shared {
			f.under = nil
			f.last, f.lastEnd = &result, time.Now()
		}
	})
	return shared
}

// leave is called by a scraper whose time is up, or who hung up.
func (f *flight) leave(ctx context.Context, begun time.Time, shared *sharedRead) ListRead {
	timeIsUp := errors.Is(context.Cause(ctx), context.DeadlineExceeded)
	f.mu.Lock()
	shared.waiting--
	alone := shared.waiting == 0
	shared.left = shared.left || (timeIsUp && !alone)
	if alone && f.under == shared {
		f.under = nil
		shared.cancel(context.Cause(ctx))
	}
	f.mu.Unlock()
	if alone {
		patience := time.NewTimer(lastWord)
		defer patience.Stop()
		select {
		case <-shared.done:
			return shared.result
		case <-patience.C:
		}
	}
	read := f.timedOut(begun, fmt.Errorf("the scrape's deadline passed while the list was read: %w", context.Cause(ctx)))
	if timeIsUp && !alone {
		f.late(read)
	}
	return read
}

// timedOut returns what a scrape has that got no read of its list.
func (f *flight) timedOut(begun time.Time, err error) ListRead {
	return ListRead{
		List: f.list, Started: begun, Took: time.Since(begun),
		Err: reason.New(reason.Timeout, fmt.Errorf("list %s: %w", f.list.Name, err),
			"raise Prometheus' scrape_timeout, or look at why the appliance is slow"),
	}
}
