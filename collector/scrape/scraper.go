// Package scrape decides what a scrape reads of each list of one appliance. A Scraper shares one
// read of a list among scrapes that overlap (shared.go), and logs the outcome (readlog.go,
// failurelog.go). A List decides whether a read is incremental or full (list.go), and runs full
// reads in the background (background.go).
package scrape

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-kit/log"

	"cckm_sync_exporter/collector/printable"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

// ListReader reads one list. List implements it.
type ListReader interface {
	// Read returns the summary of the whole list and how many pages it requested. Its errors
	// carry a reason.Reason.
	Read(ctx context.Context) (summary *syncjob.Summary, pages int, err error)
	// FullReadProgress returns the progress of the full read that is running, or nil.
	FullReadProgress() *FullReadProgress
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
	// MinInterval is how long after its end a read is returned to further scrapes; 0 means that
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
	lists []*sharedList
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
	s := &Scraper{}
	s.life, s.cancel = context.WithCancelCause(context.Background())
	for _, source := range sources {
		s.lists = append(s.lists, &sharedList{
			Source: source, options: options, scraper: s, latest: Latest{List: source.List}, log: newListLog(source.List, options),
		})
	}
	return s
}

// Read reads every list, or joins a read that is running. It returns soon after ctx has ended; a
// list that is not read by then has failed with reason.Timeout. The snapshot has every list, also
// those that failed.
func (s *Scraper) Read(ctx context.Context) *Snapshot { return read(ctx, s.lists) }

// ReadSome is Read for the lists with the given names only. The snapshot has no other list.
func (s *Scraper) ReadSome(ctx context.Context, names []string) *Snapshot {
	return read(ctx, slices.DeleteFunc(slices.Clone(s.lists), func(l *sharedList) bool { return !slices.Contains(names, l.List.Name) }))
}

func read(ctx context.Context, lists []*sharedList) *Snapshot {
	snapshot := &Snapshot{Lists: make([]ListRead, len(lists))}
	var wait sync.WaitGroup
	for i, list := range lists {
		wait.Go(func() { snapshot.Lists[i] = list.await(ctx) })
	}
	wait.Wait()
	return snapshot
}

// Latest returns the outcome of the last read of each list, and the progress of full reads that are
// running. It sends no request.
func (s *Scraper) Latest() []Latest {
	all := make([]Latest, 0, len(s.lists))
	var scrapedAt time.Time
	for _, list := range s.lists {
		list.mu.Lock()
		latest := list.latest
		list.mu.Unlock()
		latest.FullRead = list.Reader.FullReadProgress()
		all = append(all, latest)
		if latest.ReadAt.After(scrapedAt) {
			scrapedAt = latest.ReadAt
		}
	}
	for i := range all {
		all[i].ScrapedAt = scrapedAt
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
	for _, list := range s.lists {
		list.Reader.Close()
	}
}

// InternalError returns the error of a list whose reading or writing has panicked.
func InternalError(list syncjob.List, p any) error {
	return reason.New(reason.Other, fmt.Errorf("list %s: internal error: %v", list.Name, p),
		"report it with the stack trace in the log")
}
