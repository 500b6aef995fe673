package simulator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Defaults of [FleetOptions].
const (
	DefaultBacklog     = 400
	DefaultBacklogSpan = 4 * 24 * time.Hour
	DefaultKeep        = 10_000
)

// FleetOptions say what a fleet is like. The zero value is usable.
type FleetOptions struct {
	// Start is when the fleet begins to live; its backlog lies before. The default is the
	// appliance's present time.
	Start time.Time
	// Backlog is how many jobs each list has at the start, shared out evenly and rounded up, so that
	// every life has one at least. The default is DefaultBacklog.
	Backlog int
	// BacklogSpan is the time before the start over which the backlog lies. The default is
	// DefaultBacklogSpan, and it is longer where a life's jobs would otherwise lie closer than two minutes.
	BacklogSpan time.Duration
	// Keep is how many jobs of each life the list keeps; older ones disappear from it, as if an administrator
	// had purged them. It bounds memory and the work of one step. The default is DefaultKeep,
	// which the busiest of the default lives reaches after about two days.
	Keep int
	// Lives are the synchronizations. The default is DefaultLives; AllLives has some in every list.
	Lives []Life
	// Seed decides on everything that varies.
	Seed uint64
}

// Fleet keeps an appliance's lists of the root domain alive: jobs start, complete, fail, hang and are
// aborted. What the lists hold at a time follows from the options and that time alone. A job
// that was cancelled through the API is left as the appliance then has it.
type Fleet struct {
	clock func() time.Time
	start time.Time

	mu    sync.Mutex
	now   time.Time
	lives []*lifeline
}

// lifeline is how far a life has got.
type lifeline struct {
	runs
	list *JobList
	// keep is how many jobs the list keeps.
	keep int
	// The list has the jobs from oldest up to, but not including, next; open are those that have not ended.
	oldest, next int
	open         []int
}

// NewFleet makes a fleet and puts its backlog into the appliance's lists. It returns an error for a
// life that cannot be: one without a name or scopes, with a name twice, with too short a period, or in a
// list that the appliance does not have.
func NewFleet(a *Appliance, opts FleetOptions) (*Fleet, error) {
	if opts.Start.IsZero() {
		opts.Start = a.opts.Clock()
	}
	if opts.Backlog <= 0 {
		opts.Backlog = DefaultBacklog
	}
	if opts.BacklogSpan <= 0 {
		opts.BacklogSpan = DefaultBacklogSpan
	}
	if opts.Keep <= 0 {
		opts.Keep = DefaultKeep
	}
	if opts.Lives == nil {
		opts.Lives = DefaultLives()
	}
	opts.Start = opts.Start.UTC().Truncate(time.Microsecond)

	f := &Fleet{clock: a.opts.Clock, start: opts.Start}
	sharers := make(map[string]int)
	names := make(map[string]bool)
	for _, life := range opts.Lives {
		if life.Fate != NeverFinishesFirst {
			sharers[life.List]++
		}
		if names[life.Name] {
			return nil, fmt.Errorf("simulator: two lives have the name %q", life.Name)
		}
		names[life.Name] = true
	}
	for _, life := range opts.Lives {
		list := a.List(life.List)
		if err := life.check(list); err != nil {
			return nil, fmt.Errorf("simulator: life %q: %w", life.Name, err)
		}
		f.lives = append(f.lives, newLifeline(life, list, opts, sharers[life.List]))
	}
	f.Advance(opts.Start)
	return f, nil
}

// check says what is wrong with a life.
func (l Life) check(list *JobList) error {
	switch {
	case l.Name == "":
		return errors.New("it has no name")
	case len(l.Scopes) == 0:
		return errors.New("it has no scopes")
	case list == nil:
		return fmt.Errorf("the appliance has no list %q", l.List)
	case l.repeats() && l.Period < 10*time.Second:
		return fmt.Errorf("its period of %v is below 10s", l.Period)
	case l.Phase < 0:
		return fmt.Errorf("its phase of %v is negative", l.Phase)
	case l.Keep < 0:
		return fmt.Errorf("it keeps %d jobs", l.Keep)
	}
	return nil
}

// newLifeline works out a life's backlog.
func newLifeline(life Life, list *JobList, opts FleetOptions, sharers int) *lifeline {
	if life.Longest <= 0 {
		life.Longest = longestRun
	}
	life.Scopes = slices.Clone(life.Scopes)
	keep := opts.Keep
	if life.Keep > 0 {
		keep = min(keep, life.Keep)
	}
	backlog := 1
	if life.Fate != NeverFinishesFirst {
		backlog = (opts.Backlog + sharers - 1) / sharers
	}
	return &lifeline{
		list: list,
		keep: keep,
		runs: runs{
			life:    life,
			kind:    list.kind,
			account: list.account,
			start:   opts.Start,
			backlog: backlog,
			spacing: max(opts.BacklogSpan/time.Duration(backlog), leastBacklog),
			salt:    hashText(opts.Seed, life.List+"/"+life.Name),
		},
	}
}

// Advance moves every life up to a time and asks no clock of its own. The work is bounded, however large
// the step: of jobs that would be purged by then, none is made. A time before that of the last step
// changes nothing.
func (f *Fleet) Advance(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Before(f.start) || now.Before(f.now) {
		return
	}
	f.now = now
	for _, l := range f.lives {
		l.advance(now)
	}
}

// Run calls Advance by the appliance's clock, at once and then in intervals of real time, until the context
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
	first := max(0, started-l.keep)
	for ; l.oldest < min(first, l.next); l.oldest++ {
		l.list.Remove(l.id(l.oldest))
	}
	l.oldest = max(l.oldest, first)
	l.open = slices.DeleteFunc(l.open, func(n int) bool { return n < first || l.renew(n, now) })
	for l.next = max(l.next, first); l.next < started; l.next++ {
		j, ended := l.job(l.next, now)
		// Ids are made of 122 scrambled bits, so none is taken.
		if _, err := l.list.Insert(j); err == nil && !ended {
			l.open = append(l.open, l.next)
		}
	}
}

// renew brings an open job up to a time and says whether nothing more will become of it.
func (l *lifeline) renew(n int, now time.Time) (over bool) {
	j, ended := l.job(n, now)
	found := l.list.Update(j.ID, func(old *Job) {
		if over = old.Abort && l.life.Fate != IsAborted || !l.kind.runs(old); !over {
			*old = j
		}
	})
	return ended || over || !found
}
