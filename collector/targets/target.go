// Package targets runs the configured targets: for each appliance or domain, a client, the readers of its
// lists and their metrics. It replaces them when the configuration is loaded again.
package targets

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"

	"cckm_sync_exporter/collector"
	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/config"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/sources"
)

// Label is the label of the exporter's own metrics with the name of the target, if there can be several.
const Label = "target"

// Options are what all targets have in common.
type Options struct {
	// UserAgent is sent with every request.
	UserAgent string
	// Logger is for events that no scrape reports. Lines about a target with a name have it.
	Logger log.Logger
	// NoDeadline removes the deadline of reads, for a command that reads once.
	NoDeadline bool
	// SourceInterval is the time between two reads of the schedules or an inventory; 0 is the default.
	SourceInterval time.Duration
}

// Target is one appliance, or one domain of it, with its current configuration.
type Target struct {
	Config config.Target

	*running
}

// running is the part of a target that is kept if only its labels change.
type running struct {
	client  *ciphertrust.Client
	lists   []*scrape.List
	scraper *scrape.Scraper
	// sources reads schedules and inventories; it is nil if neither is read.
	sources *sources.Reader
	// awaitSources makes a scrape wait for them, for a command that reads once.
	awaitSources bool
	exposition   *collector.Exposition
	// telemetry holds the exporter's own metrics about the target.
	telemetry *prometheus.Registry
	logger    log.Logger
	// source is the target's current place in its file.
	source atomic.Pointer[string]
	// users are the callers of Use that have not called done. The target is closed after them.
	users sync.WaitGroup
	// stopGivingUp ends the registration by which Set.GiveUp cancels the target's reads.
	stopGivingUp func() bool
}

// newTarget returns a running target. It does not connect.
func newTarget(cfg config.Target, options Options, guard *ciphertrust.LoginGuard) (*Target, error) {
	logger := options.Logger
	registry := prometheus.NewRegistry()
	registerer := prometheus.Registerer(registry)
	if cfg.Name != "" {
		logger = log.With(logger, "target", cfg.Name)
		registerer = prometheus.WrapRegistererWith(prometheus.Labels{Label: cfg.Name}, registry)
	}
	t := &Target{Config: cfg, running: &running{
		exposition: &collector.Exposition{ForgetScopesAfter: cfg.ForgetScopesAfter, Logger: logger},
		telemetry:  registry,
		logger:     logger,
	}}
	t.source.Store(&cfg.Source)
	telemetry := collector.NewTelemetry(registerer)
	client, err := ciphertrust.New(ciphertrust.Config{
		URL:         cfg.URL,
		Credentials: cfg.Credentials,
		TLS:         cfg.TLS,
		Proxy:       cfg.Proxy,
		Concurrency: cfg.Concurrency,
		Retries:     ciphertrust.DefaultRetries,
		// A scrape has time for a second attempt at a page that hangs.
		AttemptTimeout: cfg.Timeout / 2,
		Guard:          guard,
		UserAgent:      options.UserAgent,
		OnRequest:      telemetry.Request,
		OnLogin:        telemetry.Login,
		Logger:         logger,
		Hint:           t.Hint,
	})
	if err != nil {
		return nil, setupError(cfg, err)
	}
	t.client = client
	t.exposition.ClockOffset = client.ClockCorrection
	// A list whose pages hang leaves one slot to the others.
	concurrency := cfg.Concurrency
	if len(cfg.Lists) > 1 {
		concurrency = max(1, concurrency-1)
	}
	// Each full read that is due uses a quarter of the concurrency, and all together half of it.
	dueReads := make(chan struct{}, min(2, max(1, cfg.Concurrency/2)))
	lists := make([]scrape.Source, 0, len(cfg.Lists))
	for _, each := range cfg.Lists {
		telemetry.Announce(each)
		list := scrape.NewList(each, client, scrape.ListOptions{
			PageSize:         cfg.PageSize,
			Concurrency:      concurrency,
			FullReadInterval: cfg.FullReadInterval,
			FullReadTimeout:  cfg.FullReadTimeout,
			PageTimeout:      cfg.Timeout,
			Observer:         telemetry,
			DueReads:         dueReads,
			Redact:           client.Redact,
			Hint:             t.Hint,
			Logger:           logger,
		})
		t.lists = append(t.lists, list)
		lists = append(lists, scrape.Source{List: each, Reader: list})
	}
	if cfg.Schedules || cfg.Inventory {
		t.awaitSources = options.NoDeadline
		t.sources = sources.New(client, sources.Options{
			Schedules: cfg.Schedules, Inventory: cfg.Inventory, Lists: cfg.Lists, PageSize: cfg.PageSize, Interval: options.SourceInterval,
			Redact: client.Redact, Hint: t.Hint, Logger: logger,
		})
	}
	scrapeTimeout := cfg.Timeout
	if options.NoDeadline {
		scrapeTimeout = 0
	}
	t.scraper = scrape.New(lists, scrape.Options{
		Timeout: scrapeTimeout, MinInterval: cfg.MinInterval, Redact: client.Redact, Hint: t.Hint, Logger: logger,
	})
	collector.RegisterClientMetrics(registerer, client)
	registerer.MustRegister(collector.NewFullReadProgress(t.scraper.Latest))
	return t, nil
}

func setupError(cfg config.Target, err error) error {
	hint := cfg.Hint("check --ciphertrust.ca-file, --ciphertrust.cert-file and --ciphertrust.key-file")
	err = fmt.Errorf("the connection to the appliance cannot be set up: %w; %s", err, hint)
	if cfg.Name != "" {
		err = fmt.Errorf("target %s: %w", cfg.Name, err)
	}
	return err
}

// Hint rewrites a hint for the target's configuration: flags, or keys of a file.
func (r *running) Hint(hint string) string {
	return (&config.Target{Source: *r.source.Load()}).Hint(hint)
}

// Read reads every list of the target.
func (t *Target) Read(ctx context.Context) *scrape.Snapshot { return t.ReadSome(ctx, t.ListNames()) }

// ReadSome reads the lists with the given names. It starts to read the sources that are due, and waits for
// them only in a command that reads once.
func (t *Target) ReadSome(ctx context.Context, names []string) *scrape.Snapshot {
	if t.sources == nil {
		return t.scraper.ReadSome(ctx, names)
	}
	done := t.sources.Start()
	snapshot := t.scraper.ReadSome(ctx, names)
	if t.awaitSources {
		select {
		case <-done:
		case <-ctx.Done():
		}
	}
	snapshot.Sources = t.sources.State()
	return snapshot
}

// Sources returns what the schedules and inventories say, or nil if none are read. It reads nothing.
func (t *Target) Sources() *sources.State {
	if t.sources == nil {
		return nil
	}
	return t.sources.State()
}

// Latest returns how the last read of each list ended. It reads nothing.
func (t *Target) Latest() []scrape.Latest { return t.scraper.Latest() }

// Exposition returns how the target's snapshots are written.
func (t *Target) Exposition() *collector.Exposition { return t.exposition }

// Client returns the client of the target's appliance.
func (t *Target) Client() *ciphertrust.Client { return t.client }

// Lists returns the target's lists, in the order of its configuration.
func (t *Target) Lists() []*scrape.List { return t.lists }

// ListNames returns the names of the lists.
func (t *Target) ListNames() []string {
	names := make([]string, 0, len(t.Config.Lists))
	for _, list := range t.Config.Lists {
		names = append(names, list.Name)
	}
	return names
}

// WarnOfExposure logs which settings expose the target's secrets.
func (t *Target) WarnOfExposure() {
	for _, warning := range t.client.Warnings(context.Background()) {
		level.Warn(t.logger).Log("during", "start", "hint", warning.Hint, "msg", warning.Text)
	}
}

// close ends reads and revokes the refresh token, until ctx ends.
func (r *running) close(ctx context.Context, during string) {
	r.stopGivingUp()
	await(ctx, r.scraper.Close)
	if r.sources != nil {
		await(ctx, r.sources.Close)
	}
	if err := r.client.Close(ctx); err != nil {
		level.Warn(r.logger).Log("during", during, "err", err,
			"hint", "none needed: the appliance drops unused refresh tokens",
			"msg", "the refresh token could not be revoked")
	}
}
