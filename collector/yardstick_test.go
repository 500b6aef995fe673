package collector_test

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cckm_sync_exporter/collector"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// constMetrics exports a snapshot as most exporters would, with a const metric for each series through a
// registry. The exposition is compared with it, in its output and its cost.
type constMetrics struct {
	snapshot          *scrape.Snapshot
	forgetScopesAfter time.Duration
	descs             map[string]*prometheus.Desc
}

// newConstMetrics returns the metrics of a snapshot. Scope names must be valid UTF-8.
func newConstMetrics(snapshot *scrape.Snapshot, forgetScopesAfter time.Duration) *constMetrics {
	c := &constMetrics{snapshot: snapshot, forgetScopesAfter: forgetScopesAfter, descs: map[string]*prometheus.Desc{}}
	describe := func(labels []string, names ...string) {
		for _, name := range names {
			c.descs[name] = prometheus.NewDesc("cckm_sync_"+name, collector.HelpOf("cckm_sync_"+name), labels, nil)
		}
	}
	describe([]string{"cloud", "item"}, "up", "scrape_duration_seconds", "scrape_pages")
	describe([]string{"cloud", "item", "reason"}, "scrape_error")
	describe([]string{"cloud", "item", "status"}, "jobs")
	describe([]string{"cloud", "item", "scope"}, "scope_last_job_timestamp_seconds", "scope_job_age_seconds",
		"scope_in_progress_age_seconds", "scope_last_completion_timestamp_seconds", "scope_last_success_timestamp_seconds",
		"scope_last_failure_timestamp_seconds", "scope_last_duration_seconds")
	describe([]string{"cloud", "item", "scope", "status"}, "scope_jobs", "scope_status")
	describe([]string{"cloud", "item", "scope", "result"}, "scope_last_result")
	describe([]string{"cloud", "item", "scope", "kind", "name", "project", "location", "subscription"}, "scope_info")
	return c
}

// registry returns a registry with the snapshot only.
func (c *constMetrics) registry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(c)
	return registry
}

// gatherer returns the registry in the form that promhttp expects of an exposition.
func (c *constMetrics) gatherer() prometheus.TransactionalGatherer {
	return prometheus.ToTransactionalGatherer(c.registry())
}

// Describe implements prometheus.Collector.
func (c *constMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range c.descs {
		ch <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *constMetrics) Collect(ch chan<- prometheus.Metric) {
	now := time.Now()
	for i := range c.snapshot.Lists {
		read := &c.snapshot.Lists[i]
		gauge := func(name string, value float64, labels ...string) {
			labels = append([]string{read.List.Cloud, read.List.Item}, labels...)
			ch <- prometheus.MustNewConstMetric(c.descs[name], prometheus.GaugeValue, value, labels...)
		}
		c.collectList(gauge, read)
		if read.Err != nil {
			continue
		}
		for i := range read.Summary.Scopes {
			s := &read.Summary.Scopes[i]
			newest := s.Newest.CreatedAt
			if c.forgetScopesAfter == 0 || newest.IsZero() || now.Sub(newest) <= c.forgetScopesAfter {
				c.collectScope(gauge, read, s, now)
			}
		}
	}
}

func (*constMetrics) collectList(gauge func(string, float64, ...string), read *scrape.ListRead) {
	gauge("up", truth(read.Err == nil))
	for _, r := range reason.All() {
		gauge("scrape_error", truth(read.Err != nil && reason.Of(read.Err) == r), string(r))
	}
	if read.Err != nil {
		return
	}
	gauge("scrape_duration_seconds", read.Took.Seconds())
	gauge("scrape_pages", float64(read.Pages))
	for _, status := range syncjob.Statuses() {
		gauge("jobs", float64(read.Summary.Jobs[status]), status.String())
	}
}

func (*constMetrics) collectScope(gauge func(string, float64, ...string), read *scrape.ListRead, s *syncjob.Scope, now time.Time) {
	timestamp := func(name string, t time.Time) {
		if !t.IsZero() {
			gauge(name, float64(t.UnixMicro())/1e6, s.Name)
		}
	}
	age := func(name string, since time.Time) {
		if !since.IsZero() {
			gauge(name, max(0, now.Sub(since).Seconds()), s.Name)
		}
	}
	for _, status := range syncjob.Statuses() {
		gauge("scope_jobs", float64(s.Jobs[status]), s.Name, status.String())
		gauge("scope_status", truth(s.Newest.Status == status), s.Name, status.String())
	}
	timestamp("scope_last_job_timestamp_seconds", s.Newest.CreatedAt)
	age("scope_job_age_seconds", s.Newest.CreatedAt)
	if s.Jobs[syncjob.InProgress] == 0 {
		gauge("scope_in_progress_age_seconds", 0, s.Name)
	} else {
		age("scope_in_progress_age_seconds", s.OldestInProgress)
	}
	if s.Last != nil {
		for _, result := range syncjob.Results() {
			gauge("scope_last_result", truth(s.Last.Status == result), s.Name, result.String())
		}
		timestamp("scope_last_completion_timestamp_seconds", s.Last.FinishedAt)
		if took, ok := s.Last.Duration(); ok {
			gauge("scope_last_duration_seconds", took.Seconds(), s.Name)
		}
	}
	timestamp("scope_last_success_timestamp_seconds", s.LastSuccess)
	timestamp("scope_last_failure_timestamp_seconds", s.LastFailure)
	id := read.List.Identify(s.Name)
	gauge("scope_info", 1, s.Name, read.List.Kind, id.Name, id.Project, id.Location, id.Subscription)
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// manyScopes returns a list of key rings that completed, and failed at some time before.
func manyScopes(n int) *scrape.Snapshot {
	const between = 12345678 * time.Microsecond
	now := time.Now()
	summary := &syncjob.Summary{Jobs: [syncjob.NumStatuses]int{syncjob.Completed: 120 * n, syncjob.Failed: 3 * n}}
	for i := range n {
		created := now.Add(time.Duration(-i) * between)
		summary.Scopes = append(summary.Scopes, syncjob.Scope{
			Name:        fmt.Sprintf("projects/acme-prod/locations/global/keyRings/ring-%05d", i),
			Jobs:        [syncjob.NumStatuses]int{syncjob.Completed: 120, syncjob.Failed: 3},
			Newest:      syncjob.ScopeJob{ID: "1", Status: syncjob.Completed, CreatedAt: created},
			Last:        &syncjob.ScopeJob{ID: "1", Status: syncjob.Completed, CreatedAt: created, FinishedAt: created.Add(between)},
			LastSuccess: created.Add(between),
			LastFailure: created.Add(-between),
		})
	}
	return &scrape.Snapshot{Lists: []scrape.ListRead{{List: syncjob.Lists()[0], Summary: summary, Took: time.Second, Pages: 3}}}
}
