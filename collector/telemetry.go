package collector

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// Telemetry holds the exporter's own metrics about how it reads one target. It is
// the ciphertrust.Observer of the target's client, the scrape.Observer of the reads of its
// readers, and a prometheus.Collector.
type Telemetry struct {
	requests        *prometheus.CounterVec
	requestDuration prometheus.Histogram
	logins          *prometheus.CounterVec
	listReads       *prometheus.CounterVec
	historyDrift    *prometheus.CounterVec
}

// NewTelemetry returns the exporter's own metrics about how it reads one target.
func NewTelemetry() *Telemetry {
	t := &Telemetry{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cckm_sync_exporter_api_requests_total",
			Help: "Requests to the appliance's API by the path below /api/v1/ and the status code, " +
				"which is \"error\" where no answer came.",
		}, []string{"endpoint", "code"}),
		requestDuration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:                            "cckm_sync_exporter_api_request_duration_seconds",
			Help:                            "Time until the header of an answer of the appliance's API came.",
			Buckets:                         []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}),
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cckm_sync_exporter_logins_total",
			Help: "Logins to the appliance by grant and result: success, rejected (the credentials were refused) or error.",
		}, []string{"grant", "result"}),
		listReads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cckm_sync_exporter_list_reads_total",
			Help: "Reads of a list by how it was read: full (every page) or incremental (what may have changed, " +
				"with a proof that nothing else has). Reads that failed are not counted.",
		}, []string{"cloud", "item", "kind"}),
		historyDrift: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cckm_sync_exporter_history_drift_total",
			Help: "How often a full read of the list differed from the cache, which it then replaced.",
		}, []string{"cloud", "item"}),
	}
	for _, grant := range ciphertrust.Grants() {
		for _, result := range ciphertrust.LoginResults() {
			t.logins.WithLabelValues(grant, result)
		}
	}
	return t
}

// Request implements ciphertrust.Observer.
func (t *Telemetry) Request(endpoint string, code int, took time.Duration) {
	label := "error"
	if code != 0 {
		label = strconv.Itoa(code)
	}
	t.requests.WithLabelValues(endpoint, label).Inc()
	t.requestDuration.Observe(took.Seconds())
}

// Login implements ciphertrust.Observer.
func (t *Telemetry) Login(grant, result string) {
	t.logins.WithLabelValues(grant, result).Inc()
}

// Announce writes the counters of a list before it is read, so that their first
// increase shows.
func (t *Telemetry) Announce(list syncjob.List) {
	for _, kind := range scrape.Kinds() {
		t.listReads.WithLabelValues(list.Cloud, list.Item, kind)
	}
	t.historyDrift.WithLabelValues(list.Cloud, list.Item)
}

// ListRead implements scrape.Observer.
func (t *Telemetry) ListRead(list syncjob.List, kind string) {
	t.listReads.WithLabelValues(list.Cloud, list.Item, kind).Inc()
}

// HistoryDrift implements scrape.Observer.
func (t *Telemetry) HistoryDrift(list syncjob.List) {
	t.historyDrift.WithLabelValues(list.Cloud, list.Item).Inc()
}

func (t *Telemetry) collectors() []prometheus.Collector {
	return []prometheus.Collector{t.requests, t.requestDuration, t.logins, t.listReads, t.historyDrift}
}

// Describe implements prometheus.Collector.
func (t *Telemetry) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range t.collectors() {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (t *Telemetry) Collect(ch chan<- prometheus.Metric) {
	for _, c := range t.collectors() {
		c.Collect(ch)
	}
}

// NewTokenExpiry returns the metric of a client's token, which is absent while
// there is no token.
func NewTokenExpiry(expiry func() (time.Time, bool)) prometheus.Collector {
	return newOptionalTime("cckm_sync_exporter_token_expiry_timestamp_seconds",
		"When the present token for the appliance expires, in seconds since the epoch. Absent while there is none.", expiry)
}

// NewCertificateExpiries returns the metrics of the certificates of an appliance and
// of a client, each of which is absent while its expiry is unknown.
func NewCertificateExpiries(appliance, client func() (time.Time, bool)) (expiries [2]prometheus.Collector) {
	for i, metric := range []struct {
		expiry     func() (time.Time, bool)
		name, help string
	}{
		{
			appliance, "cckm_sync_exporter_appliance_certificate_expiry_timestamp_seconds",
			"Earliest expiry (notAfter) in the certificate chain that the appliance presented last, in seconds since the epoch. " +
				"Absent before the first connection, and without TLS.",
		},
		{
			client, "cckm_sync_exporter_client_certificate_expiry_timestamp_seconds",
			"Earliest expiry (notAfter) in the client certificate's file, read again at every login, in seconds since the epoch. " +
				"Absent without a client certificate.",
		},
	} {
		expiries[i] = newOptionalTime(metric.name, metric.help, metric.expiry)
	}
	return expiries
}

// NewLoginRetry returns the metric of a client's rejected login, which is absent if
// none was rejected.
func NewLoginRetry(retry func() (time.Time, bool)) prometheus.Collector {
	return newOptionalTime("cckm_sync_exporter_login_retry_timestamp_seconds",
		"When a rejected login to the appliance is retried, in seconds since the epoch. Absent if the last login was not rejected.", retry)
}

// NewClockOffset returns the metric of the appliance's clock, which is absent while its offset is
// unknown.
func NewClockOffset(offset func() (time.Duration, bool)) prometheus.Collector {
	return newOptionalGauge("cckm_sync_exporter_appliance_clock_offset_seconds",
		"By how much the appliance's clock is ahead of the exporter's (negative: behind), from the header Date of the last response, "+
			"to within a second. Ages use the appliance's clock if it is more than 5. Absent before the first response.",
		func() (float64, bool) {
			d, ok := offset()
			return d.Seconds(), ok
		})
}

// optionalGauge is a gauge that is absent while it has no value.
type optionalGauge struct {
	value func() (float64, bool)
	desc  *prometheus.Desc
}

func newOptionalGauge(name, help string, value func() (float64, bool)) *optionalGauge {
	return &optionalGauge{value: value, desc: prometheus.NewDesc(name, help, nil, nil)}
}

func newOptionalTime(name, help string, at func() (time.Time, bool)) *optionalGauge {
	return newOptionalGauge(name, help, func() (float64, bool) {
		t, ok := at()
		return float64(t.UnixMicro()) / 1e6, ok
	})
}

// Describe implements prometheus.Collector.
func (g *optionalGauge) Describe(ch chan<- *prometheus.Desc) { ch <- g.desc }

// Collect implements prometheus.Collector.
func (g *optionalGauge) Collect(ch chan<- prometheus.Metric) {
	if value, ok := g.value(); ok {
		ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, value)
	}
}

// NewFullReadProgress returns the metric of how far full reads are. It has a series only for
// lists for which one is in progress.
func NewFullReadProgress(latest func() []scrape.Latest) prometheus.Collector {
	return &fullReadProgress{
		latest: latest,
		desc: prometheus.NewDesc("cckm_sync_exporter_full_read_progress_ratio",
			"How much of the list the full read in progress has read, from 0 to 1. Absent if none is in progress.",
			[]string{"cloud", "item"}, nil),
	}
}

type fullReadProgress struct {
	latest func() []scrape.Latest
	desc   *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (p *fullReadProgress) Describe(ch chan<- *prometheus.Desc) { ch <- p.desc }

// Collect implements prometheus.Collector.
func (p *fullReadProgress) Collect(ch chan<- prometheus.Metric) {
	for _, list := range p.latest() {
		if list.FullRead != nil {
			ch <- prometheus.MustNewConstMetric(p.desc, prometheus.GaugeValue, list.FullRead.Ratio(), list.List.Cloud, list.List.Item)
		}
	}
}
