// Package scrape decides what a scrape reads of each list of one appliance. A Scraper shares one
// read of a list among scrapes that overlap (shared.go), and stores and logs the outcome (latest.go,
// readlog.go, failurelog.go). A List decides whether a read is incremental or full (list.go), and
// runs full reads in the background (background.go).
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

	"cckm_sync_exporter/collector/printable"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

// ListReader reads one list. List implements it.
type ListReader interface {
	// Read returns the summary of the whole list and how many pages it requested. Its errors
	// carry a reason.Reason.
	Read(ctx context.Context) (summary *syncjob.Summary, pages int, err error)
	// FullRead returns the progress of the full read that is running, or nil.
	FullRead() *FullReadProgress
	// Close cancels any read and waits until it has ended.
	Close()
}

// Source is a list and its reader.
type Source struct {
	List   syncjob.List
	Reader ListReader
}

// Options are the settings of a Scraper.
type Options struct {
	// Timeout is the longest read; 0 means that only the scrapes' contexts end it.
	Timeout time.Duration
	// MinInterval is for how long after its end a read is returned to further scrapes; 0 means that
	// it is not.
	MinInterval time.Duration
	// Logger gets a line when a list begins or ceases to fail, and for each failed job that is seen
	// for the first time. It may be nil.
	Logger log.Logger
	// Redact removes secrets from a name of the appliance, which may repeat what it was sent. It may
	// be nil. See ciphertrust.Client.Redact.
	Redact func(text string) string
	// Hint rewrites the hint about a failed read for the target's configuration. It may be nil.
	Hint func(hint string) string
}

// clean returns a name or an id of the appliance for the log.
func (o Options) clean(name string) string {
	if o.Redact != nil {
		name = o.Redact(name)
	}
	return printable.Line(name, syncjob.MaxText)
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
	// life is the context of all reads. Cancel ends it, and Close waits for reads.
	life   context.Context //nolint:containedctx // A read outlives the scrape that starts it.
	cancel context.CancelCauseFunc
	reads  sync.WaitGroup
}

// New returns a Scraper of the given lists. Its Close closes their readers.
func New(sources []Source, options Options) *Scraper {
	if options.Logger == nil {
		options.Logger = log.NewNopLogger()
	}
	s := &Scraper{
		sources: sources, hint: options.Hint, logger: options.Logger, latest: newLatest(sources),
		readLog: newReadLog(options.Logger, options.clean), failureLog: newFailureLog(options.Logger, options.clean),
	}
	s.life, s.cancel = context.WithCancelCause(context.Background())
	for i, source := range sources {
		s.shared = append(s.shared, &sharedReads{
			life:        s.life,
			longest:     options.Timeout,
			minInterval: options.MinInterval,
			reads:       &s.reads,
			list:        source.List,
			read:        func(ctx context.Context) ListRead { return s.readList(ctx, source) },
			ended:       func(ctx context.Context, read ListRead, left bool) { s.record(ctx, i, read, left) },
			late:        func(read ListRead) { s.recordLate(i, read) },
		})
	}
	return s
}

// Read reads every list, or joins a read that is running. It returns soon after ctx has ended; a
// list that is not read by then has failed with reason.Timeout. The snapshot has every list, also
// those that failed.
func (s *Scraper) Read(ctx context.Context) *Snapshot {
	snapshot := &Snapshot{Lists: make([]ListRead, len(s.shared))}
	var wait sync.WaitGroup
	for i, shared := range s.shared {
		wait.Go(func() { snapshot.Lists[i] = shared.join(ctx) })
	}
	wait.Wait()
	return snapshot
}

// Latest returns the outcome of the last read of each list, and the progress of full reads that are
// running. It sends no request.
func (s *Scraper) Latest() []Latest {
	all := s.latest.all()
	for i := range s.sources {
		all[i].FullRead = s.sources[i].Reader.FullRead()
	}
	return all
}

// Cancel cancels every read that is running, and any later one. Scrapes that wait for them return
// with reason.Timeout: the appliance did not respond in the time that was left.
func (s *Scraper) Cancel() {
	s.cancel(fmt.Errorf("the exporter is shutting down: %w", context.Canceled))
}

// Close cancels every read, also in the background, and waits until all have ended.
func (s *Scraper) Close() {
	s.Cancel()
	s.reads.Wait()
	for _, source := range s.sources {
		source.Reader.Close()
	}
}

// readList reads one list. A bug that panics fails this list only.
func (s *Scraper) readList(ctx context.Context, source Source) (read ListRead) {
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
	}
	return read
}

// record stores and logs the outcome of a read of the i-th list. It ignores a read that failed
// because its scrapers hung up or gave it too little time, and every read during shutdown: these
// are not about the list.
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

// recordLate stores and logs that a scrape's deadline passed before the i-th list was read, while
// the read continues for another scrape.
func (s *Scraper) recordLate(i int, read ListRead) {
	if s.life.Err() == nil {
		s.latest.record(i, read)
		s.readLog.recordLate(read)
	}
}

// InternalError returns the error of a list whose reading or writing has panicked.
func InternalError(list syncjob.List, p any) error {
	return reason.New(reason.Other, fmt.Errorf("list %s: internal error: %v", list.Name, p),
		"report it with the stack trace in the log")
}
