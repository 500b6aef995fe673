// Package collector turns the appliance's lists of synchronization jobs into
// Prometheus metrics: it reads the lists side by side at each scrape, shares
// one read among scrapes that overlap, and writes what the lists mean as
// gauges.
package collector

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

// ListReader reads one list of an appliance whole. joblist.Reader is one.
type ListReader interface {
	// Read returns what the list says and how many pages it took. Its errors
	// carry a reason.Reason.
	Read(ctx context.Context) (summary *syncjob.Summary, pages int, err error)
}

// Source is a list and what reads it.
type Source struct {
	List   syncjob.List
	Reader ListReader
}

// Options are the settings of a Collector.
type Options struct {
	// Timeout is the longest read of one scrape.
	Timeout time.Duration
	// MinInterval is how long after the end of a read it answers further
	// scrapes; 0 means never.
	MinInterval time.Duration
	// Logger gets a line where a list begins and ceases to fail, and for each job
	// that is seen failing for the first time; nil means that nothing is logged.
	Logger log.Logger
	// Hide takes secrets out of what the appliance writes in its own words, which
	// may repeat whatever it was sent, before anybody sees it; nil means that there
	// are none. ciphertrust.Client has one. It may be called at any time.
	Hide func(text string) string
}

// Collector reads the lists of one appliance.
type Collector struct {
	flights  []*flight
	latest   *latest
	hangUps  []atomic.Int64
	journal  *journal
	failures *failures
	repeated *repeated
	logger   log.Logger
	// life ends with stop, and every read with it; reads are counted so that Close
	// can wait.
	life  context.Context //nolint:containedctx // A read outlives the scrape that starts it.
	stop  context.CancelCauseFunc
	reads sync.WaitGroup
}

// New returns a Collector that reads the given lists.
func New(sources []Source, options Options) *Collector {
	if options.Logger == nil {
		options.Logger = log.NewNopLogger()
	}
	life, stop := context.WithCancelCause(context.Background())
	c := &Collector{
		life: life, stop: stop, logger: options.Logger,
		latest: newLatest(sources), hangUps: make([]atomic.Int64, len(sources)),
		journal: newJournal(options.Logger), failures: newFailures(options.Logger), repeated: newRepeated(options.Logger, len(sources)),
	}
	for i, source := range sources {
		words := &words{hide: options.Hide}
		c.flights = append(c.flights, &flight{
			life:        life,
			longest:     options.Timeout,
			minInterval: options.MinInterval,
			reads:       &c.reads,
			list:        source.List,
			read:        func(ctx context.Context) ListRead { return c.readList(ctx, source, words) },
			ended:       func(ctx context.Context, read ListRead, left bool) { c.note(ctx, i, read, left) },
			late:        func(read ListRead) { c.noteLate(i, read) },
		})
	}
	return c
}

// Read reads every list, or joins a read that is under way, and returns at the
// latest when ctx ends; a list that is not read by then has failed with
// reason.Timeout. The snapshot holds every list, read or not.
func (c *Collector) Read(ctx context.Context) *Snapshot {
	snapshot := &Snapshot{Lists: make([]ListRead, len(c.flights))}
	var wait sync.WaitGroup
	for i, f := range c.flights {
		wait.Go(func() { snapshot.Lists[i] = f.join(ctx) })
	}
	wait.Wait()
	return snapshot
}

// Latest returns what the last read of each list said, in the order of the
// sources. It reads nothing, and nothing that it returns shows a secret that Hide
// knew when the list was read.
func (c *Collector) Latest() []Latest { return c.latest.all() }

// GiveUp ends every read that is under way and every one to come. Scrapes that
// wait for them are answered. It counts as a timeout: the appliance did not
// answer in the time that was left.
func (c *Collector) GiveUp() {
	c.stop(fmt.Errorf("the exporter is shutting down: %w", context.Canceled))
}

// Close gives up every read and waits until none is under way.
func (c *Collector) Close() {
	c.GiveUp()
	c.reads.Wait()
}

// readList reads one list. A panic, which only a mistake of ours can cause,
// fails this list and no other.
func (c *Collector) readList(ctx context.Context, source Source, words *words) (read ListRead) {
	read = ListRead{List: source.List, Started: time.Now()}
	defer func() {
		if p := recover(); p != nil {
			read.Summary = nil
			read.Err = internalError(source.List, p)
			level.Error(c.logger).Log("during", "read", "list", source.List.Name, "panic", p, "stack", string(debug.Stack()))
		}
		read.Took = time.Since(read.Started)
	}()
	read.Summary, read.Pages, read.Err = source.Reader.Read(ctx)
	switch {
	case read.Err != nil:
	case read.Summary == nil:
		read.Err = internalError(source.List, "a read without a summary")
	default:
		read.Summary = words.shown(read.Summary)
	}
	return read
}

// note keeps and tells how a read of the i-th list ended, where it says something
// about the list. That the exporter ends does not. That a scraper hung up may mean
// anything, but the second one in a row that the list was too slow for is taken
// for one with a deadline that it does not tell: else a list that is always too
// slow would never be told of.
func (c *Collector) note(ctx context.Context, i int, read ListRead, left bool) {
	if c.life.Err() != nil {
		return
	}
	if read.Err != nil && errors.Is(context.Cause(ctx), context.Canceled) {
		if c.hangUps[i].Add(1) < 2 {
			return
		}
	} else {
		c.hangUps[i].Store(0)
	}
	c.latest.note(i, read)
	c.journal.note(read, left)
	if read.Err == nil {
		c.failures.note(read)
		c.repeated.note(i, read)
	}
}

// noteLate keeps and tells that a scrape's time was up before the i-th list was
// read, while the read goes on for another's sake.
func (c *Collector) noteLate(i int, read ListRead) {
	if c.life.Err() == nil {
		c.latest.note(i, read)
		c.journal.late(read)
	}
}

func internalError(list syncjob.List, p any) error {
	return reason.New(reason.Other, fmt.Errorf("list %s: internal error: %v", list.Name, p),
		"report it with the stack trace that the log has")
}
