package collector

import (
	"runtime/debug"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

// descs are the metrics of a list and of its key rings or vaults, by their
// names and labels as dashboards and alerts know them. HELP says when a value
// is absent.
type descs struct {
	up             *prometheus.Desc
	scrapeError    *prometheus.Desc
	scrapeDuration *prometheus.Desc
	scrapePages    *prometheus.Desc
	jobs           *prometheus.Desc

	scopeJobs           *prometheus.Desc
	scopeStatus         *prometheus.Desc
	scopeLastResult     *prometheus.Desc
	scopeLastJob        *prometheus.Desc
	scopeJobAge         *prometheus.Desc
	scopeInProgressAge  *prometheus.Desc
	scopeLastCompletion *prometheus.Desc
	scopeLastSuccess    *prometheus.Desc
	scopeLastFailure    *prometheus.Desc
	scopeLastDuration   *prometheus.Desc
	scopeInfo           *prometheus.Desc
}

func newDescs() *descs {
	list := []string{"cloud", "item"}
	listStatus := []string{"cloud", "item", "status"}
	listReason := []string{"cloud", "item", "reason"}
	scope := []string{"cloud", "item", "scope"}
	scopeStatus := []string{"cloud", "item", "scope", "status"}
	scopeResult := []string{"cloud", "item", "scope", "result"}
	scopeInfo := []string{"cloud", "item", "scope", "kind", "name", "project", "location", "subscription"}

	return &descs{
		up: prometheus.NewDesc("cckm_sync_up",
			"Whether the whole list of synchronization jobs was read in this scrape (1) or not (0). "+
				"Where it is 0, no other series of the list is written but cckm_sync_scrape_error.", list, nil),
		scrapeError: prometheus.NewDesc("cckm_sync_scrape_error",
			"Why the list could not be read: 1 for the reason of a failed read, else 0.", listReason, nil),
		scrapeDuration: prometheus.NewDesc("cckm_sync_scrape_duration_seconds",
			"How long the read of the list took.", list, nil),
		scrapePages: prometheus.NewDesc("cckm_sync_scrape_pages",
			"How many pages the read of the list asked for.", list, nil),
		jobs: prometheus.NewDesc("cckm_sync_jobs",
			"Synchronization jobs in the list by the job's own status, each counted once.", listStatus, nil),

		scopeJobs: prometheus.NewDesc("cckm_sync_scope_jobs",
			"Synchronization jobs that cover the key ring or vault, by its own status in the job.", scopeStatus, nil),
		scopeStatus: prometheus.NewDesc("cckm_sync_scope_status",
			"Status of the key ring or vault in its newest job: 1 for the status that it has, else 0.", scopeStatus, nil),
		scopeLastResult: prometheus.NewDesc("cckm_sync_scope_last_result",
			"How the key ring or vault fared in its newest finished job: 1 for the result, else 0. "+
				"Absent until a job has finished.", scopeResult, nil),
		scopeLastJob: prometheus.NewDesc("cckm_sync_scope_last_job_timestamp_seconds",
			"When the newest job of the key ring or vault was created, in seconds since the epoch. "+
				"Absent where the appliance gives no readable time.", scope, nil),
		scopeJobAge: prometheus.NewDesc("cckm_sync_scope_job_age_seconds",
			"Seconds since the newest job of the key ring or vault was created. "+
				"Absent where the appliance gives no readable time.", scope, nil),
		scopeInProgressAge: prometheus.NewDesc("cckm_sync_scope_in_progress_age_seconds",
			"Seconds since the oldest job that is still in progress for the key ring or vault was created, "+
				"0 when there is none. Absent where the appliance gives no readable time.", scope, nil),
		scopeLastCompletion: prometheus.NewDesc("cckm_sync_scope_last_completion_timestamp_seconds",
			"When the newest finished job of the key ring or vault finished, however it ended, in seconds since the epoch. "+
				"Absent until a job has finished.", scope, nil),
		scopeLastSuccess: prometheus.NewDesc("cckm_sync_scope_last_success_timestamp_seconds",
			"When the last job finished in which the key ring or vault completed, in seconds since the epoch. "+
				"Absent until there is one.", scope, nil),
		scopeLastFailure: prometheus.NewDesc("cckm_sync_scope_last_failure_timestamp_seconds",
			"When the last job finished in which the key ring or vault failed, in seconds since the epoch. "+
				"Absent until there is one.", scope, nil),
		scopeLastDuration: prometheus.NewDesc("cckm_sync_scope_last_duration_seconds",
			"How long the newest finished job of the key ring or vault took. Absent until a job has finished.", scope, nil),
		scopeInfo: prometheus.NewDesc("cckm_sync_scope_info",
			"Parts of the identifier of the key ring or vault, always 1.", scopeInfo, nil),
	}
}

func (d *descs) all() []*prometheus.Desc {
	return []*prometheus.Desc{
		d.up, d.scrapeError, d.scrapeDuration, d.scrapePages, d.jobs,
		d.scopeJobs, d.scopeStatus, d.scopeLastResult, d.scopeLastJob, d.scopeJobAge, d.scopeInProgressAge,
		d.scopeLastCompletion, d.scopeLastSuccess, d.scopeLastFailure, d.scopeLastDuration, d.scopeInfo,
	}
}

// Exposition says how a snapshot is written.
type Exposition struct {
	// ForgetScopesAfter leaves a scope out whose newest job is older; 0 keeps
	// every scope.
	ForgetScopesAfter time.Duration
	// Logger gets what would otherwise be a stack trace for the scraper.
	Logger log.Logger
}

// Of returns a Prometheus collector that writes the snapshot. Ages are worked
// out at each collection.
func (e Exposition) Of(snapshot *Snapshot) prometheus.Collector {
	c := &snapshotCollector{Exposition: e, snapshot: snapshot, descs: newDescs()}
	if c.Logger == nil {
		c.Logger = log.NewNopLogger()
	}
	return c
}

type snapshotCollector struct {
	Exposition

	snapshot *Snapshot
	descs    *descs
}

// Describe implements prometheus.Collector.
func (c *snapshotCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range c.descs.all() {
		ch <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *snapshotCollector) Collect(ch chan<- prometheus.Metric) {
	now := time.Now()
	for i := range c.snapshot.Lists {
		for _, metric := range c.list(&c.snapshot.Lists[i], now) {
			ch <- metric
		}
	}
}

// list returns the metrics of one list: all of them, or those of a failed read
// where a mistake of ours keeps them from being made.
func (c *snapshotCollector) list(read *ListRead, now time.Time) (metrics []prometheus.Metric) {
	defer func() {
		if p := recover(); p != nil {
			level.Error(c.Logger).Log("during", "exposition", "list", read.List.Name, "panic", p, "stack", string(debug.Stack()))
			w := listWriter{descs: c.descs, list: &read.List}
			w.failure(internalError(read.List, p))
			metrics = w.metrics
		}
	}()
	w := listWriter{descs: c.descs, list: &read.List, now: now}
	if read.Err != nil {
		w.failure(read.Err)
		return w.metrics
	}
	w.success(read)
	for i := range read.Summary.Scopes {
		scope := &read.Summary.Scopes[i]
		if !c.forgotten(scope, now) {
			w.scope(scope)
		}
	}
	return w.metrics
}

// forgotten says whether a scope is left out because its newest job is too old.
func (c *snapshotCollector) forgotten(scope *syncjob.Scope, now time.Time) bool {
	newest := scope.Newest.CreatedAt
	return c.ForgetScopesAfter > 0 && !newest.IsZero() && now.Sub(newest) > c.ForgetScopesAfter
}

// listWriter makes the metrics of one list.
type listWriter struct {
	descs   *descs
	list    *syncjob.List
	now     time.Time
	metrics []prometheus.Metric
}

// gauge adds a value with the list's labels and the given ones behind them.
func (w *listWriter) gauge(desc *prometheus.Desc, value float64, labels ...string) {
	labels = append([]string{w.list.Cloud, w.list.Item}, labels...)
	w.metrics = append(w.metrics, prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...))
}

// timestamp adds a time, unless it is missing.
func (w *listWriter) timestamp(desc *prometheus.Desc, t time.Time, labels ...string) {
	if !t.IsZero() {
		// The API's times have six fraction digits, which a float64 keeps.
		w.gauge(desc, float64(t.UnixMicro())/1e6, labels...)
	}
}

// age adds the seconds since a time, unless it is missing. A time that lies
// ahead, by an appliance's clock, has the age 0.
func (w *listWriter) age(desc *prometheus.Desc, since time.Time, labels ...string) {
	if !since.IsZero() {
		w.gauge(desc, max(0, w.now.Sub(since).Seconds()), labels...)
	}
}

// failure writes all that there is of a list that was not read whole.
func (w *listWriter) failure(err error) {
	w.gauge(w.descs.up, 0)
	w.reasons(reason.Of(err))
}

func (w *listWriter) reasons(present reason.Reason) {
	for _, r := range reason.All() {
		w.gauge(w.descs.scrapeError, oneIf(r == present), string(r))
	}
}

// success writes what there is of a list that was read whole, but its scopes.
func (w *listWriter) success(read *ListRead) {
	w.gauge(w.descs.up, 1)
	w.reasons("")
	w.gauge(w.descs.scrapeDuration, read.Took.Seconds())
	w.gauge(w.descs.scrapePages, float64(read.Pages))
	for _, status := range syncjob.Statuses() {
		w.gauge(w.descs.jobs, float64(read.Summary.Jobs[status]), status.String())
	}
}

// scope writes what there is of one key ring or vault.
func (w *listWriter) scope(s *syncjob.Scope) {
	for _, status := range syncjob.Statuses() {
		w.gauge(w.descs.scopeJobs, float64(s.Jobs[status]), s.Name, status.String())
		w.gauge(w.descs.scopeStatus, oneIf(s.Newest.Status == status), s.Name, status.String())
	}
	w.timestamp(w.descs.scopeLastJob, s.Newest.CreatedAt, s.Name)
	w.age(w.descs.scopeJobAge, s.Newest.CreatedAt, s.Name)
	if s.Jobs[syncjob.InProgress] == 0 {
		w.gauge(w.descs.scopeInProgressAge, 0, s.Name)
	} else {
		w.age(w.descs.scopeInProgressAge, s.OldestInProgress, s.Name)
	}
	if s.Last != nil {
		for _, result := range syncjob.Results() {
			w.gauge(w.descs.scopeLastResult, oneIf(s.Last.Result == result), s.Name, result.String())
		}
		w.timestamp(w.descs.scopeLastCompletion, s.Last.FinishedAt, s.Name)
		if took, ok := s.Last.Duration(); ok {
			w.gauge(w.descs.scopeLastDuration, took.Seconds(), s.Name)
		}
	}
	w.timestamp(w.descs.scopeLastSuccess, s.LastSuccess, s.Name)
	w.timestamp(w.descs.scopeLastFailure, s.LastFailure, s.Name)
	id := w.list.Identify(s.Name)
	w.gauge(w.descs.scopeInfo, 1, s.Name, w.list.Kind, id.Name, id.Project, id.Location, id.Subscription)
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
