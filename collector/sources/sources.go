// Package sources reads the schedules and the inventories of an appliance in the background, and holds what
// they say. No scrape waits for them, and a source that fails affects no list and no other source.
package sources

import (
	"cmp"
	"context"
	"io"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"cckm_sync_exporter/collector/inventory"
	"cckm_sync_exporter/collector/plan"
	"cckm_sync_exporter/collector/printable"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/schedule"
	"cckm_sync_exporter/collector/syncjob"
)

const (
	// defaultInterval is the time between two reads of a source.
	defaultInterval = 5 * time.Minute
	// refusedIntervals is after how many intervals a source that was refused is read again: a permission
	// changes seldom, and the appliance may log each refusal. keepIntervals is for how many the last good read
	// counts. Both are an hour.
	refusedIntervals, keepIntervals = 12, 12
	// readTimeout bounds a read of one source.
	readTimeout = 2 * time.Minute
	// maxLogged bounds how many schedules that are not understood are logged.
	maxLogged = 100
)

// The names of sources.
const (
	Schedules       = "schedules"
	inventoryPrefix = "inventory-"
)

// schedulesHint is what a user needs who must not read the schedules.
const schedulesHint = "let the user view the scheduler's job configurations (no public document names the group that may)"

// Getter requests a path below /api/v1/. ciphertrust.Client implements it.
type Getter interface {
	// Get passes the body of a 200 to read. If the transfer fails and is retried, it calls read
	// again with the new body. Its errors carry a reason.Reason.
	Get(ctx context.Context, path string, query url.Values, read func(io.Reader) error) error
}

// Options are the settings of a Reader.
type Options struct {
	// Schedules and Inventory are what is read.
	Schedules, Inventory bool
	// Lists are the enabled lists. The inventories of their clouds are read.
	Lists []syncjob.List
	// PageSize is the limit that is requested from inventories.
	PageSize int
	// Interval is the time between two reads of a source; 0 is 5 minutes. Tests make time pass faster.
	Interval time.Duration
	// Redact removes secrets from a text of the appliance.
	Redact func(text string) string
	// Hint rewrites the hint about a failed read for the target's configuration. It may be nil.
	Hint func(hint string) string
	// Logger may be nil.
	Logger log.Logger
}

// Reader reads the sources of one appliance. It is safe for concurrent use.
type Reader struct {
	getter  Getter
	options Options
	logger  log.Logger
	life    context.Context //nolint:containedctx // A read outlives the scrape that starts it.
	cancel  context.CancelFunc
	reads   sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	sources []*source
	// reading is closed when the read that is running has ended; it is nil if none is.
	reading chan struct{}
	// state is that of now until expires, or nil.
	state   *State
	expires time.Time
	// problems are the schedules that were logged because they are not understood.
	problems map[string]bool
}

// source is one source and its last reads.
type source struct {
	name string
	// cloud is empty for the schedules.
	cloud string
	// accessHint is what a user needs who must not read it.
	accessHint string
	paths      []string

	// due is when it is read next.
	due time.Time
	// read is true once it was read, and err is the error of the last read.
	read bool
	err  error
	// good is the last good read, and goodAt when it ended.
	good   result
	goodAt time.Time
}

// result is the result of a read.
type result struct {
	records   int
	schedules []*schedule.Schedule
	inventory *inventory.Inventory
}

// New returns a Reader. It reads nothing before Start.
func New(getter Getter, options Options) *Reader {
	r := &Reader{getter: getter, options: options, logger: options.Logger, problems: map[string]bool{}}
	if r.logger == nil {
		r.logger = log.NewNopLogger()
	}
	r.options.PageSize = max(1, options.PageSize)
	r.options.Interval = cmp.Or(options.Interval, defaultInterval)
	r.life, r.cancel = context.WithCancel(context.Background())
	if options.Inventory {
		for i := range options.Lists {
			cloud := options.Lists[i].Cloud
			if !slices.ContainsFunc(r.sources, func(s *source) bool { return s.cloud == cloud }) {
				r.sources = append(r.sources, &source{
					name: inventoryPrefix + cloud, cloud: cloud, paths: inventory.Paths(cloud, options.Lists), accessHint: options.Lists[i].AccessHint(),
				})
			}
		}
	}
	if options.Schedules {
		r.sources = append(r.sources, &source{name: Schedules, paths: []string{schedule.Path}, accessHint: schedulesHint})
	}
	slices.SortFunc(r.sources, func(a, b *source) int { return cmp.Compare(a.name, b.name) })
	return r
}

// clean returns a text of the appliance as people may read it.
func (r *Reader) clean(text string) string {
	if r.options.Redact != nil {
		text = r.options.Redact(text)
	}
	return printable.Line(text, syncjob.MaxText)
}

// Probe reads a source once.
type Probe struct {
	Name string
	// AccessHint is the hint for a user who must not read it.
	AccessHint string
	// Read returns how many records it has. It does not change the Reader's state.
	Read func(ctx context.Context) (records int, err error)
}

// Probes returns a probe of each source, ordered by name.
func (r *Reader) Probes() []Probe {
	probes := make([]Probe, 0, len(r.sources))
	for _, s := range r.sources {
		probes = append(probes, Probe{Name: s.name, AccessHint: s.accessHint, Read: func(ctx context.Context) (int, error) {
			read, err := r.read(ctx, s)
			return read.records, err
		}})
	}
	return probes
}

// Start starts to read the sources that are due, and does not wait. It returns a channel that is closed
// when no source is being read.
func (r *Reader) Start() (done <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reading != nil {
		return r.reading
	}
	now := time.Now()
	var due []*source
	for _, s := range r.sources {
		if !s.due.After(now) {
			due = append(due, s)
		}
	}
	reading := make(chan struct{})
	if len(due) == 0 || r.closed {
		close(reading)
		return reading
	}
	r.reading = reading
	r.reads.Go(func() {
		// One after another, so that they take little of the appliance's time.
		for _, s := range due {
			begun := time.Now()
			read, err := r.read(r.life, s)
			if r.life.Err() == nil {
				r.record(s, begun, read, err)
			}
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.reading = nil
		close(reading)
	})
	return reading
}

// record stores and logs the outcome of a read that began at a time.
func (r *Reader) record(s *source, begun time.Time, read result, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, ever := s.err, s.read
	s.read, s.err, s.due = true, err, begun.Add(r.options.Interval)
	r.state = nil
	logger := log.With(r.logger, "during", "read", "source", s.name)
	if err != nil {
		why := reason.Of(err)
		if why == reason.Forbidden || why == reason.NotFound {
			s.due = begun.Add(refusedIntervals * r.options.Interval)
		}
		leveled := level.Warn(logger)
		if before != nil && reason.Of(before) == why {
			leveled = level.Debug(logger)
		}
		leveled.Log("reason", why, "err", err, "hint", reason.HintOf(err), "next", time.Until(s.due).Round(time.Second), "msg", "the source could not be read")
		return
	}
	s.good, s.goodAt = read, time.Now()
	if ever && before != nil {
		level.Info(logger).Log("records", read.records, "msg", "the source can be read again")
	}
	for _, one := range read.schedules {
		if one.Problem != "" && !r.problems[one.Label] && len(r.problems) < maxLogged {
			r.problems[one.Label] = true
			level.Warn(logger).Log("schedule", one.Label, "run_at", one.RunAt, "err", r.clean(one.Problem), "hint", "report it with the appliance's version",
				"msg", "the times of a schedule are not understood; nothing is due by it")
		}
	}
}

// Close cancels the read that is running, and waits for it.
func (r *Reader) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.cancel()
	r.reads.Wait()
}

// State returns what the sources say now. It sends no request. While nothing changes, it returns the same
// one.
func (r *Reader) State() *State {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.state != nil && (r.expires.IsZero() || now.Before(r.expires)) {
		return r.state
	}
	state := &State{inventories: map[string]*inventory.Inventory{}, plans: map[string]planned{}}
	r.expires = time.Time{}
	for _, s := range r.sources {
		if !s.read {
			continue
		}
		status := Status{Name: s.name, Err: s.err, CompleteAt: s.goodAt, Records: s.good.records}
		state.Sources = append(state.Sources, status)
		expires := s.goodAt.Add(keepIntervals * r.options.Interval)
		if s.goodAt.IsZero() || !now.Before(expires) {
			continue
		}
		if r.expires.IsZero() || expires.Before(r.expires) {
			r.expires = expires
		}
		if s.cloud == "" {
			state.Schedules = s.good.schedules
		} else {
			state.inventories[s.cloud] = s.good.inventory
		}
	}
	r.state = state
	return state
}

// State is what the sources say at one time. Its exported fields are immutable, and its methods are safe
// for concurrent use.
type State struct {
	// Sources are those that were read at least once, ordered by name.
	Sources []Status
	// Schedules are ordered by label. They are nil if they are not known.
	Schedules []*schedule.Schedule

	inventories map[string]*inventory.Inventory
	mu          sync.Mutex
	// plans are those of each list, by its name.
	plans map[string]planned
}

// Status is the outcome of the last read of a source.
type Status struct {
	// Name is Schedules, or inventory- and the cloud.
	Name string
	// Err is why it could not be read, or nil. It carries a reason.Reason and a hint.
	Err error
	// CompleteAt is when the last read that succeeded ended, or zero, and Records how many records it had.
	CompleteAt time.Time
	Records    int
}

// planned is a plan, and the summary that it was made with.
type planned struct {
	summary *syncjob.Summary
	scopes  []plan.Scope
}

// Plan returns the scopes of a list with what the sources say about them. The result must not be changed.
func (s *State) Plan(list *syncjob.List, summary *syncjob.Summary) []plan.Scope {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.plans[list.Name]
	if p.summary != summary {
		p = planned{summary: summary, scopes: plan.Of(list, summary, s.Schedules, s.inventories[list.Cloud])}
		s.plans[list.Name] = p
	}
	return p.scopes
}
