package main

import (
	"context"
	"slices"
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
	// process has the metrics about the exporter as a whole.
	process *prometheus.Registry
	logger  log.Logger
}

// startExporter wires an exporter of the targets that the settings name, and logs warnings about the
// settings.
func startExporter(s *settings, logs logs) (*exporter, error) {
	configs, err := s.targets()
	if err != nil {
		return nil, err
	}
	e, err := newExporter(configs, logs.kit, s.oneRead)
	if err != nil {
		return nil, err
	}
	s.warnIgnoredEnv(logs.kit)
	for _, t := range e.targets.All() {
		t.WarnOfExposure()
	}
	return e, nil
}

// newExporter wires an exporter. It does not connect. With noDeadline, reads have no deadline.
func newExporter(configs []config.Target, logger log.Logger, noDeadline bool) (*exporter, error) {
	process := prometheus.NewRegistry()
	e := &exporter{
		targets: targets.NewSet(targets.Options{UserAgent: programName + "/" + version.Version, Logger: logger, NoDeadline: noDeadline}),
		reloads: collector.NewReloads(process),
		process: process,
		logger:  logger,
	}
	if _, err := e.targets.Load(configs); err != nil {
		return nil, err
	}
	process.MustRegister(versioncollector.NewCollector(programName))
	return e, nil
}

// telemetry returns the metrics about the exporter itself: as a whole, and about each target.
func (e *exporter) telemetry() prometheus.Gatherer {
	return prometheus.Gatherers{prometheus.GathererFunc(e.gatherProcess), e.targets}
}

// gatherProcess gathers the metrics about the exporter as a whole except the Go collector's gauge
// go_memstats_alloc_bytes. In OpenMetrics it has the name of the family of the counter
// go_memstats_alloc_bytes_total, which strict parsers refuse. The gauge go_memstats_heap_alloc_bytes has the
// same value.
func (e *exporter) gatherProcess() ([]*dto.MetricFamily, error) {
	families, err := e.process.Gather()
	return slices.DeleteFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == "go_memstats_alloc_bytes" }), err //nolint:wrapcheck // This only filters.
}

// single returns the target of the flags, or nil if there is a configuration file.
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

// closeTimeout bounds the end of a command that is not a server.
const closeTimeout = 5 * time.Second

// closeAfter closes the exporter when a command's work is done, even if ctx has ended.
func (e *exporter) closeAfter(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	e.targets.Close(ctx)
}
