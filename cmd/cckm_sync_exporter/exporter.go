package main

import (
	"context"
	"fmt"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	"github.com/prometheus/common/version"

	"cckm_sync_exporter/collector"
	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/joblist"
)

// exporter is everything between the appliance and the metrics.
type exporter struct {
	client    *ciphertrust.Client
	readers   []*joblist.Reader
	collector *collector.Collector
	// telemetry holds the metrics about the exporter itself.
	telemetry  *prometheus.Registry
	exposition *collector.Exposition
	logger     log.Logger
}

// newExporter wires an exporter. It connects to nothing.
func newExporter(s *settings, logger log.Logger) (*exporter, error) {
	telemetry := collector.NewTelemetry()
	client, err := ciphertrust.New(ciphertrust.Config{
		URL:         s.url,
		Credentials: s.credentials,
		TLS:         s.tls,
		Concurrency: s.concurrency,
		Retries:     ciphertrust.DefaultRetries,
		UserAgent:   programName + "/" + version.Version,
		Observer:    telemetry,
		Logger:      logger,
	})
	if err != nil {
		return nil, fmt.Errorf("the connection to the appliance cannot be set up: %w; "+
			"check --ciphertrust.ca-file, --ciphertrust.cert-file and --ciphertrust.key-file", err)
	}
	if s.tls.InsecureSkipVerify {
		level.Warn(logger).Log("during", "start", "todo", "give the appliance's CA in --ciphertrust.ca-file",
			"msg", "the appliance's certificate is not verified, whoever is on the network can read the password")
	}
	e := &exporter{
		client:     client,
		telemetry:  prometheus.NewRegistry(),
		exposition: &collector.Exposition{ForgetScopesAfter: s.forgetScopesAfter, Logger: logger},
		logger:     logger,
	}
	sources := make([]collector.Source, 0, len(s.lists))
	for _, list := range s.lists {
		telemetry.Announce(list)
		reader := joblist.NewReader(list, client, joblist.Options{
			PageSize:         s.pageSize,
			Concurrency:      s.concurrency,
			FullReadInterval: s.fullReadInterval,
			Observer:         telemetry,
			Logger:           logger,
		})
		e.readers = append(e.readers, reader)
		sources = append(sources, collector.Source{List: list, Reader: reader})
	}
	e.collector = collector.New(sources, collector.Options{
		Timeout: s.timeout, MinInterval: s.minInterval, Logger: logger,
	})
	e.telemetry.MustRegister(versioncollector.NewCollector(programName), telemetry, collector.NewTokenExpiry(client.TokenExpiry))
	return e, nil
}

// warnOfExposedFiles tells of files with secrets that everybody can read.
func (e *exporter) warnOfExposedFiles() {
	for _, file := range e.client.Exposed() {
		level.Warn(e.logger).Log("during", "start", "todo", file.Remedy(), "msg", file.String())
	}
}

// addProcessMetrics adds the metrics about the process.
func (e *exporter) addProcessMetrics() {
	e.telemetry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
}

// close ends reads and revokes the refresh token.
func (e *exporter) close(ctx context.Context) {
	e.collector.Close()
	if err := e.client.Close(ctx); err != nil {
		level.Warn(e.logger).Log("during", "shutdown", "err", err,
			"todo", "none needed: the appliance drops an unused refresh token by itself",
			"msg", "the refresh token could not be revoked")
	}
}

// closeTimeout bounds what follows the work of a command that ends by itself.
const closeTimeout = 5 * time.Second

// closeAfter closes the exporter when a command's work is done, even where ctx
// has ended by then.
func (e *exporter) closeAfter(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	e.close(ctx)
}
