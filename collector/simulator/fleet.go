package simulator

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	defaultBacklog = 400
	// backlogSpan is the time that a backlog covers, unless its jobs would be closer than leastBacklog.
	backlogSpan = 7 * 24 * time.Hour
	// keepJobs is the default of Life.Keep. The busiest of the default lives reaches it after two days.
	keepJobs = 10_000
)

// FleetOptions configure a fleet. The zero value is usable.
type FleetOptions struct {
	// Backlog is how many jobs each list has at the start, divided evenly among its lives and rounded
	// up, but no more of a life than it keeps. The default is 400.
	Backlog int
	// Lives are the synchronizations. The default is DefaultLives; AllLives has some for every list.
	Lives []Life
	// Seed decides everything that varies.
	Seed uint64
}

// Fleet keeps the root domain's lists moving: jobs start, complete, fail, hang and are aborted. The
// content of the lists at a time depends on the options and that time alone.
type Fleet struct {
	clock func() time.Time

	mu    sync.Mutex
	now   time.Time
	lives []*lifeline
}

// lifeline is the state of a life.
type lifeline struct {
	runs

	list *JobList
	// The list has the jobs from oldest up to, but not including, next; open are those that have not ended.
	oldest, next int
	open         []int
}

// NewFleet makes a fleet that begins at the appliance's present time, and puts its backlog, which is
// older, into the appliance's lists. It returns an error if a life's list does not exist or its period is
// too short.
func NewFleet(a *Appliance, opts FleetOptions) (*Fleet, error) {
	opts.Backlog = cmp.Or(opts.Backlog, defaultBacklog)
	if opts.Lives == nil {
		opts.Lives = DefaultLives()
	}
	f := &Fleet{clock: a.opts.Clock, now: a.opts.Clock().UTC().Truncate(time.Microsecond)}
	sharers := make(map[string]int)
	for _, life := range opts.Lives {
		if life.Fate != NeverFinishesFirst {
			sharers[life.List]++
		}
	}
	for _, life := range opts.Lives {
		list := a.List(life.List)
		if list == nil {
			return nil, fmt.Errorf("simulator: life %q: the appliance has no list %q", life.Name, life.List)
		}
		if life.repeats() && life.Period < 10*time.Second {
			return nil, fmt.Errorf("simulator: life %q: its period of %v is below 10s", life.Name, life.Period)
		}
		f.lives = append(f.lives, newLifeline(life, list, f.now, opts, sharers[life.List]))
	}
	f.Advance(f.now)
	return f, nil
}

// newLifeline computes a life's backlog and defaults.
func newLifeline(life Life, list *JobList, start time.Time, opts FleetOptions, sharers int) *lifeline {
	life.Longest = cmp.Or(life.Longest, longestRun)
	life.Keep = cmp.Or(life.Keep, keepJobs)
	backlog := 1
	if life.Fate != NeverFinishesFirst {
		backlog = min(life.Keep, (opts.Backlog+sharers-1)/sharers)
	}
	return &lifeline{
		list: list,
		runs: runs{
			life:    life,
			kind:    list.kind,
			start:   start,
			backlog: backlog,
			spacing: max(backlogSpan/time.Duration(backlog), leastBacklog),
			salt:    hashText(opts.Seed, life.List+"/"+life.Name),
		},
	}
}

// Advance moves every life to a time. The work is bounded for any step: jobs that would have been removed
// by then are not made. A time before that of the last step changes nothing.
func (f *Fleet) Advance(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Before(f.now) {
		return
	}
	f.now = now
	for _, l := range f.lives {
		l.advance(now)
	}
}

// Run calls Advance with the appliance's time, now and then at intervals of real time, until the context
// ends.
func (f *Fleet) Run(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		f.Advance(f.clock())
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// advance moves one life.
func (l *lifeline) advance(now time.Time) {
	started := l.startedBy(now)
	first := max(0, started-l.life.Keep)
	for ; l.oldest < min(first, l.next); l.oldest++ {
		l.list.Remove(l.id(l.oldest))
	}
	l.oldest = max(l.oldest, first)
	for l.next = max(l.next, first); l.next < started; l.next++ {
		l.open = append(l.open, l.next)
	}
	l.open = slices.DeleteFunc(l.open, func(n int) bool {
		if n < first {
			return true
		}
		j, ended := l.job(n, now)
		l.list.Put(j)
		return ended
	})
}
