package main

import (
	"context"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/version"

	"cckm_sync_exporter/collector"
	"cckm_sync_exporter/collector/config"
	"cckm_sync_exporter/collector/targets"
)

// exporter is everything between the appliances and the metrics.
type exporter struct {
	targets *targets.Set
	reloads *collector.Reloads
	// process holds the metrics about the exporter as a whole.
	process *prometheus.Registry
	logger  log.Logger
}

// startExporter wires an exporter of the targets that the settings name, and
// tells the log what about the settings is not as it should be.
func startExporter(s *settings, logs logs) (*exporter, error) {
	configs, err := s.targets()
	if err != nil {
		return nil, err
	}
	e, err := newExporter(configs, logs.kit, s.oneRead)
	if err != nil {
		return nil, err
	}
	s.tellIgnored(logs.kit)
	for _, t := range e.targets.All() {
		t.WarnOfExposure()
	}
	return e, nil
}

// newExporter wires an exporter. It connects to nothing. If it is unhurried, a read takes
// as long as it needs.
func newExporter(configs []config.Target, logger log.Logger, unhurried bool) (*exporter, error) {
	e := &exporter{
		targets: targets.NewSet(targets.Options{UserAgent: programName + "/" + version.Version, Logger: logger, Unhurried: unhurried}),
		reloads: collector.NewReloads(),
		process: prometheus.NewRegistry(),
		logger:  logger,
	}
	if _, err := e.targets.Load(configs); err != nil {
		return nil, err
	}
	e.process.MustRegister(versioncollector.NewCollector(programName), e.reloads)
	return e, nil
}

// telemetry gathers the metrics about the exporter itself: as a whole, and about
// each target.
func (e *exporter) telemetry() prometheus.Gatherer {
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		joined := collector.Joined{prometheus.ToTransactionalGatherer(e.process), prometheus.ToTransactionalGatherer(e.targets)}
		// Registries want nothing back.
		families, _, err := joined.Gather()
		return families, err
	})
}

// single returns the one target of the flags, or nil where there is a
// configuration file.
func (e *exporter) single() *targets.Target {
	if all := e.targets.All(); len(all) == 1 && all[0].Config.Name == "" {
		return all[0]
	}
	return nil
}

// addProcessMetrics adds the metrics about the process.
func (e *exporter) addProcessMetrics() {
	e.process.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
}

// closeTimeout bounds what follows the work of a command that ends by itself.
const closeTimeout = 5 * time.Second

// closeAfter closes the exporter when a command's work is done, even where ctx
// has ended by then.
func (e *exporter) closeAfter(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	e.targets.Close(ctx)
}
