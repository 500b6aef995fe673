package collector

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// Telemetry are the metrics about the requests and reads of one target. It implements scrape.Observer.
type Telemetry struct {
	requests        *prometheus.CounterVec
	requestDuration prometheus.Histogram
	logins          *prometheus.CounterVec
	listReads       *prometheus.CounterVec
	historyDrift    *prometheus.CounterVec
}

// NewTelemetry registers the metrics of a new target.
func NewTelemetry(registerer prometheus.Registerer) *Telemetry {
	register := promauto.With(registerer)
	t := &Telemetry{
		requests: register.NewCounterVec(prometheus.CounterOpts{
			Name: "cckm_sync_exporter_api_requests_total",
			Help: "Requests to the appliance's API by path below /api/v1/ and status code; the code is \"error\" if there was no response.",
		}, []string{"endpoint", "code"}),
		requestDuration: register.NewHistogram(prometheus.HistogramOpts{
			Name:                            "cckm_sync_exporter_api_request_duration_seconds",
			Help:                            "Time until the header of a response of the appliance's API arrived.",
			Buckets:                         []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}),
		logins: register.NewCounterVec(prometheus.CounterOpts{
			Name: "cckm_sync_exporter_logins_total",
			Help: "Logins to the appliance by grant type and result: success, rejected (the credentials were refused) or error.",
		}, []string{"grant", "result"}),
		listReads: register.NewCounterVec(prometheus.CounterOpts{
			Name: "cckm_sync_exporter_list_reads_total",
			Help: "Completed reads of a list by kind: full (every page) or incremental (the pages that can have changed, " +
				"with a proof that nothing else did).",
		}, []string{"cloud", "item", "kind"}),
		historyDrift: register.NewCounterVec(prometheus.CounterOpts{
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

// RegisterClientMetrics registers the metrics of a client's token, certificates and clock. Each is absent
// if the client does not know the value.
func RegisterClientMetrics(registerer prometheus.Registerer, client *ciphertrust.Client) {
	for _, metric := range []struct {
		name string
		at   func() (time.Time, bool)
		help string
	}{
		{
			"cckm_sync_exporter_token_expiry_timestamp_seconds", client.TokenExpiry,
			"Time when the current token for the appliance expires. Absent if there is none.",
		},
		{
			"cckm_sync_exporter_login_retry_timestamp_seconds", client.LoginRetry,
			"Time when a rejected login to the appliance is retried. Absent if the last login was not rejected.",
		},
		{
			"cckm_sync_exporter_appliance_certificate_expiry_timestamp_seconds", client.ApplianceCertificateExpiry,
			"Earliest expiry (notAfter) in the certificate chain that the appliance presented last. " +
				"Absent before the first connection, and without TLS.",
		},
		{
			"cckm_sync_exporter_client_certificate_expiry_timestamp_seconds", client.ClientCertificateExpiry,
			"Earliest expiry (notAfter) in the client certificate's file, which is read again at every login. " +
				"Absent without a client certificate.",
		},
	} {
		registerer.MustRegister(&gaugeFunc{prometheus.NewDesc(metric.name, metric.help, nil, nil), func(emit func(float64, ...string)) {
			if at, ok := metric.at(); ok {
				emit(float64(at.UnixMicro()) / 1e6)
			}
		}})
	}
	registerer.MustRegister(&gaugeFunc{prometheus.NewDesc("cckm_sync_exporter_appliance_clock_offset_seconds",
		"Seconds by which the appliance's clock is ahead of the exporter's (negative: behind), from the Date header of the last "+
			"response, accurate to a second. Ages use the appliance's clock if it is more than 5. Absent before the first response.",
		nil, nil), func(emit func(float64, ...string)) {
		if offset, ok := client.ClockOffset(); ok {
			emit(offset.Seconds())
		}
	}})
}

// NewFullReadProgress returns the metric of the progress of full reads. Only lists with a full read in
// progress have a series.
func NewFullReadProgress(latest func() []scrape.Latest) prometheus.Collector {
	return &gaugeFunc{
		prometheus.NewDesc("cckm_sync_exporter_full_read_progress_ratio",
			"Share of the list that the full read in progress has read, from 0 to 1. Absent if none is in progress.",
			[]string{"cloud", "item"}, nil),
		func(emit func(float64, ...string)) {
			for _, list := range latest() {
				if list.FullRead != nil {
					emit(list.FullRead.Ratio(), list.List.Cloud, list.List.Item)
				}
			}
		},
	}
}

// gaugeFunc is a gauge with the series that each emits when it is gathered.
type gaugeFunc struct {
	desc *prometheus.Desc
	each func(emit func(value float64, labels ...string))
}

// Describe implements prometheus.Collector.
func (g *gaugeFunc) Describe(ch chan<- *prometheus.Desc) { ch <- g.desc }

// Collect implements prometheus.Collector.
func (g *gaugeFunc) Collect(ch chan<- prometheus.Metric) {
	g.each(func(value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, value, labels...)
	})
}

// Reloads are the metrics about loading the configuration.
type Reloads struct {
	successful, at prometheus.Gauge
}

// NewReloads registers the metrics after a first load that succeeded.
func NewReloads(registerer prometheus.Registerer) *Reloads {
	register := promauto.With(registerer)
	r := &Reloads{
		successful: register.NewGauge(prometheus.GaugeOpts{
			Name: "cckm_sync_exporter_config_last_reload_successful",
			Help: "Whether the last load of the configuration succeeded.",
		}),
		at: register.NewGauge(prometheus.GaugeOpts{
			Name: "cckm_sync_exporter_config_last_reload_success_timestamp_seconds",
			Help: "Time of the last successful load of the configuration.",
		}),
	}
	r.Loaded(nil)
	return r
}

// Loaded records a load and its error, if any.
func (r *Reloads) Loaded(err error) {
	r.successful.Set(oneIf(err == nil))
	if err == nil {
		r.at.SetToCurrentTime()
	}
}
