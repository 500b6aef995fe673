// Package web serves the exporter's HTTP interface: the metrics, the probes of
// single targets and their discovery, a status page, and what looks after the
// process.
package web

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"cckm_sync_exporter/collector"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/targets"
)

// The paths of several targets.
const (
	// PathProbe reads the target that the query names.
	PathProbe = "/probe"
	// PathDiscovery lists the targets for Prometheus.
	PathDiscovery = "/sd"
)

// Reader reads the lists of an appliance. collector.Collector is one.
type Reader interface {
	// Read returns what the lists hold, at the latest when ctx ends.
	Read(ctx context.Context) *scrape.Snapshot
}

// Targets are the appliances and domains that are configured. targets.Set is one.
type Targets interface {
	// All returns them in the order of the configuration.
	All() []*targets.Target
	// Use returns one by its name, which lasts until done is called.
	Use(name string) (t *targets.Target, done func(), ok bool)
}

// Config configures a handler.
type Config struct {
	// Targets can be probed by name and are discovered by Prometheus.
	Targets Targets
	// Reader is read at every scrape of the metrics; nil means that the metrics are
	// those about the exporter itself.
	Reader Reader
	// Exposition says how what was read is written.
	Exposition *collector.Exposition
	// Telemetry gathers the metrics about the exporter itself.
	Telemetry prometheus.Gatherer
	// Instrument gets promhttp's metrics about the scrapes themselves; nil means
	// none.
	Instrument prometheus.Registerer
	// TelemetryPath is where the metrics are.
	TelemetryPath string
	// MaxRequests bounds the scrapes that are served at once of the metrics and of
	// each target; 0 means no bound.
	MaxRequests int
	// Timeout is the longest scrape; Prometheus' own timeout, less
	// TimeoutOffset, wins where it is shorter.
	Timeout, TimeoutOffset time.Duration
	// Reload loads the configuration anew, and says in a sentence what was done.
	Reload func() (done string, err error)
	// Logger gets what no scraper is told.
	Logger log.Logger
}

// NewHandler returns the handler of every path.
func NewHandler(cfg Config) (http.Handler, error) {
	mux := http.NewServeMux()
	var scrape http.Handler = &scrapeHandler{
		limits: newLimits(cfg.MaxRequests),
		scraped: scraped{
			reader: cfg.Reader, exposition: cfg.Exposition, longest: cfg.Timeout, offset: cfg.TimeoutOffset,
			telemetry: cfg.Telemetry, logger: cfg.Logger,
		},
	}
	if cfg.Instrument != nil {
		scrape = promhttp.InstrumentMetricHandler(cfg.Instrument, scrape)
	}
	mux.Handle(cfg.TelemetryPath, scrape)
	mux.HandleFunc("/-/healthy", alive("The exporter is healthy.\n"))
	mux.HandleFunc("/-/ready", alive("The exporter is ready.\n"))
	mux.HandleFunc("/-/reload", reload(cfg.Reload))
	mux.Handle(PathProbe, &probeHandler{targets: cfg.Targets, limits: newLimits(cfg.MaxRequests), logger: cfg.Logger})
	mux.Handle(PathDiscovery, discovery(cfg.Targets))
	if cfg.TelemetryPath != "/" {
		page, err := newStatusPage(cfg)
		if err != nil {
			return nil, err
		}
		mux.Handle("/", page)
	}
	return mux, nil
}

// alive answers without asking an appliance: a restart of the exporter would
// not mend one.
func alive(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprint(w, text)
	}
}
