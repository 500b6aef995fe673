package main

import (
	"context"
	"fmt"
	"io"

	"cckm_sync_exporter/collector/doctor"
)

// unhealthyError ends check where a step failed. The lines of the steps have
// said everything, so that it says nothing.
type unhealthyError struct{}

// Error implements error.
func (unhealthyError) Error() string { return "" }

// check is the doctor: it tries step by step whether the lists can be read.
func check(ctx context.Context, s *settings, logs logs, out io.Writer) error {
	if err := s.validate(); err != nil {
		doctor.Report(out, "settings", "", err)
		return unhealthyError{}
	}
	e, err := newExporter(s, logs.kit)
	if err != nil {
		doctor.Report(out, "settings", "", err)
		return unhealthyError{}
	}
	defer e.closeAfter(ctx)
	doctor.Report(out, "settings", fmt.Sprintf("%d lists enabled", len(s.lists)), nil)
	for _, file := range e.client.Exposed() {
		doctor.Remark(out, "settings", file.String(), file.Remedy())
	}
	if s.offline {
		return nil
	}
	patient := doctor.Doctor{Client: e.client, Timeout: s.timeout, Out: out}
	for i, list := range s.lists {
		patient.Lists = append(patient.Lists, doctor.List{Name: list.Name, First: e.readers[i].First})
	}
	if !patient.Check(ctx) {
		return unhealthyError{}
	}
	return nil
}
