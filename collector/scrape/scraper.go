// Package scrape decides what a scrape reads of each list of one appliance: it shares one
// read among scrapes that overlap, runs full reads in the background, and keeps and logs how
// the reads ended.
package scrape

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

// ListReader reads one list. List implements it.
type ListReader interface {
	// Read returns the summary of the whole list and how many pages it requested. Its errors
	// carry a reason.Reason.
	Read(ctx context.Context) (summary *syncjob.Summary, pages int, err error)
	// FullRead returns how far a full read is that is in progress, or nil.
	FullRead() *FullReadProgress
	// Close ends what is in progress and waits for it.
	Close()
}

// Source is a list and its reader.
type Source struct {
	List   syncjob.List
	Reader ListReader
}

// Options are the settings of a Scraper.
type Options struct {
	// Timeout is the longest read of one scrape; 0 means that only its context ends it.
	Timeout time.Duration
	// MinInterval is for how long after the end of a read it answers further scrapes; 0 means
	// never.
	MinInterval time.Duration
	// Logger gets a line when a list begins or ceases to fail, and for each job that is first
	// seen failing. It may be nil.
	Logger log.Logger
	// Redact removes secrets from what the appliance writes in its own words, which may repeat
	// what it was sent. It may be nil. ciphertrust.Client has one.
	Redact func(text string) string
	// Hint rewrites the hint about a failed read for the target's configuration. It may be nil.
	Hint func(hint string) string
}

// Scraper reads the lists of one appliance.
type Scraper struct {
	sources    []Source
	shared     []*sharedReads
	latest     *latest
	readLog    *readLog
	failureLog *failureLog
	hint       func(string) string
	logger     log.Logger
	// life ends with Cancel, and every read with it; reads are counted so that Close can wait.
	life   context.Context //nolint:containedctx // A read outlives the scrape that starts it.
	cancel context.CancelCauseFunc
	reads  sync.WaitGroup
}

// New returns a Scraper of the given lists. It closes their readers when it is closed.
func New(sources []Source, options Options) *Scraper {
	if options.Logger == nil {
		options.Logger = log.NewNopLogger()
	}
	s := &Scraper{
		sources: sources, hint: options.Hint, logger: options.Logger, latest: newLatest(sources),
		readLog: newReadLog(options.Logger), failureLog: newFailureLog(options.Logger),
	}
	s.life, s.cancel = context.WithCancelCause(context.Background())
	for i, source := range sources {
		sanitizer := &sanitizer{redact: options.Redact}
		s.shared = append(s.shared, &sharedReads{
			life:        s.life,
			longest:     options.Timeout,
			minInterval: options.MinInterval,
			reads:       &s.reads,
			list:        source.List,
			read:        func(ctx context.Context) ListRead { return s.readList(ctx, source, sanitizer) },
			ended:       func(ctx context.Context, read ListRead, left bool) { s.record(ctx, i, read, left) },
			late:        func(read ListRead) { s.recordLate(i, read) },
		})
	}
	return s
}

// Read reads every list, or joins a read that is in progress, and returns at the latest when
// ctx ends; a list that is not read by then has failed with reason.Timeout. The snapshot holds
// every list, read or not.
func (s *Scraper) Read(ctx context.Context) *Snapshot {
	snapshot := &Snapshot{Lists: make([]ListRead, len(s.shared))}
	var wait sync.WaitGroup
	for i, shared := range s.shared {
		wait.Go(func() { snapshot.Lists[i] = shared.join(ctx) })
	}
	wait.Wait()
	return snapshot
}

// Latest returns how the last read of each list ended, and how far a full read is that is in
// progress. It reads nothing. Nothing that it returns shows a secret that Redact knew when the
// list was read.
func (s *Scraper) Latest() []Latest {
	all := s.latest.all()
	for i := range s.sources {
		all[i].FullRead = s.sources[i].Reader.FullRead()
	}
	return all
}

// Cancel ends every read in progress and every later one. Scrapes that wait for them are
// answered: it counts as a timeout, because the appliance did not answer in the time that was
// left.
func (s *Scraper) Cancel() {
	s.cancel(fmt.Errorf("the exporter is shutting down: %w", context.Canceled))
}

// Close cancels every read, those in the background as well, and waits until all have ended.
func (s *Scraper) Close() {
	s.Cancel()
	s.reads.Wait()
	for _, source := range s.sources {
		source.Reader.Close()
	}
}

// readList reads one list. A panic, which only a mistake of ours can cause, fails this list
// and no other.
func (s *Scraper) readList(ctx context.Context, source Source, sanitizer *sanitizer) (read ListRead) {
	read = ListRead{List: source.List, Started: time.Now()}
	defer func() {
		if p := recover(); p != nil {
			read.Summary = nil
			read.Err = InternalError(source.List, p)
			level.Error(s.logger).Log("during", "read", "list", source.List.Name, "panic", p, "stack", string(debug.Stack()))
		}
		read.Took = time.Since(read.Started)
	}()
	read.Summary, read.Pages, read.Err = source.Reader.Read(ctx)
	switch {
	case read.Err != nil && s.hint != nil:
		read.Err = reason.New(reason.Of(read.Err), read.Err, s.hint(reason.RemedyOf(read.Err)))
	case read.Err != nil:
	case read.Summary == nil:
		read.Err = InternalError(source.List, "a read without a summary")
	default:
		read.Summary = sanitizer.summary(read.Summary)
	}
	return read
}

// record keeps and logs how a read of the i-th list ended. A read that ended because its
// scraper hung up, or gave it no time, says nothing about the list; neither does one that ended
// with the exporter.
func (s *Scraper) record(ctx context.Context, i int, read ListRead, left bool) {
	cause := context.Cause(ctx)
	if s.life.Err() != nil || (read.Err != nil && (errors.Is(cause, context.Canceled) || errors.Is(cause, errImpatient))) {
		return
	}
	s.latest.record(i, read)
	s.readLog.record(read, left)
	if read.Err == nil {
		s.failureLog.record(read)
	}
}

// recordLate keeps and logs that a scrape's time was up before the i-th list was read, while
// the read goes on for another scrape.
func (s *Scraper) recordLate(i int, read ListRead) {
	if s.life.Err() == nil {
		s.latest.record(i, read)
		s.readLog.recordLate(read)
	}
}

// InternalError returns the error of a list that a panic has kept from being read or written.
func InternalError(list syncjob.List, p any) error {
	return reason.New(reason.Other, fmt.Errorf("list %s: internal error: %v", list.Name, p),
		"report it with the stack trace in the log")
}
