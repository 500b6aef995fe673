package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-kit/log/level"
	"github.com/prometheus/common/version"
	toolkit "github.com/prometheus/exporter-toolkit/web"

	"cckm_sync_exporter/collector/web"
)

// The times of a shutdown, all counted from the signal. A process manager's
// patience is short: five seconds must be enough for all of it.
const (
	giveUpReadsAfter   = 3500 * time.Millisecond
	closeServerAfter   = 4300 * time.Millisecond
	closeExporterAfter = 4800 * time.Millisecond
)

// The times that keep clients which send or read nothing from holding
// connections. An idle connection outlasts the usual scrape intervals, so that
// Prometheus does not have to connect anew for each scrape.
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 10 * time.Minute
	// transferTimeout is what a request and its answer may take beyond the
	// longest scrape.
	transferTimeout = 30 * time.Second
)

// newServer returns a server whose scrapes take at most longest. Both of its
// times for a whole request are longer than that, so that neither ends a scrape.
func newServer(handler http.Handler, longest time.Duration, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       longest + transferTimeout,
		WriteTimeout:      longest + transferTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

// serve serves metrics until ctx ends.
func serve(ctx context.Context, s *settings, logs logs) error {
	if err := s.validate(); err != nil {
		return err
	}
	e, err := newExporter(s, logs.kit)
	if err != nil {
		return err
	}
	e.warnOfExposedFiles()
	if !s.disableExporterMetrics {
		e.addProcessMetrics()
	}
	handler, err := web.NewHandler(web.Config{
		Reader:        e.collector,
		Exposition:    e.exposition,
		Telemetry:     e.telemetry,
		Instrument:    !s.disableExporterMetrics,
		TelemetryPath: s.telemetryPath,
		MaxRequests:   s.maxRequests,
		Timeout:       s.timeout,
		TimeoutOffset: s.timeoutOffset,
		Logger:        logs.kit,
	})
	if err != nil {
		return fmt.Errorf("the landing page cannot be made: %w", err)
	}
	lists := make([]string, 0, len(s.lists))
	for _, list := range s.lists {
		lists = append(lists, list.Name)
	}
	level.Info(logs.kit).Log("during", "start", "version", version.Info(), "appliance", e.client.URL(),
		"lists", fmt.Sprint(lists), "msg", "starting")

	server := newServer(handler, s.timeout, logs.slog)
	server.BaseContext = confineOnce(ctx, s, logs.kit)
	served := make(chan error, 1)
	go func() { served <- toolkit.ListenAndServe(server, s.web, logs.slog) }()
	select {
	case err = <-served:
		// The server could not be started; there is nothing to wait for.
	case <-ctx.Done():
		level.Info(logs.kit).Log("during", "shutdown", "msg", "stopping")
	}
	shutDown(server, e) //nolint:contextcheck // The context has ended by then.
	if err == nil {
		err = <-served
	}
	if err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving failed: %w; check --web.listen-address and --web.config.file", err)
	}
	level.Info(logs.kit).Log("during", "shutdown", "msg", "stopped")
	return nil
}

// shutDown lets the requests in flight finish, gives up reads that an appliance
// holds up, so that they are answered as well, and then revokes what the
// appliance would otherwise keep.
func shutDown(server *http.Server, e *exporter) {
	begun := time.Now()
	giveUp := time.AfterFunc(giveUpReadsAfter, e.collector.GiveUp)
	defer giveUp.Stop()
	ctx, cancel := context.WithDeadline(context.Background(), begun.Add(closeServerAfter))
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		level.Warn(e.logger).Log("during", "shutdown", "err", err, "msg", "requests in flight were cut off")
		_ = server.Close()
	}
	ctx, cancel = context.WithDeadline(context.Background(), begun.Add(closeExporterAfter))
	defer cancel()
	e.close(ctx)
}
