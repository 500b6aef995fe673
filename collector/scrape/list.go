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
	// FullReadTimeout is for how long a full read waits for the next page; 0 means forever.
	FullReadTimeout time.Duration
	// PageTimeout is for how long a full read retries one page.
	PageTimeout time.Duration
	// Redact is that of joblist.Options.
	Redact func(text string) string
	// Logger may be nil.
	Logger log.Logger
	// Observer may be nil.
	Observer Observer
	// DueReads bounds the full reads that are due at the same time, of all lists that share it. If it
	// is nil, the list does not share it.
	DueReads chan struct{}
	// Hint rewrites the hint about a failed read for the target's configuration. It may be nil.
	Hint func(hint string) string
}

// The kinds of reads.
const (
	// KindFull requests every page.
	KindFull = "full"
	// KindIncremental requests what can have changed, and proves that nothing else has.
	KindIncremental = "incremental"
)

// Kinds returns the kinds of reads.
func Kinds() []string { return []string{KindFull, KindIncremental} }

// Observer counts reads, for the exporter's own metrics.
type Observer interface {
	// ListRead is called after each read that succeeded. The kind is one of Kinds.
	ListRead(list syncjob.List, kind string)
	// HistoryDrift is called when a full read differs from the cache.
	HistoryDrift(list syncjob.List)
}

// List decides what a scrape reads of one list.
//
// If the list is known (there is a cache), each scrape reads it incrementally. If it is not known,
// or if an incremental read could not prove the cache, scrapes wait for a full read until their
// deadline. A full read runs in the background and outlives the scrape that starts it.
//
// Every FullReadInterval, a full read of a known list is due, to check the cache. No scrape waits
// for it; the first scrape after its end compares and replaces the cache (update).
type List struct {
	list    syncjob.List
	reader  *joblist.Reader
	options ListOptions
	logger  log.Logger
	// life is the context of full reads in the background, and reads their WaitGroup.
	life   context.Context //nolint:containedctx // A full read outlives the scrape that starts it.
	cancel context.CancelFunc
	reads  sync.WaitGroup
	// readerInUse is held by the read that uses reader. A read whose scrapes have all left may not have
	// ended yet when the next one starts.
	readerInUse chan struct{}

	mu sync.Mutex
	// running is the full read in progress, or nil.
	running *fullRead
	// finished is a full read that has succeeded and has not become the cache yet, or nil.
	finished *fullRead
	// due is when the next full read is due.
	due time.Time
	// failed is the last full read if it failed, and if the next one must wait until pause has passed
	// since failedAt.
	failed   *fullRead
	failedAt time.Time
	pause    time.Duration
}

// NewList returns a List. It reads nothing before the first scrape.
func NewList(list syncjob.List, getter joblist.Getter, options ListOptions) *List {
	l := &List{list: list, options: options, logger: options.Logger, readerInUse: make(chan struct{}, 1)}
	if options.DueReads == nil {
		l.options.DueReads = make(chan struct{}, 1)
	}
	if l.logger == nil {
		l.logger = log.NewNopLogger()
	}
	l.life, l.cancel = context.WithCancel(context.Background())
	l.reader = joblist.NewReader(list, getter, joblist.Options{
		PageSize: options.PageSize, Concurrency: options.Concurrency, Cache: options.FullReadInterval > 0,
		PageTimeout: options.PageTimeout, Redact: options.Redact, Logger: options.Logger,
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

// Read reads the list for one scrape. It returns what was read or proven since it was called. There
// is one exception: if a list cannot be cached, a full read that outlived its scrape is returned to
// the next scrape. Read also returns how many pages it requested, with or without an error.
func (l *List) Read(ctx context.Context) (summary *syncjob.Summary, pages int, err error) {
	select {
	case l.readerInUse <- struct{}{}:
		defer func() { <-l.readerInUse }()
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

// readFull reads the whole list in the scrape itself, without a cache.
func (l *List) readFull(ctx context.Context) (*syncjob.Summary, int, error) {
	full := newFullRead(l.reader.NewFullRead(false))
	l.mu.Lock()
	l.running = full
	l.mu.Unlock()
	err := l.run(ctx, full)
	l.mu.Lock()
	l.running = nil
	l.mu.Unlock()
	return full.Summary, full.Requests(), err
}

// update reads a known list incrementally. If a full read has finished in the background, update
// replaces the cache by it.
func (l *List) update(ctx context.Context) (*syncjob.Summary, int, error) {
	l.mu.Lock()
	full := l.finished
	l.mu.Unlock()
	if full == nil {
		summary, requests, err := l.reader.Update(ctx)
		if err == nil {
			l.countRead(KindIncremental)
			l.startIfDue()
		}
		return summary, requests, err
	}
	summary, requests, outcome, err := l.reader.Replace(ctx, full.FullRead)
	if err != nil {
		return nil, requests, err
	}
	l.countRead(KindIncremental)
	switch outcome {
	case joblist.ReplacedDifferent:
		level.Warn(l.logger).Log("during", "read", "list", l.list.Name, "hint", "report it with the appliance's version if it repeats; a full-read interval of 0s turns the cache off",
			"msg", "the cache did not match a full read, which replaces it")
		if l.options.Observer != nil {
			l.options.Observer.HistoryDrift(l.list)
		}
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

// countRead counts a read that succeeded.
func (l *List) countRead(kind string) {
	if l.options.Observer != nil {
		l.options.Observer.ListRead(l.list, kind)
	}
}

// adopted sets when the next full read is due, after full has become the cache.
func (l *List) adopted(full *fullRead) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.finished == full {
		l.finished = nil
	}
	l.due, l.pause = time.Now().Add(l.options.FullReadInterval), 0
}

// forget drops a cache that could not be proven. The list needs a full read now, so the pause after
// a failed one ends.
func (l *List) forget() {
	l.reader.Forget()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed, l.pause = nil, 0
}

// awaitFull waits for a full read of an unknown list. If that began before the scrape, at begun, it
// is brought up to date by an incremental read.
func (l *List) awaitFull(ctx context.Context, begun time.Time) (*syncjob.Summary, int, error) {
	full, err := l.currentFullRead()
	if err != nil {
		return nil, 0, err
	}
	select {
	case <-full.done:
	case <-ctx.Done():
		// A scraper that hung up, or gave the read too little time, delays no other.
		if !errors.Is(context.Cause(ctx), context.Canceled) {
			l.mu.Lock()
			full.outlived = true
			l.mu.Unlock()
		}
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
	// The full read began before this scrape: prove that it is still right.
	summary, requests, err := l.reader.Update(ctx)
	pages += requests
	if errors.Is(err, joblist.ErrUnproven) {
		l.reader.Forget()
		summary, requests, err = l.readAgain(ctx, begun, full)
		pages += requests
	}
	return summary, pages, err
}

// readAgain waits for another full read, because the list changed after the first one began. If the
// deadline leaves no time for that, it returns the first result, provided that the read ended after the
// scrape began.
func (l *List) readAgain(ctx context.Context, begun time.Time, full *fullRead) (*syncjob.Summary, int, error) {
	if full.lastPage().Before(begun) {
		return l.awaitFull(ctx, begun)
	}
	waiting := ctx
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		waiting, cancel = context.WithDeadline(ctx, deadline.Add(-time.Until(deadline)/4))
		defer cancel()
	}
	summary, pages, err := l.awaitFull(waiting, begun)
	if err != nil && waiting.Err() != nil {
		return full.Summary, pages, nil
	}
	return summary, pages, err
}

// timeout returns the error of a scrape whose deadline has passed.
func (l *List) timeout(ctx context.Context, when string) error {
	return reason.New(reason.Timeout, fmt.Errorf("list %s: the scrape's deadline passed %s: %w", l.list.Name, when, context.Cause(ctx)), hintTimeout)
}

// hintTimeout is the hint for a list that was not read before the deadline.
const hintTimeout = "wait: the list comes up when the full read is done; " +
	"to speed it up, raise --collector.concurrency, or check why the appliance is slow"

// late returns the error of a scrape whose deadline passes before the full read ends. If the read's
// last request has failed, it is that request's error.
func (l *List) late(ctx context.Context, full *fullRead) error {
	progress := full.progress()
	if err := progress.Failure; err != nil {
		return reason.New(reason.Of(err), fmt.Errorf("list %s: %w", l.list.Name, err), reason.HintOf(err))
	}
	return l.timeout(ctx, "while the whole list is being read, which goes on: "+progress.String())
}
