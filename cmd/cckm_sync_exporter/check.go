package main

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/doctor"
	"cckm_sync_exporter/collector/target"
)

// unhealthyError ends check where a step failed. The lines of the steps have
// said everything, so that it says nothing.
type unhealthyError struct{}

// Error implements error.
func (unhealthyError) Error() string { return "" }

// check is the doctor: it tries step by step whether the lists can be read.
func check(ctx context.Context, s *settings, logs logs, out io.Writer) error {
	if err := s.validate(); err != nil {
		reportSettings(out, err)
		return unhealthyError{}
	}
	configs, err := s.targets()
	if err != nil {
		reportSettings(out, err)
		return unhealthyError{}
	}
	e, err := newExporter(configs, logs.kit) //nolint:contextcheck // Removals outlive what asks for them.
	if err != nil {
		reportSettings(out, err)
		return unhealthyError{}
	}
	s.tellIgnored(logs.kit)
	defer e.closeAfter(ctx)
	targets := e.targets.All()
	lists := 0
	for _, t := range targets {
		lists += len(t.Config.Lists)
	}
	summary := fmt.Sprintf("%d lists enabled", lists)
	if s.several() {
		summary = fmt.Sprintf("%d targets, %s", len(targets), summary)
	}
	doctor.Report(out, "settings", summary, nil)
	for _, t := range targets {
		if t.Client().ShortPassword() {
			doctor.Remark(out, doctor.StepOf(t.Config.Name, "settings"), ciphertrust.ShortPasswordText, ciphertrust.ShortPasswordRemedy)
		}
		for _, file := range t.Client().Exposed() {
			doctor.Remark(out, doctor.StepOf(t.Config.Name, "settings"), file.String(), file.Remedy())
		}
	}
	if s.offline {
		return nil
	}
	if !examine(ctx, targets, out) {
		return unhealthyError{}
	}
	return nil
}

// examine tries all targets side by side, so that those which hang cost their time
// once, and tells of them one after another.
func examine(ctx context.Context, targets []*target.Target, out io.Writer) (healthy bool) {
	type report struct {
		text    bytes.Buffer
		healthy bool
	}
	reports := make([]chan *report, len(targets))
	for i, t := range targets {
		reports[i] = make(chan *report, 1)
		go func() {
			r := &report{}
			patient := doctor.Doctor{Client: t.Client(), Target: t.Config.Name, Timeout: t.Config.Timeout, Hint: t.Hint, Out: &r.text}
			for j, reader := range t.Lists() {
				patient.Lists = append(patient.Lists, doctor.List{Name: t.Config.Lists[j].Name, First: reader.Total})
			}
			r.healthy = patient.Check(ctx)
			reports[i] <- r
		}()
	}
	healthy = true
	for _, done := range reports {
		r := <-done
		// Where the report cannot be printed, there is nobody to tell.
		_, _ = r.text.WriteTo(out)
		healthy = healthy && r.healthy
	}
	return healthy
}

// reportSettings writes a line for each thing that is wrong with the settings.
func reportSettings(out io.Writer, err error) {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range several.Unwrap() {
			reportSettings(out, err)
		}
		return
	}
	doctor.Report(out, "settings", "", err)
}
