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
)

// scraped is what a scrape reads.
type scraped struct {
	reader     Reader
	exposition *collector.Exposition
	// longest is the longest scrape. Prometheus' own timeout, less offset, wins
	// where it is shorter.
	longest, offset time.Duration
}

// scrapeHandler reads the lists and writes the metrics.
type scrapeHandler struct {
	scraped

	// telemetry gathers the metrics about the exporter itself; nil means none.
	telemetry prometheus.Gatherer
	// encoders bounds the scrapes that are gathered and encoded at once.
	encoders chan struct{}
	logger   log.Logger
}

// ServeHTTP implements http.Handler.
func (h *scrapeHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var gatherer collector.Joined
	if h.reader != nil {
		ctx, cancel := context.WithTimeout(r.Context(), h.timeout(r.Header))
		defer cancel()
		gatherer = append(gatherer, h.exposition.Of(h.reader.Read(ctx)))
	}
	if h.telemetry != nil {
		gatherer = append(gatherer, prometheus.ToTransactionalGatherer(h.telemetry))
	}
	select {
	case h.encoders <- struct{}{}:
	case <-r.Context().Done():
		return
	}
	encoded := &response{header: w.Header()}
	promhttp.HandlerForTransactional(gatherer, promhttp.HandlerOpts{
		ErrorLog: errorLog{h.logger},
		// Whatever goes wrong with one series must not hide all others.
		ErrorHandling:     promhttp.ContinueOnError,
		EnableOpenMetrics: true,
	}).ServeHTTP(encoded, r)
	<-h.encoders
	encoded.send(w)
}

// timeout returns how long a scrape may take: Prometheus tells its own timeout
// in a header, and needs a moment of it for the answer's way back.
func (s *scraped) timeout(header http.Header) time.Duration {
	seconds, err := strconv.ParseFloat(header.Get("X-Prometheus-Scrape-Timeout-Seconds"), 64)
	// The comparison is false for NaN as well. What is longer than the longest
	// scrape need not fit into a duration.
	if err != nil || !(seconds > 0 && seconds < s.longest.Seconds()+s.offset.Seconds()) {
		return s.longest
	}
	theirs := time.Duration(seconds * float64(time.Second))
	// An offset that takes more than half of the time is no longer an offset.
	return min(s.longest, max(theirs-s.offset, theirs/2))
}

// errorLog writes what promhttp has to tell to the exporter's log.
type errorLog struct{ logger log.Logger }

// Println implements promhttp.Logger.
func (l errorLog) Println(v ...any) {
	level.Error(l.logger).Log("during", "exposition", "err", fmt.Sprint(v...))
}
