package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/targets"
)

// once reads every enabled list of every target once, and prints the metrics or writes them to a file. A
// read takes as long as pages arrive. Its progress is shown on line, which may be nil.
func once(ctx context.Context, s *settings, logs logs, out io.Writer, line *statusLine) error {
	if err := s.validate(); err != nil {
		return err
	}
	write := func(text []byte) error {
		if _, err := out.Write(text); err != nil {
			return fmt.Errorf("the metrics cannot be printed: %w", err)
		}
		return nil
	}
	if s.output != "" {
		file, err := createOutput(s.output)
		if err != nil {
			return err
		}
		defer file.discard()
		write = file.replace
	}
	s.oneRead = true
	e, err := startExporter(s, logs) //nolint:contextcheck // Removals outlive what asks for them.
	if err != nil {
		return err
	}
	defer e.closeAfter(ctx)
	hideProgress := func() {}
	if line != nil {
		hideProgress = e.showProgress(ctx, line)
	}
	gatherers, complete := e.readOnce(ctx)
	hideProgress()
	if s.output != "" && ctx.Err() != nil {
		return fmt.Errorf("interrupted; %s is unchanged", s.output)
	}
	text, err := expose(append(gatherers, e.telemetry()))
	if err != nil {
		return fmt.Errorf("the metrics cannot be written: %w", err)
	}
	if err := write(text); err != nil {
		return err
	}
	if !complete {
		return errors.New("not every list was read; cckm_sync_scrape_error and the log above say why")
	}
	return nil
}

// readOnce reads all targets at the same time, and reports whether every list was read.
func (e *exporter) readOnce(ctx context.Context) (gatherers prometheus.Gatherers, complete bool) {
	targets := e.targets.All()
	snapshots := make([]*scrape.Snapshot, len(targets))
	var wait sync.WaitGroup
	for i, t := range targets {
		wait.Go(func() { snapshots[i] = t.Read(ctx) })
	}
	wait.Wait()
	complete = true
	for i, t := range targets {
		complete = complete && snapshots[i].Complete()
		gatherers = append(gatherers, labelled(t, t.Exposition().Of(snapshots[i])))
	}
	return gatherers, complete
}

// labelled returns the series of a target with the target's labels, which Prometheus adds to those
// that it scrapes.
func labelled(t *targets.Target, exposed prometheus.TransactionalGatherer) prometheus.Gatherer {
	var labels []*dto.LabelPair
	if name := t.Config.Name; name != "" {
		labels = append(labels, pair(targets.Label, name))
	}
	for name, value := range t.Config.Labels {
		labels = append(labels, pair(name, value))
	}
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		// The memory of the series is not used again before the process ends.
		families, _, err := exposed.Gather()
		for _, family := range families {
			for _, metric := range family.Metric {
				metric.Label = slices.Concat(metric.Label, labels)
				slices.SortFunc(metric.Label, func(a, b *dto.LabelPair) int { return cmp.Compare(a.GetName(), b.GetName()) })
			}
		}
		return families, err
	})
}

func pair(name, value string) *dto.LabelPair { return &dto.LabelPair{Name: &name, Value: &value} }

// expose returns the cckm_sync_* metrics in the text format.
func expose(gatherer prometheus.Gatherer) ([]byte, error) {
	families, err := gatherer.Gather()
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), "cckm_sync_") {
			continue
		}
		if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
			return nil, err
		}
	}
	return text.Bytes(), nil
}
