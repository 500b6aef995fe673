// Package web serves the exporter's HTTP interface: the metrics, a landing page
// and the two probes.
package web

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/version"
	toolkit "github.com/prometheus/exporter-toolkit/web"

	"cckm_sync_exporter/collector"
)

// Reader reads the lists of an appliance. collector.Collector is one.
type Reader interface {
	// Read returns what the lists hold, at the latest when ctx ends.
	Read(ctx context.Context) *collector.Snapshot
}

// Config configures a handler.
type Config struct {
	// Reader is read at every scrape.
	Reader Reader
	// Exposition says how what was read is written.
	Exposition *collector.Exposition
	// Telemetry holds the metrics about the exporter itself.
	Telemetry *prometheus.Registry
	// Instrument adds promhttp's metrics about the scrapes themselves.
	Instrument bool
	// TelemetryPath is where the metrics are.
	TelemetryPath string
	// MaxRequests bounds the scrapes that are served at once; 0 means no bound.
	MaxRequests int
	// Timeout is the longest scrape; Prometheus' own timeout, less
	// TimeoutOffset, wins where it is shorter.
	Timeout, TimeoutOffset time.Duration
	// Logger gets what no scraper is told.
	Logger log.Logger
}

// NewHandler returns the handler of every path.
func NewHandler(cfg Config) (http.Handler, error) {
	mux := http.NewServeMux()
	scrape := limitRequests(cfg.MaxRequests, &scrapeHandler{cfg})
	if cfg.Instrument {
		scrape = promhttp.InstrumentMetricHandler(cfg.Telemetry, scrape)
	}
	mux.Handle(cfg.TelemetryPath, scrape)
	mux.HandleFunc("/-/healthy", probe("The exporter is healthy.\n"))
	mux.HandleFunc("/-/ready", probe("The exporter is ready.\n"))
	if cfg.TelemetryPath != "/" {
		landing, err := newLandingPage(cfg.TelemetryPath)
		if err != nil {
			return nil, err
		}
		mux.Handle("/", landing)
	}
	return mux, nil
}

func newLandingPage(telemetryPath string) (http.Handler, error) {
	return toolkit.NewLandingPage(toolkit.LandingConfig{
		Name:        "cckm_sync_exporter",
		Description: "Prometheus exporter for the synchronization jobs of CipherTrust Manager's cloud key manager",
		Version:     version.Info(),
		Profiling:   "false",
		Links: []toolkit.LandingLinks{
			{Address: telemetryPath, Text: "Metrics", Description: "Synchronization jobs by key ring and vault"},
			{Address: "/-/healthy", Text: "Health", Description: "Whether the exporter runs"},
			{Address: "/-/ready", Text: "Readiness", Description: "Whether the exporter serves"},
		},
	})
}

// probe answers without asking an appliance: a restart of the exporter would
// not mend one.
func probe(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprint(w, text)
	}
}

// limitRequests answers 503 to scrapes beyond the bound.
func limitRequests(bound int, next http.Handler) http.Handler {
	if bound <= 0 {
		return next
	}
	slots := make(chan struct{}, bound)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			next.ServeHTTP(w, r)
		default:
			http.Error(w, fmt.Sprintf("%d scrapes are being served, which is the limit (--web.max-requests); try again later.", bound),
				http.StatusServiceUnavailable)
		}
	})
}

// scrapeHandler reads the lists and writes the metrics.
type scrapeHandler struct{ Config }

// ServeHTTP implements http.Handler.
func (h *scrapeHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), h.timeout(r.Header))
	defer cancel()
	snapshot := h.Reader.Read(ctx)

	gatherer := collector.Joined{h.Exposition.Of(snapshot), prometheus.ToTransactionalGatherer(h.Telemetry)}
	promhttp.HandlerForTransactional(gatherer, promhttp.HandlerOpts{
		ErrorLog: errorLog{h.Logger},
		// Whatever goes wrong with one series must not hide all others.
		ErrorHandling:     promhttp.ContinueOnError,
		EnableOpenMetrics: true,
	}).ServeHTTP(w, r)
}

// timeout returns how long a scrape may take: Prometheus tells its own timeout
// in a header, and needs a moment of it for the answer's way back.
func (h *scrapeHandler) timeout(header http.Header) time.Duration {
	seconds, err := strconv.ParseFloat(header.Get("X-Prometheus-Scrape-Timeout-Seconds"), 64)
	// The comparison is false for NaN as well. What is longer than the longest
	// scrape need not fit into a duration.
	if err != nil || !(seconds > 0 && seconds < h.Timeout.Seconds()+h.TimeoutOffset.Seconds()) {
		return h.Timeout
	}
	theirs := time.Duration(seconds * float64(time.Second))
	// An offset that takes more than half of the time is no longer an offset.
	return min(h.Timeout, max(theirs-h.TimeoutOffset, theirs/2))
}

// errorLog writes what promhttp has to tell to the exporter's log.
type errorLog struct{ logger log.Logger }

// Println implements promhttp.Logger.
func (l errorLog) Println(v ...any) {
	level.Error(l.logger).Log("during", "exposition", "err", fmt.Sprint(v...))
}
