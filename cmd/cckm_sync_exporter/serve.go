package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/common/version"

	"cckm_sync_exporter/collector/config"
	"cckm_sync_exporter/collector/printable"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/web"
)

// The times of a shutdown, counted from the signal. It must end within five seconds; see abortAfter.
const (
	giveUpReadsAfter   = 3500 * time.Millisecond
	closeServerAfter   = 4000 * time.Millisecond
	closeExporterAfter = 4400 * time.Millisecond
)

// The timeouts of clients that send or read nothing. An idle connection outlasts the usual scrape
// intervals, so that Prometheus does not connect again for each scrape; a client that opens many must
// not use up the file descriptors for long.
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
)

// newServer returns a server whose scrapes take at most longest. Its timeouts for a whole request are
// longer, so that they do not end a scrape.
func newServer(handler http.Handler, longest time.Duration, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		// Headers of net/http's default of 1 MB from many clients would take more memory than everything
		// else.
		MaxHeaderBytes: 64 << 10,
		ReadTimeout:    longest + web.TransferTimeout,
		WriteTimeout:   longest + web.TransferTimeout,
		IdleTimeout:    idleTimeout,
		ErrorLog:       slog.NewLogLogger(serverLog{logger.Handler()}, slog.LevelWarn),
	}
}

// serverLog logs the errors of the HTTP server. Those that any client can cause as often as it likes
// have the level debug.
type serverLog struct{ slog.Handler }

// Handle implements slog.Handler.
func (l serverLog) Handle(ctx context.Context, record slog.Record) error {
	if strings.Contains(record.Message, "TLS handshake error") {
		record.Level = slog.LevelDebug
	}
	if !l.Enabled(ctx, record.Level) {
		return nil
	}
	return l.Handler.Handle(ctx, record)
}

// serve serves metrics until ctx ends, and loads the configuration again at each SIGHUP.
func serve(ctx context.Context, s *settings, logs logs, hangUps <-chan os.Signal) error {
	return serveWith(ctx, s, logs, hangUps, func(context.Context, *exporter, string) {})
}

// serveWith is serve. It calls ready when the exporter listens, with its URL, and waits for it at the end.
func serveWith(ctx context.Context, s *settings, logs logs, hangUps <-chan os.Signal, ready func(context.Context, *exporter, string)) error {
	if err := s.validate(); err != nil {
		return err
	}
	if err := s.validateListening(ctx); err != nil {
		return err
	}
	// If the file changes while it is loaded, it is loaded again.
	loaded, _ := config.Checksum(s.configFile)
	e, err := startExporter(s, logs) //nolint:contextcheck // Removals outlive what asks for them.
	if err != nil {
		return err
	}
	if !s.disableExporterMetrics {
		e.addProcessMetrics()
	}
	reloads := &reloader{settings: s, exporter: e, logger: logs.kit}
	handler, err := newHandler(s, e, reloads, logs)
	if err != nil {
		return fmt.Errorf("the status page cannot be made: %w", err)
	}
	listeners, err := s.listen(ctx)
	if err != nil {
		return err
	}
	base := s.baseURL(listeners)
	s.logStart(e, cmp.Or(strings.TrimRight(s.externalURL, "/"), base))
	server := newServer(handler, e.longestScrape(), logs.slog)
	confine(logs.kit)
	served := make(chan error, 1)
	go func() { served <- s.serveOn(listeners, server, logs) }()
	notify(logs.kit, daemon.SdNotifyReady, reloads.status(""))
	go reloads.follow(hangUps) //nolint:contextcheck // A reload is not canceled halfway.
	if s.autoReload {
		go reloads.watch(ctx, loaded)
	}
	var waiting sync.WaitGroup
	defer waiting.Wait()
	waiting.Go(func() { ready(ctx, e, base) })
	select {
	case err = <-served:
		// The server could not be started.
	case <-ctx.Done():
		level.Info(logs.kit).Log("during", "shutdown", "msg", "stopping")
	}
	notify(logs.kit, daemon.SdNotifyStopping, status("stopping"))
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

// newHandler returns the handler of every path.
func newHandler(s *settings, e *exporter, reloads *reloader, logs logs) (http.Handler, error) {
	external, err := parseExternalURL(s.externalURL)
	if err != nil {
		return nil, err
	}
	cfg := web.Config{
		Targets:       e.targets,
		ExternalURL:   external,
		Telemetry:     e.telemetry(),
		TelemetryPath: s.telemetryPath,
		MaxRequests:   s.maxRequests,
		Logger:        logs.kit,
	}
	if t := e.single(); t != nil {
		cfg.Exposition = t.Exposition()
		cfg.Lists = t.ListNames()
		cfg.Read = func(ctx context.Context, lists []string) *scrape.Snapshot {
			t, done, _ := e.targets.Use(t.Config.Name)
			defer done()
			return t.ReadSome(ctx, lists)
		}
		cfg.Timeout, cfg.TimeoutOffset = t.Config.Timeout, t.Config.TimeoutOffset
	}
	if s.enableLifecycle {
		cfg.Reload = reloads.reload
	}
	if !s.disableExporterMetrics {
		cfg.Instrument = e.process
	}
	return web.NewHandler(cfg)
}

// longestScrape returns the longest scrape of a target.
func (e *exporter) longestScrape() (longest time.Duration) {
	for _, t := range e.targets.All() {
		longest = max(longest, t.Config.Timeout)
	}
	return longest
}

// maxStartNames is the length of the names of lists or targets in a line about the start, in bytes. The
// status page has all of them.
const maxStartNames = 80

// logStart logs what is read and when, and where to look.
func (s *settings) logStart(e *exporter, base string) {
	logger := level.Info(log.With(e.logger, "during", "start"))
	logger.Log("version", version.Version, "revision", version.GetRevision(), "msg", "starting")
	var names []string
	page := base + "/"
	if t := e.single(); t != nil {
		for _, list := range t.Config.Lists {
			names = append(names, list.Name)
		}
		logger.Log("appliance", t.Client().URL(), "lists", printable.Shorten(strings.Join(names, ","), maxStartNames),
			"msg", "each scrape reads these lists; without scrapes, nothing is read")
		logger.Log("metrics", base+s.telemetryPath, "page", page, "msg", "have Prometheus scrape the metrics, and open the status page")
		return
	}
	for _, t := range e.targets.All() {
		names = append(names, t.Config.Name)
	}
	logger.Log("targets", len(names), "names", printable.Shorten(strings.Join(names, ","), maxStartNames),
		"msg", "each scrape reads the lists of one target; without scrapes, nothing is read")
	logger.Log("discovery", base+web.PathDiscovery, "page", page,
		"msg", "give Prometheus the discovery, and open the status page")
}

// shutDown waits for the requests in flight, and cancels reads that the appliance delays, so that their
// scrapes get a response too. It revokes the refresh token of each target that is not being scraped.
func shutDown(server *http.Server, e *exporter) {
	begun := time.Now()
	giveUp := time.AfterFunc(giveUpReadsAfter, e.targets.GiveUp)
	defer giveUp.Stop()
	exporterCtx, cancel := context.WithDeadline(context.Background(), begun.Add(closeExporterAfter))
	defer cancel()
	var closing sync.WaitGroup
	closing.Go(func() { e.targets.Close(exporterCtx) })
	serverCtx, cancel := context.WithDeadline(exporterCtx, begun.Add(closeServerAfter))
	defer cancel()
	if err := server.Shutdown(serverCtx); err != nil {
		level.Warn(e.logger).Log("during", "shutdown", "err", err, "msg", "requests in flight were cut off")
		_ = server.Close()
	}
	e.targets.GiveUp()
	closing.Wait()
}
