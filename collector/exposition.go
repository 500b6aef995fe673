// Package collector converts snapshots of the appliance's lists to Prometheus metrics, and holds the
// metrics about the exporter itself.
package collector

import (
	"cmp"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/sources"
	"cckm_sync_exporter/collector/syncjob"
)

// Exposition converts snapshots to metric families. It must not be copied after first use.
type Exposition struct {
	// ForgetScopesAfter omits scopes whose newest job is older, except registered ones; 0 keeps every scope.
	ForgetScopesAfter time.Duration
	// ClockOffset returns how far the appliance's clock is ahead of this host's, for ages; nil means 0.
	ClockOffset func() time.Duration
	// Logger logs panics; nil discards them.
	Logger log.Logger

	// arenas are those that no gathering uses.
	arenas sync.Pool
}

// Of returns a gatherer of the snapshot's metrics for promhttp. Ages are computed at each call of
// Gather. Calls may be concurrent. Its result must not be used after its done is called.
//
// It is not a prometheus.Collector: a registry takes series one by one through a channel, looks each
// up among all others, and sorts them. Here series are created valid, unique and in order.
func (e *Exposition) Of(snapshot *scrape.Snapshot) prometheus.TransactionalGatherer {
	return &snapshotGatherer{exposition: e, snapshot: snapshot}
}

type snapshotGatherer struct {
	exposition *Exposition
	snapshot   *scrape.Snapshot
}

// Gather implements prometheus.TransactionalGatherer. Families are ordered by name, their series
// by labels.
func (g *snapshotGatherer) Gather() (families []*dto.MetricFamily, done func(), err error) {
	e := g.exposition
	here := time.Now()
	now := here
	if e.ClockOffset != nil {
		now = now.Add(e.ClockOffset())
	}
	a, ok := e.arenas.Get().(*arena)
	if !ok {
		a = new(arena)
	}
	lists := slices.SortedStableFunc(slices.Values(g.snapshot.Lists), func(a, b scrape.ListRead) int {
		return cmp.Or(cmp.Compare(a.List.Cloud, b.List.Cloud), cmp.Compare(a.List.Item, b.List.Item))
	})
	series := make([][]*dto.Metric, len(metrics))
	for i := range lists {
		for m, some := range e.list(a, &lists[i], g.snapshot.Sources, here, now) {
			series[m] = append(series[m], some...)
		}
	}
	if g.snapshot.Sources != nil {
		for m, some := range e.sources(a, g.snapshot.Sources, now) {
			series[m] = append(series[m], some...)
		}
	}
	for m := range metrics {
		if len(series[m]) > 0 {
			families = append(families, &dto.MetricFamily{
				Name: &metrics[m].name, Help: &metrics[m].help, Type: dto.MetricType_GAUGE.Enum(), Metric: series[m],
			})
		}
	}
	// An arena that is put back twice would be used by two gatherings at once.
	done = sync.OnceFunc(func() {
		a.reset()
		e.arenas.Put(a)
	})
	return families, done, nil
}

// list returns the series of one list for each metric. If they cannot be computed, the list has the
// series of a failed read. Scopes are omitted by this host's clock, here, so that a wrong clock of the
// appliance cannot omit all of them; ages are by the appliance's clock, now.
func (e *Exposition) list(a *arena, read *scrape.ListRead, state *sources.State, here, now time.Time) (series [][]*dto.Metric) {
	if read.Err != nil {
		return a.series(a.samples(read, nil, nil), now)
	}
	defer func() {
		if p := recover(); p != nil {
			e.logPanic(read.List.Name, p)
			failed := scrape.ListRead{List: read.List, Err: scrape.InternalError(read.List, p)}
			series = a.series(a.samples(&failed, nil, nil), now)
		}
	}()
	planned := e.planned(a, read, state, here, now)
	scopes := make([]*syncjob.Scope, 0, len(read.Summary.Scopes))
	for i := range planned {
		if planned[i].Job != nil {
			scopes = append(scopes, planned[i].Job)
		}
	}
	for i := range read.Summary.Scopes {
		if scope := &read.Summary.Scopes[i]; planned == nil && !scope.ForgottenAfter(e.ForgetScopesAfter, here) {
			scopes = append(scopes, scope)
		}
	}
	return a.series(a.samples(read, scopes, planned), now)
}

// planned returns the scopes of a list with what should have happened to them, or nil if the state is nil. If
// that cannot be computed, the list has its other series.
func (e *Exposition) planned(a *arena, read *scrape.ListRead, state *sources.State, here, now time.Time) (planned []plannedScope) {
	if state == nil {
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			e.logPanic(read.List.Name, p)
			planned = nil
		}
	}()
	all := state.Plan(&read.List, read.Summary)
	planned = a.planned.take(len(all))[:0]
	for i := range all {
		if !all[i].ForgottenAfter(e.ForgetScopesAfter, here) {
			planned = append(planned, plannedScope{&all[i], all[i].Times(now)})
		}
	}
	return planned
}

// sources returns the series of schedules and inventories, or none if they cannot be computed.
func (e *Exposition) sources(a *arena, state *sources.State, now time.Time) (series [][]*dto.Metric) {
	defer func() {
		if p := recover(); p != nil {
			e.logPanic("", p)
			series = nil
		}
	}()
	return a.series(a.ofSources(state), now)
}

func (e *Exposition) logPanic(list string, p any) {
	if e.Logger != nil {
		level.Error(e.Logger).Log("during", "exposition", "list", list, "panic", p, "stack", string(debug.Stack()))
	}
}

// series returns the series of some samples for each metric.
func (a *arena) series(samples [numDimensions][]sample, now time.Time) [][]*dto.Metric {
	all := make([][]*dto.Metric, len(metrics))
	for m := range metrics {
		per := samples[metrics[m].per]
		series := a.pointers.take(len(per))[:0]
		for i := range per {
			if value, ok := metrics[m].value(&per[i], now); ok {
				series = append(series, a.gauge(value, per[i].labels))
			}
		}
		all[m] = series
	}
	return all
}
