// Package collector turns what was read of the appliance's lists into Prometheus metrics, and
// has the exporter's own metrics.
package collector

import (
	"cmp"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// Exposition says how a snapshot is written. It must not be copied once it is used.
type Exposition struct {
	// ForgetScopesAfter leaves a scope out whose newest job is older; 0 keeps
	// every scope.
	ForgetScopesAfter time.Duration
	// ClockOffset returns by how much the clock that has written the jobs' times is ahead of this
	// host's, for ages; nil means 0.
	ClockOffset func() time.Duration
	// Logger gets what would otherwise be a stack trace for the scraper.
	Logger log.Logger

	// memories are those that no exposition uses at present.
	memories sync.Pool
}

// Of returns what a handler of promhttp writes of the snapshot. Ages are worked
// out at each call of Gather, which may be called by several at once. What it
// returns must not be used any more when its done is called.
//
// It is no prometheus.Collector because a registry takes series one by one,
// through a channel, looks each of them up among all others, and sorts them. Here
// it follows from how they are made that they are valid, in order, and not there
// twice.
func (e *Exposition) Of(snapshot *scrape.Snapshot) prometheus.TransactionalGatherer {
	return &snapshotGatherer{exposition: e, snapshot: snapshot}
}

type snapshotGatherer struct {
	exposition *Exposition
	snapshot   *scrape.Snapshot
}

// Gather implements prometheus.TransactionalGatherer. It returns the families by
// name, each with its series by their labels. An error tells of lists that were
// left out; the others are whole.
func (g *snapshotGatherer) Gather() (gathered []*dto.MetricFamily, done func(), err error) {
	e := g.exposition
	now := time.Now()
	if e.ClockOffset != nil {
		now = now.Add(e.ClockOffset())
	}
	m, ok := e.memories.Get().(*memory)
	if !ok {
		m = new(memory)
	}
	lists := slices.SortedStableFunc(slices.Values(g.snapshot.Lists), byLabels)
	table := families(now)
	series := make([][]*dto.Metric, len(table))
	var errs []error
	for i := range lists {
		if i > 0 && byLabels(lists[i-1], lists[i]) == 0 {
			errs = append(errs, fmt.Errorf("list %s was left out: list %s has the same labels", lists[i].List.Name, lists[i-1].List.Name))
			continue
		}
		for f, metrics := range e.list(m, &lists[i], table, now) {
			series[f] = append(series[f], metrics...)
		}
	}
	for f := range table {
		if len(series[f]) > 0 {
			gathered = append(gathered, &dto.MetricFamily{
				Name: &table[f].name, Help: &table[f].help, Type: dto.MetricType_GAUGE.Enum(), Metric: series[f],
			})
		}
	}
	// Twice in the pool, it would be written to by two scrapes at once.
	done = sync.OnceFunc(func() {
		m.reset()
		e.memories.Put(m)
	})
	return gathered, done, errors.Join(errs...)
}

func byLabels(a, b scrape.ListRead) int {
	return cmp.Or(cmp.Compare(a.List.Cloud, b.List.Cloud), cmp.Compare(a.List.Item, b.List.Item))
}

// list returns the series of one list for each family: all of them, or those of a
// failed read where they cannot be written.
func (e *Exposition) list(m *memory, read *scrape.ListRead, table []family, now time.Time) (series [][]*dto.Metric) {
	failed := func(err error) [][]*dto.Metric {
		return m.write(&scrape.ListRead{List: read.List, Err: err}, table, nil)
	}
	if read.Err != nil {
		return failed(read.Err)
	}
	defer func() {
		if p := recover(); p != nil {
			level.Error(e.logger()).Log("during", "exposition", "list", read.List.Name, "panic", p, "stack", string(debug.Stack()))
			series = failed(scrape.InternalError(read.List, p))
		}
	}()
	scopes, err := m.named(e.remembered(read.Summary.Scopes, now))
	if err != nil {
		level.Error(e.logger()).Log("during", "exposition", "list", read.List.Name, "reason", reason.Other, "err", err,
			"hint", "report it with the names", "msg", "the list was read and cannot be written")
		return failed(reason.New(reason.Other, err, ""))
	}
	return m.write(read, table, scopes)
}

func (e *Exposition) logger() log.Logger {
	if e.Logger == nil {
		return log.NewNopLogger()
	}
	return e.Logger
}

// remembered returns the scopes but those whose newest job is too old.
func (e *Exposition) remembered(scopes []syncjob.Scope, now time.Time) []*syncjob.Scope {
	some := make([]*syncjob.Scope, 0, len(scopes))
	for i := range scopes {
		newest := scopes[i].Newest.CreatedAt
		if e.ForgetScopesAfter <= 0 || newest.IsZero() || now.Sub(newest) <= e.ForgetScopesAfter {
			some = append(some, &scopes[i])
		}
	}
	return some
}

// write returns the series of one list for each family.
func (m *memory) write(read *scrape.ListRead, table []family, scopes []namedScope) [][]*dto.Metric {
	axes := m.cellsOf(read, scopes)
	all := make([][]*dto.Metric, len(table))
	for f := range table {
		along := axes[table[f].axis]
		metrics := m.pointers.take(len(along))[:0]
		for i := range along {
			if value, ok := table[f].value(&along[i]); ok {
				metrics = append(metrics, m.metric(value, along[i].labels))
			}
		}
		all[f] = metrics
	}
	return all
}
