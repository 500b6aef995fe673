package web

import (
	"net/http"

	"github.com/prometheus/common/version"

	"cckm_sync_exporter/collector/web/statuspage"
)

// statusSource shows the configured targets on the status page.
type statusSource struct{ targets Targets }

// Targets implements statuspage.Source.
func (s statusSource) Targets() []statuspage.Target {
	targets := s.targets.All()
	shown := make([]statuspage.Target, 0, len(targets))
	for _, t := range targets {
		shown = append(shown, statuspage.Target{
			Name:              t.Config.Name,
			URL:               t.Client().URL(),
			Domain:            t.Config.Credentials.Domain,
			Labels:            t.Config.Labels,
			Lists:             t.Latest(),
			ForgetScopesAfter: t.Config.ForgetScopesAfter,
			Redact:            t.Client().Redact,
			ClockOffset:       t.Client().ClockCorrection(),
			Hint:              t.Hint,
		})
	}
	return shown
}

// newStatusPage returns the page that shows what the last reads said.
func newStatusPage(cfg Config) (http.Handler, error) {
	return statuspage.New(statuspage.Config{
		Source: statusSource{cfg.Targets}, Version: version.Version,
		TelemetryPath: cfg.TelemetryPath, ProbePath: PathProbe, DiscoveryPath: PathDiscovery,
	})
}
