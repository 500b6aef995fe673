package collector

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

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
