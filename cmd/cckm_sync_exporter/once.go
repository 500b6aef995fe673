package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"cckm_sync_exporter/collector"
)

// once reads every enabled list once and prints the metrics.
func once(ctx context.Context, s *settings, logs logs, out io.Writer) error {
	if err := s.validate(); err != nil {
		return err
	}
	// Nothing comes after the one read that could use what is kept.
	s.fullReadInterval = 0
	e, err := newExporter(s, logs.kit)
	if err != nil {
		return err
	}
	e.warnOfExposedFiles()
	defer e.closeAfter(ctx)
	readCtx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	snapshot := e.collector.Read(readCtx)

	text, err := expose(collector.Joined{e.exposition.Of(snapshot), prometheus.ToTransactionalGatherer(e.telemetry)})
	if err != nil {
		return fmt.Errorf("the metrics cannot be written: %w", err)
	}
	if _, err := out.Write(text); err != nil {
		return fmt.Errorf("the metrics cannot be printed: %w", err)
	}
	if !snapshot.Whole() {
		return errors.New("not every list was read; cckm_sync_scrape_error and the log above say why")
	}
	return nil
}

// expose returns the exporter's own metrics in the text format, as a whole: a
// textfile collector must never see half of it.
func expose(gatherer prometheus.TransactionalGatherer) ([]byte, error) {
	families, done, err := gatherer.Gather()
	defer done()
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
