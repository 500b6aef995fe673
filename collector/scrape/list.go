package scrape

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"cckm_sync_exporter/collector/joblist"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

// ListOptions are the settings of a List.
type ListOptions struct {
	// PageSize and Concurrency are those of joblist.Options.
	PageSize, Concurrency int
	// FullReadInterval is how often the list is read completely. 0 means at each scrape, within
	// its deadline and without a cache.
	FullReadInterval time.Duration
	// FullReadTimeout ends a full read for which no page has arrived for so long; 0 means never.
	FullReadTimeout time.Duration
	// PageTimeout is for how long a full read retries one page.
	PageTimeout time.Duration
	// Logger may be nil.
	Logger log.Logger
	// Observer may be nil.
	Observer Observer
	// DueReads bounds the full reads that are due at the same time, of all lists that share it. It
	// may be nil.
	DueReads chan struct{}
	// Hint rewrites the hint about a failed read for the target's configuration. It may be nil.
	Hint func(hint string) string
}

// The ways in which a list can be read.
const (
	// KindFull requests every page.
	KindFull = "full"
	// KindIncremental requests what can be new, and proves that nothing else has changed.
	KindIncremental = "incremental"
)

// Kinds returns the ways in which a list can be read.
func Kinds() []string { return []string{KindFull, KindIncremental} }

// Observer counts reads, for the exporter's own metrics.
type Observer interface {
	// ListRead is called after each read that succeeded. The kind is one of Kinds.
	ListRead(list syncjob.List, kind string)
	// HistoryDrift is called when a full read differs from the cache.
	HistoryDrift(list syncjob.List)
}

// noObserver is the Observer of a Scraper without one.
type noObserver struct{}

func (noObserver) ListRead(syncjob.List, string) {}
func (noObserver) HistoryDrift(syncjob.List)     {}

// List decides what a scrape reads of one list.
//
// A list that is known is read incrementally at each scrape. A full read belongs to the list,
// not to a scrape: it runs in the background and outlives the scrape that starts it. If the
// list is not known, or if an incremental read could not prove the cache, scrapes wait for the
// full read as long as they can. If the list is known, a full read is due now and then to check
// the cache, and no scrape waits for it.
type List struct {
	list     syncjob.List
	reader   *joblist.Reader
	options  ListOptions
	observer Observer
	logger   log.Logger
	// life ends every full read in the background; reads counts them.
	life   context.Context //nolint:containedctx // A full read outlives the scrape that starts it.
	cancel context.CancelFunc
	reads  sync.WaitGroup
	// turn is held by the scrape that uses reader: one that has left may still be ending.
	turn chan struct{}

	mu sync.Mutex
	// running is the full read in progress, or nil.
	running *fullRead
	// finished is a full read that has succeeded and that no scrape has used, or nil.
	finished *fullRead
	// due is when the next full read is due.
	due time.Time
	// failed is the last full read if it failed, and if the next one begins after a pause.
	failed   *fullRead
	failedAt time.Time
	pause    time.Duration
}

// NewList returns a List. It reads nothing before the first scrape.
func NewList(list syncjob.List, getter joblist.Getter, options ListOptions) *List {
	l := &List{list: list, options: options, observer: options.Observer, logger: options.Logger, turn: make(chan struct{}, 1)}
	if l.observer == nil {
		l.observer = noObserver{}
	}
	if l.logger == nil {
		l.logger = log.NewNopLogger()
	}
	l.life, l.cancel = context.WithCancel(context.Background())
	l.reader = joblist.NewReader(list, getter, joblist.Options{
		PageSize: options.PageSize, Concurrency: options.Concurrency, Cache: options.FullReadInterval > 0,
		PageTimeout: options.PageTimeout, Logger: options.Logger,
	})
	return l
}

// Total requests the first page only, and returns how many jobs the list has.
func (l *List) Total(ctx context.Context) (int, error) { return l.reader.Total(ctx) }

// Close ends the full read in progress and waits for it.
func (l *List) Close() {
	l.cancel()
	l.reads.Wait()
}

// Read reads the list for one scrape. What it returns was read or proven since it was called,
// except for a list that cannot be cached and whose full read outlived its scrape: that one
// is returned once. It returns how many pages it requested, with or without an error.
func (l *List) Read(ctx context.Context) (summary *syncjob.Summary, pages int, err error) {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return nil, 0, l.timeout(ctx, "while the read before it was ending")
	}
	if l.options.FullReadInterval <= 0 {
		return l.readFull(ctx)
	}
	begun := time.Now()
	if l.reader.Known() {
		summary, pages, err = l.update(ctx)
		if !errors.Is(err, joblist.ErrUnproven) {
			return summary, pages, err
		}
		level.Debug(l.logger).Log("during", "read", "list", l.list.Name, "err", err, "msg", "the cache could not be proven; reading the whole list")
		l.forget()
	}
	summary, more, err := l.awaitFull(ctx, begun)
	return summary, pages + more, err
}

// readFull reads the whole list within the scrape.
func (l *List) readFull(ctx context.Context) (*syncjob.Summary, int, error) {
	full := newFullRead(l.reader.NewFullRead(false))
	l.mu.Lock()
	l.running = full
	l.mu.Unlock()
	l.run(ctx, full)
	l.mu.Lock()
	l.running = nil
	l.mu.Unlock()
	return full.Summary, full.Requests(), full.err
}

// update reads a known list incrementally. If a full read has finished that was due, it
// becomes the cache.
func (l *List) update(ctx context.Context) (*syncjob.Summary, int, error) {
	l.mu.Lock()
	full := l.finished
	l.mu.Unlock()
	if full == nil {
		summary, requests, err := l.reader.Update(ctx)
		if err == nil {
			l.observer.ListRead(l.list, KindIncremental)
			l.startIfDue()
		}
		return summary, requests, err
	}
	summary, requests, outcome, err := l.reader.Replace(ctx, full.FullRead)
	if err != nil {
		return nil, requests, err
	}
	l.observer.ListRead(l.list, KindIncremental)
	switch outcome {
	case joblist.ReplacedDifferent:
		level.Warn(l.logger).Log("during", "read", "list", l.list.Name, "hint", "report it with the appliance's version if it repeats; a full-read interval of 0s turns the cache off",
			"msg", "the cache did not match a full read, which replaces it")
		l.observer.HistoryDrift(l.list)
		l.adopted(full)
	case joblist.ReplacedEqual:
		l.adopted(full)
	case joblist.NotReplaced:
		l.mu.Lock()
		l.finished = nil
		l.delay(longestPause)
		l.mu.Unlock()
	case joblist.ReplaceLater:
	}
	return summary, requests, nil
}

// adopted plans the next full read after one that became the cache.
func (l *List) adopted(full *fullRead) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.finished == full {
		l.finished = nil
	}
	l.due, l.pause = time.Now().Add(l.options.FullReadInterval), 0
}

// forget gives up a cache that could not be proven. A full read that was due and has failed
// does not delay the one that is needed now.
func (l *List) forget() {
	l.reader.Forget()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed, l.pause = nil, 0
}

// awaitFull waits for a full read of a list that is not known.
func (l *List) awaitFull(ctx context.Context, begun time.Time) (*syncjob.Summary, int, error) {
	full, err := l.join()
	if err != nil {
		return nil, 0, err
	}
	select {
	case <-full.done:
	case <-ctx.Done():
		l.mu.Lock()
		full.outlived = true
		l.mu.Unlock()
		return nil, full.Requests(), l.late(ctx, full)
	}
	pages := full.Requests()
	if full.err != nil {
		return nil, pages, full.err
	}
	pages += l.reader.Adopt(ctx, full.FullRead)
	l.adopted(full)
	if !full.started.Before(begun) || !l.reader.Known() {
		return full.Summary, pages, nil
	}
	// The read began before this scrape.
	summary, requests, err := l.reader.Update(ctx)
	pages += requests
	if errors.Is(err, joblist.ErrUnproven) {
		l.reader.Forget()
		if full.LastPage().Before(begun) {
			// It ended before this scrape, and the list has changed since.
			summary, more, err := l.awaitFull(ctx, begun)
			return summary, pages + more, err
		}
		summary, err = full.Summary, nil
	}
	return summary, pages, err
}

// timeout returns the error of a scrape whose time was up.
func (l *List) timeout(ctx context.Context, when string) error {
	return reason.New(reason.Timeout, fmt.Errorf("list %s: the scrape's deadline passed %s: %w", l.list.Name, when, context.Cause(ctx)), remedyTimeout)
}

// remedyTimeout is what a user can do about a list that was not read in time.
const remedyTimeout = "wait: the list comes up when the full read is done; " +
	"to speed it up, raise --collector.concurrency, or check why the appliance is slow"

// late returns the error of a scrape that leaves before a full read is done: the failure of the
// read's last request, if it failed.
func (l *List) late(ctx context.Context, full *fullRead) error {
	progress := full.Progress()
	if err := progress.Failure; err != nil {
		return reason.New(reason.Of(err), fmt.Errorf("list %s: %w", l.list.Name, err), reason.RemedyOf(err))
	}
	return l.timeout(ctx, "while the whole list is being read, which goes on: "+pagesOf(progress))
}

// pagesOf returns how far a full read is, in words.
func pagesOf(p joblist.Progress) string {
	if p.PagesExpected == 0 {
		return "no page has arrived"
	}
	return fmt.Sprintf("%d of about %d pages", p.Pages, p.PagesExpected)
}
