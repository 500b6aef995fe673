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

	"cckm_sync_exporter/collector"
	"cckm_sync_exporter/collector/scrape"
)

// scrapeHandler handles the scrapes of one target, or of the exporter's own metrics.
type scrapeHandler struct {
	// lists and read are Config.Lists and Config.Read.
	lists      []string
	read       func(ctx context.Context, lists []string) *scrape.Snapshot
	exposition *collector.Exposition
	// longest is the longest scrape. Prometheus' own timeout minus offset applies if it is shorter.
	longest, offset time.Duration
	// telemetry gathers the metrics about the exporter itself; nil means none.
	telemetry prometheus.Gatherer
	logger    log.Logger
}

// handler returns the handler of TelemetryPath.
func (s scrapeHandler) handler(limits *limits) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { s.serve("", limits, w, r) }
}

// serve responds to a scrape of the target with a name. It refuses unknown lists, and more scrapes than
// the limit.
func (s scrapeHandler) serve(target string, limits *limits, w http.ResponseWriter, r *http.Request) {
	lists, refusal := chosenLists(r.URL.Query(), s.lists)
	if refusal != "" {
		http.Error(w, refusal, http.StatusBadRequest)
		return
	}
	limits.serve(target, w, func(scrapes *targetScrapes) { s.scrape(lists, scrapes, w, r) })
}

// scrape reads the lists and sends the metrics. A scraper that has hung up gets nothing.
func (s scrapeHandler) scrape(lists []string, scrapes *targetScrapes, w http.ResponseWriter, r *http.Request) {
	var snapshot *scrape.Snapshot
	if s.read != nil {
		ctx, cancel := context.WithTimeout(r.Context(), s.timeout(r.Header))
		defer cancel()
		snapshot = s.read(ctx, lists)
	}
	response := scrapes.response(snapshot, r, s.expositionHandler(snapshot))
	if response == nil {
		return
	}
	if err := response.send(w); err != nil {
		level.Debug(s.logger).Log("during", "exposition", "client", r.RemoteAddr, "err", err, "msg", "the scraper did not read the response")
	}
}

// expositionHandler returns a handler that writes a snapshot and the exporter's own metrics.
func (s scrapeHandler) expositionHandler(snapshot *scrape.Snapshot) http.Handler {
	var gatherer collector.Joined
	if snapshot != nil {
		gatherer = append(gatherer, s.exposition.Of(snapshot))
	}
	if s.telemetry != nil {
		gatherer = append(gatherer, prometheus.ToTransactionalGatherer(s.telemetry))
	}
	return promhttp.HandlerForTransactional(gatherer, promhttp.HandlerOpts{
		ErrorLog: errorLog{s.logger},
		// An error of one series must not hide all others.
		ErrorHandling:     promhttp.ContinueOnError,
		EnableOpenMetrics: true,
	})
}

// timeout returns how long a scrape may take. Prometheus sends its own timeout in a header, and needs
// some of it to receive the response.
func (s scrapeHandler) timeout(header http.Header) time.Duration {
	seconds, err := strconv.ParseFloat(header.Get("X-Prometheus-Scrape-Timeout-Seconds"), 64)
	// The comparison is false for NaN too. A longer timeout may not fit into a time.Duration.
	if err != nil || !(seconds > 0 && seconds < s.longest.Seconds()+s.offset.Seconds()) {
		return s.longest
	}
	theirs := time.Duration(seconds * float64(time.Second))
	// An offset that takes more than half of the time is no longer an offset.
	return min(s.longest, max(theirs-s.offset, theirs/2))
}

// errorLog is promhttp's error log.
type errorLog struct{ logger log.Logger }

// Println implements promhttp.Logger.
func (l errorLog) Println(v ...any) {
	level.Error(l.logger).Log("during", "exposition", "err", fmt.Sprint(v...))
}
