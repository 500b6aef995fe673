package web

import (
	"net/http"

	"github.com/prometheus/common/version"

	"cckm_sync_exporter/collector/targets"
	"cckm_sync_exporter/collector/web/statuspage"
)

// statusTargets returns the configured targets for the status page.
func statusTargets(set *targets.Set) []statuspage.Target {
	all := set.All()
	shown := make([]statuspage.Target, 0, len(all))
	for _, t := range all {
		shown = append(shown, statuspage.Target{
			Name:              t.Config.Name,
			URL:               t.Client().URL(),
			Domain:            t.Config.Credentials.Domain,
			Labels:            t.Config.Labels,
			Lists:             t.Latest(),
			Sources:           t.Sources(),
			ForgetScopesAfter: t.Config.ForgetScopesAfter,
			Redact:            t.Client().Redact,
			ClockOffset:       t.Client().ClockCorrection(),
			Hint:              t.Hint,
		})
	}
	return shown
}

// newStatusPage returns the page that shows the outcome of the last reads.
func newStatusPage(cfg Config) (http.Handler, error) {
	external := ""
	if cfg.ExternalURL != nil {
		external = cfg.ExternalURL.String()
	}
	return statuspage.New(statuspage.Config{
		ExternalURL: external, Version: version.Version,
		Targets:       func() []statuspage.Target { return statusTargets(cfg.Targets) },
		TelemetryPath: cfg.TelemetryPath, ProbePath: PathProbe, DiscoveryPath: PathDiscovery,
	})
}
