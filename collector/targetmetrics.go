package collector

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// Telemetry are the metrics about the requests and reads of one target. It implements
// scrape.Observer and prometheus.Collector.
type Telemetry struct {
	requests        *prometheus.CounterVec
	requestDuration prometheus.Histogram
	logins          *prometheus.CounterVec
	listReads       *prometheus.CounterVec
	historyDrift    *prometheus.CounterVec
}

// NewTelemetry returns the metrics of a new target.
func NewTelemetry() *Telemetry {
	t := &Telemetry{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cckm_sync_exporter_api_requests_total",
			Help: "Requests to the appliance's API by path below /api/v1/ and status code; the code is \"error\" if there was no response.",
		}, []string{"endpoint", "code"}),
		requestDuration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:                            "cckm_sync_exporter_api_request_duration_seconds",
			Help:                            "Time until the header of a response of the appliance's API arrived.",
			Buckets:                         []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}),
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cckm_sync_exporter_logins_total",
			Help: "Logins to the appliance by grant type and result: success, rejected (the credentials were refused) or error.",
		}, []string{"grant", "result"}),
		listReads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cckm_sync_exporter_list_reads_total",
			Help: "Completed reads of a list by kind: full (every page) or incremental (the pages that can have changed, " +
				"with a proof that nothing else did).",
		}, []string{"cloud", "item", "kind"}),
		historyDrift: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cckm_sync_exporter_history_drift_total",
			Help: "Full reads of the list that differed from the cache, which they then replaced.",
		}, []string{"cloud", "item"}),
	}
	for _, grant := range ciphertrust.Grants() {
		for _, result := range ciphertrust.LoginResults() {
			t.logins.WithLabelValues(grant, result)
		}
	}
	return t
}

// Request counts a request; see ciphertrust.Config.
func (t *Telemetry) Request(endpoint string, code int, took time.Duration) {
	label := "error"
	if code != 0 {
		label = strconv.Itoa(code)
	}
	t.requests.WithLabelValues(endpoint, label).Inc()
	t.requestDuration.Observe(took.Seconds())
}

// Login counts a login; see ciphertrust.Config.
func (t *Telemetry) Login(grant, result string) {
	t.logins.WithLabelValues(grant, result).Inc()
}

// Announce creates the counters of a list, so that rate() sees their first increase.
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

// NewTokenExpiry returns the metric of a client's token; expiry reports false if there is none.
func NewTokenExpiry(expiry func() (time.Time, bool)) prometheus.Collector {
	return newOptionalTime("cckm_sync_exporter_token_expiry_timestamp_seconds",
		"Time when the current token for the appliance expires. Absent if there is none.", expiry)
}

// NewCertificateExpiries returns the metrics of the certificates of an appliance and of a client. Each
// function reports false if the expiry is unknown.
func NewCertificateExpiries(appliance, client func() (time.Time, bool)) (expiries [2]prometheus.Collector) {
	for i, metric := range []struct {
		expiry     func() (time.Time, bool)
		name, help string
	}{
		{
			appliance, "cckm_sync_exporter_appliance_certificate_expiry_timestamp_seconds",
			"Earliest expiry (notAfter) in the certificate chain that the appliance presented last. " +
				"Absent before the first connection, and without TLS.",
		},
		{
			client, "cckm_sync_exporter_client_certificate_expiry_timestamp_seconds",
			"Earliest expiry (notAfter) in the client certificate's file, which is read again at every login. " +
				"Absent without a client certificate.",
		},
	} {
		expiries[i] = newOptionalTime(metric.name, metric.help, metric.expiry)
	}
	return expiries
}

// NewLoginRetry returns the metric of a client's rejected login; retry reports false if the last login
// was not rejected.
func NewLoginRetry(retry func() (time.Time, bool)) prometheus.Collector {
	return newOptionalTime("cckm_sync_exporter_login_retry_timestamp_seconds",
		"Time when a rejected login to the appliance is retried. Absent if the last login was not rejected.", retry)
}

// NewClockOffset returns the metric of the appliance's clock; offset reports false before the first
// response.
func NewClockOffset(offset func() (time.Duration, bool)) prometheus.Collector {
	return newOptionalGauge("cckm_sync_exporter_appliance_clock_offset_seconds",
		"Seconds by which the appliance's clock is ahead of the exporter's (negative: behind), from the Date header of the last "+
			"response, accurate to a second. Ages use the appliance's clock if it is more than 5. Absent before the first response.",
		func() (float64, bool) {
			d, ok := offset()
			return d.Seconds(), ok
		})
}

// optionalGauge is a gauge that is absent if value reports false.
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

// NewFullReadProgress returns the metric of the progress of full reads. Only lists with a full read in
// progress have a series.
func NewFullReadProgress(latest func() []scrape.Latest) prometheus.Collector {
	return &fullReadProgress{
		latest: latest,
		desc: prometheus.NewDesc("cckm_sync_exporter_full_read_progress_ratio",
			"Share of the list that the full read in progress has read, from 0 to 1. Absent if none is in progress.",
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
