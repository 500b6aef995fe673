// Package web serves the exporter's HTTP interface: the metrics, the probes of single targets and their
// discovery, the status page, the documents, health checks and reloads.
package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"cckm_sync_exporter/collector"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/targets"
	"cckm_sync_exporter/collector/web/documents"
	"cckm_sync_exporter/deploy"
)

// The paths that are not configured.
const (
	// PathProbe reads the target that the query names.
	PathProbe = "/probe"
	// PathDiscovery lists the targets for Prometheus.
	PathDiscovery = "/sd"
	// PathDocuments is the directory of the documents.
	PathDocuments = "/docs/"
	// PathRunbooks is the directory of the runbooks.
	PathRunbooks = "/runbooks/"
)

// Config configures a handler.
type Config struct {
	// Targets can be probed by name and are discovered by Prometheus.
	Targets *targets.Set
	// Lists are the names of the lists that Read can read.
	Lists []string
	// Read returns a snapshot of some of the lists for a scrape of TelemetryPath, at the latest when ctx
	// ends. If it is nil, TelemetryPath has only the metrics about the exporter itself.
	Read func(ctx context.Context, lists []string) *scrape.Snapshot
	// Exposition writes the snapshots of Read.
	Exposition *collector.Exposition
	// Telemetry gathers the metrics about the exporter itself.
	Telemetry prometheus.Gatherer
	// Instrument gets promhttp's metrics about the scrapes themselves. It may be nil.
	Instrument prometheus.Registerer
	// ExternalURL is the URL under which users and Prometheus reach the exporter, without a "/" at its end;
	// nil means the one of each request.
	ExternalURL *url.URL
	// TelemetryPath is the path of the metrics.
	TelemetryPath string
	// MaxRequests bounds the concurrent scrapes of the metrics and of each target; 0 means no bound.
	MaxRequests int
	// Timeout is the longest scrape. Prometheus' own timeout minus TimeoutOffset applies if it is shorter.
	Timeout, TimeoutOffset time.Duration
	// Reload loads the configuration again, and returns a sentence about what was done. It is nil if
	// reloads by HTTP are disabled.
	Reload func() (done string, err error)
	// Logger gets errors that no response contains.
	Logger log.Logger
}

// NewHandler returns the handler of every path.
func NewHandler(cfg Config) (http.Handler, error) {
	mux := http.NewServeMux()
	var metrics http.Handler = scrapeHandler{
		lists: cfg.Lists, read: cfg.Read, exposition: cfg.Exposition, longest: cfg.Timeout, offset: cfg.TimeoutOffset,
		telemetry: cfg.Telemetry, logger: cfg.Logger,
	}.handler(newLimits(cfg.MaxRequests))
	if cfg.Instrument != nil {
		metrics = promhttp.InstrumentMetricHandler(cfg.Instrument, metrics)
	}
	mux.Handle(cfg.TelemetryPath, metrics)
	mux.HandleFunc("/-/healthy", alive("The exporter is healthy.\n"))
	mux.HandleFunc("/-/ready", alive("The exporter is ready.\n"))
	mux.HandleFunc("/-/reload", reload(cfg.Reload))
	mux.HandleFunc(PathProbe, probe(cfg.Targets, newLimits(cfg.MaxRequests), cfg.Logger))
	mux.HandleFunc(PathDiscovery, discovery(cfg.Targets, cfg.ExternalURL))
	pages, err := documents.New(deploy.Documents)
	if err != nil {
		return nil, err
	}
	mux.Handle(PathDocuments, limited(pages))
	mux.Handle(PathRunbooks, limited(pages))
	if cfg.TelemetryPath != "/" {
		page, err := newStatusPage(cfg)
		if err != nil {
			return nil, err
		}
		mux.Handle("/", limited(page))
	}
	return mux, nil
}

// alive responds without contacting an appliance, because a restart of the exporter does not fix one.
func alive(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprint(w, text)
	}
}
