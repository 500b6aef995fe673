package collector

import "github.com/prometheus/client_golang/prometheus"

// Reloads holds the metrics about loading the configuration. It is a
// prometheus.Collector.
type Reloads struct {
	successful, at prometheus.Gauge
}

// NewReloads returns the metrics about loading the configuration. Starting counts
// as the first load, which has succeeded.
func NewReloads() *Reloads {
	r := &Reloads{
		successful: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "cckm_sync_exporter_config_last_reload_successful",
			Help: "Whether the last load of the configuration succeeded.",
		}),
		at: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "cckm_sync_exporter_config_last_reload_success_timestamp_seconds",
			Help: "When the configuration was last loaded with success, in seconds since the epoch.",
		}),
	}
	r.Note(nil)
	return r
}

// Note takes down how a load ended.
func (r *Reloads) Note(err error) {
	r.successful.Set(oneIf(err == nil))
	if err == nil {
		r.at.SetToCurrentTime()
	}
}

// Describe implements prometheus.Collector.
func (r *Reloads) Describe(ch chan<- *prometheus.Desc) {
	r.successful.Describe(ch)
	r.at.Describe(ch)
}

// Collect implements prometheus.Collector.
func (r *Reloads) Collect(ch chan<- prometheus.Metric) {
	r.successful.Collect(ch)
	r.at.Collect(ch)
}
