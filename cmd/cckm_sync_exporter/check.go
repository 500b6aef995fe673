package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"cckm_sync_exporter/collector/doctor"
	"cckm_sync_exporter/collector/joblist"
	"cckm_sync_exporter/collector/syncjob"
	"cckm_sync_exporter/collector/targets"
)

// unhealthyError ends check after a step that failed. It has no text, because the
// lines of the steps have said everything.
type unhealthyError struct{}

// Error implements error.
func (unhealthyError) Error() string { return "" }

// check validates everything that serve needs, and checks each target step by step.
func check(ctx context.Context, s *settings, logs logs, out io.Writer) error {
	report := doctor.NewReport(out)
	targets := s.check(ctx, logs, report, out)
	report.Summarize(targets)
	if !report.Healthy() {
		return unhealthyError{}
	}
	return nil
}

// check returns the number of targets, or 0 if it is not known.
func (s *settings) check(ctx context.Context, logs logs, report *doctor.Report, out io.Writer) int {
	if err := s.validateListening(ctx); err != nil {
		failEach(report, "web", err)
	} else {
		report.OK("web", s.listensOn())
	}
	if err := s.validate(); err != nil {
		failEach(report, "settings", err)
		return 0
	}
	configs, err := s.targets()
	if err != nil {
		failEach(report, "settings", err)
		return 0
	}
	e, err := newExporter(configs, logs.kit, false) //nolint:contextcheck // Removals outlive what asks for them.
	if err != nil {
		failEach(report, "settings", err)
		return len(configs)
	}
	s.warnIgnoredEnv(logs.kit)
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
	report.OK("settings", summary)
	for _, t := range targets {
		step := doctor.StepOf(t.Config.Name, "settings")
		for _, warning := range t.Client().Warnings(ctx) {
			report.Warn(step, warning.Text, warning.Hint)
		}
	}
	if !s.offline {
		s.examine(ctx, targets, report, out)
	}
	return len(targets)
}

// examine checks the targets, and reports them in their order. Targets that log in
// alike are checked one after another, so that a rejected password is known before
// it is sent again. The others are checked at the same time, so that several that
// hang cost their timeout once.
func (s *settings) examine(ctx context.Context, targets []*targets.Target, report *doctor.Report, out io.Writer) {
	type result struct {
		text   bytes.Buffer
		report *doctor.Report
	}
	type login struct{ url, username, clientID, authDomain, connection string }
	results := make([]chan *result, len(targets))
	alike := map[login][]int{}
	for i, t := range targets {
		results[i] = make(chan *result, 1)
		c := t.Config.Credentials
		l := login{t.Client().URL(), c.Username, c.ClientID, c.AuthDomain, c.Connection}
		alike[l] = append(alike[l], i)
	}
	for _, group := range alike {
		go func() {
			for _, i := range group {
				r := &result{}
				r.report = doctor.NewReport(&r.text)
				s.doctorOf(targets[i], r.report).Check(ctx)
				results[i] <- r
			}
		}()
	}
	for _, done := range results {
		r := <-done
		_, _ = r.text.WriteTo(out)
		report.Add(r.report)
	}
}

// probePageSize is the page size for lists that are not enabled. It is the API's
// default, which no appliance rejects, and few records are read in vain.
const probePageSize = 10

func (s *settings) doctorOf(t *targets.Target, report *doctor.Report) *doctor.Doctor {
	d := &doctor.Doctor{Client: t.Client(), Target: t.Config.Name, Timeout: t.Config.Timeout, Hint: t.Hint, Report: report}
	enabled := make([]string, 0, len(t.Config.Lists))
	for i, reader := range t.Lists() {
		list := t.Config.Lists[i]
		enabled = append(enabled, list.Name)
		d.Lists = append(d.Lists, doctor.List{List: list, First: reader.Total})
	}
	for _, list := range syncjob.Lists() {
		if !slices.Contains(enabled, list.Name) {
			reader := joblist.NewReader(list, t.Client(), joblist.Options{PageSize: probePageSize, Redact: t.Client().Redact})
			d.Disabled = append(d.Disabled, doctor.List{List: list, First: reader.Total})
		}
	}
	d.EnableHint = func(names []string) string {
		if s.configFile != "" {
			return fmt.Sprintf("to read them, set collectors of the target %s in %s to [%s]",
				t.Config.Name, s.configFile, strings.Join(append(enabled, names...), ", "))
		}
		return "to read them, give --collector." + strings.Join(names, " --collector.")
	}
	return d
}

// failEach reports each of the errors that err joins.
func failEach(report *doctor.Report, step string, err error) {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range several.Unwrap() {
			failEach(report, step, err)
		}
		return
	}
	report.Fail(step, err)
}
