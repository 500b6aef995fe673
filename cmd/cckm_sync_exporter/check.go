package main

import (
	"context"
	"fmt"
	"io"

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
	e, err := newExporter(s, logs.kit)
	if err != nil {
		reportSettings(out, err)
		return unhealthyError{}
	}
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
		for _, file := range t.Client().Exposed() {
			doctor.Remark(out, step(t, "settings"), file.String(), file.Remedy())
		}
	}
	if s.offline {
		return nil
	}
	healthy := true
	for _, t := range targets {
		patient := doctor.Doctor{Client: t.Client(), Target: t.Config.Name, Timeout: t.Config.Timeout, Out: out}
		for i, reader := range t.Readers() {
			patient.Lists = append(patient.Lists, doctor.List{Name: t.Config.Lists[i].Name, First: reader.First})
		}
		healthy = patient.Check(ctx) && healthy
	}
	if !healthy {
		return unhealthyError{}
	}
	return nil
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

// step names a step that is about a target.
func step(t *target.Target, name string) string {
	if t.Config.Name == "" {
		return name
	}
	return t.Config.Name + " " + name
}
