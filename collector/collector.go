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
	// Logger gets a line for each failed read; nil means that nothing is logged.
	Logger log.Logger
}

// Collector reads the lists of one appliance.
type Collector struct {
	flights []*flight
	latest  *latest
	journal *journal
	logger  log.Logger
	// stop ends every read; reads are counted so that Close can wait.
	stop  context.CancelCauseFunc
	reads sync.WaitGroup
}

// New returns a Collector that reads the given lists.
func New(sources []Source, options Options) *Collector {
	if options.Logger == nil {
		options.Logger = log.NewNopLogger()
	}
	life, stop := context.WithCancelCause(context.Background())
	c := &Collector{stop: stop, logger: options.Logger, journal: newJournal(options.Logger), latest: newLatest(sources)}
	for _, source := range sources {
		c.flights = append(c.flights, &flight{
			life:        life,
			longest:     options.Timeout,
			minInterval: options.MinInterval,
			reads:       &c.reads,
			list:        source.List,
			read:        func(ctx context.Context) ListRead { return c.readList(ctx, source) },
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
		wait.Go(func() {
			snapshot.Lists[i] = f.join(ctx)
			c.latest.note(i, snapshot.Lists[i])
		})
	}
	wait.Wait()
	return snapshot
}

// Latest returns what the last read of each list said, in the order of the
// sources. It reads nothing.
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
func (c *Collector) readList(ctx context.Context, source Source) (read ListRead) {
	read = ListRead{List: source.List, Started: time.Now()}
	defer func() {
		if p := recover(); p != nil {
			read.Summary = nil
			read.Err = internalError(source.List, p)
			level.Error(c.logger).Log("during", "read", "list", source.List.Name, "panic", p, "stack", string(debug.Stack()))
		}
		read.Took = time.Since(read.Started)
		// That nobody waits any more, or the exporter ends, is no news about the
		// list. A deadline that passes is.
		if !errors.Is(context.Cause(ctx), context.Canceled) {
			c.journal.note(read)
		}
	}()
	read.Summary, read.Pages, read.Err = source.Reader.Read(ctx)
	return read
}

func internalError(list syncjob.List, p any) error {
	return reason.New(reason.Other, fmt.Errorf("list %s: internal error: %v", list.Name, p),
		"report it with the stack trace that the log has")
}
