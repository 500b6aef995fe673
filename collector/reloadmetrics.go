package collector

import "github.com/prometheus/client_golang/prometheus"

// Reloads are the metrics about loading the configuration. It implements prometheus.Collector.
type Reloads struct {
	successful, at prometheus.Gauge
}

// NewReloads returns the metrics after a first load that succeeded.
func NewReloads() *Reloads {
	r := &Reloads{
		successful: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "cckm_sync_exporter_config_last_reload_successful",
			Help: "Whether the last load of the configuration succeeded.",
		}),
		at: prometheus.NewGauge(prometheus.GaugeOpts{
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
