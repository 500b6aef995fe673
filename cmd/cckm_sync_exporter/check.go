package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"cckm_sync_exporter/collector/config"
	"cckm_sync_exporter/collector/doctor"
	"cckm_sync_exporter/collector/joblist"
	"cckm_sync_exporter/collector/sources"
	"cckm_sync_exporter/collector/syncjob"
	"cckm_sync_exporter/collector/targets"
)

// errUnhealthy ends check after a step that failed. It has no text, because the report has it.
var errUnhealthy = errors.New("")

// check validates everything that serve needs, and checks each target step by step.
func check(ctx context.Context, s *settings, logs logs, out io.Writer) error {
	report := doctor.NewReport(out)
	targets := s.check(ctx, logs, report, out)
	report.Summarize(targets)
	if !report.Healthy() {
		return errUnhealthy
	}
	return nil
}

// check reports each step, and returns the number of targets, or 0 if it is not known.
func (s *settings) check(ctx context.Context, logs logs, report *doctor.Report, out io.Writer) int {
	if err := s.validateListening(ctx); err != nil {
		failEach(report, "web", err)
	} else {
		report.OK("web", s.listensOn())
	}
	if problems := s.problems(); len(problems) > 0 {
		failEach(report, "settings", errors.Join(problems...))
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
	summary := doctor.Count(lists, "list") + " enabled"
	if s.several() {
		summary = doctor.Count(len(targets), "target") + ", " + summary
	}
	report.OK("settings", summary)
	for _, t := range targets {
		step := doctor.StepOf(t.Config.Name, "settings")
		for _, warning := range t.Client().Warnings(ctx) {
			report.Warn(step, warning.Text, warning.Hint)
		}
	}
	if !s.offline {
		s.connect(ctx, targets, report, out)
	}
	return len(targets)
}

// connect checks the targets at the same time, and reports them in their order. The login guard that
// they share ensures that a rejected password is sent once.
func (s *settings) connect(ctx context.Context, targets []*targets.Target, report *doctor.Report, out io.Writer) {
	texts := make([]bytes.Buffer, len(targets))
	reports := make([]*doctor.Report, len(targets))
	checks := make([]sync.WaitGroup, len(targets))
	for i, t := range targets {
		reports[i] = doctor.NewReport(&texts[i])
		checks[i].Go(func() { s.doctorOf(t, reports[i]).Check(ctx) })
	}
	for i := range targets {
		checks[i].Wait()
		_, _ = texts[i].WriteTo(out)
		report.Add(reports[i])
	}
}

// probePageSize is the page size for lists that are not enabled: the API's default, which no appliance
// rejects.
const probePageSize = 10

func (s *settings) doctorOf(t *targets.Target, report *doctor.Report) *doctor.Doctor {
	d := &doctor.Doctor{Client: t.Client(), Target: t.Config.Name, Timeout: t.Config.Timeout, Hint: t.Hint, Report: report}
	enabled := make([]string, 0, len(t.Config.Lists))
	for i, reader := range t.Lists() {
		list := t.Config.Lists[i]
		enabled = append(enabled, list.Name)
		d.Lists = append(d.Lists, doctor.Source{Name: list.Name, AccessHint: list.AccessHint(), Read: reader.Total})
	}
	for _, list := range syncjob.Lists() {
		if !slices.Contains(enabled, list.Name) {
			reader := joblist.NewReader(list, t.Client(), joblist.Options{PageSize: probePageSize, Redact: t.Client().Redact})
			d.Disabled = append(d.Disabled, doctor.Source{Name: list.Name, AccessHint: list.AccessHint(), Read: reader.Total})
		}
	}
	// Both are read, to report whether they could be enabled.
	reader := sources.New(t.Client(), sources.Options{
		Schedules: true, Inventory: true, Lists: t.Config.Lists, PageSize: t.Config.PageSize, Redact: t.Client().Redact,
	})
	for _, probe := range reader.Probes() {
		source := doctor.Source{Name: probe.Name, Flag: "--collector." + config.SourceInventory, AccessHint: probe.AccessHint, Read: probe.Read}
		enabled := t.Config.Inventory
		if probe.Name == sources.Schedules {
			source.Flag, enabled = "--collector."+config.SourceSchedules, t.Config.Schedules
		}
		if enabled {
			d.Sources = append(d.Sources, source)
		} else {
			d.DisabledSources = append(d.DisabledSources, source)
		}
	}
	d.EnableHint = func(names []string) string {
		if s.configFile != "" {
			enabled := slices.Clone(enabled)
			if t.Config.Schedules {
				names = append(names, config.SourceSchedules)
			}
			if t.Config.Inventory {
				names = append(names, config.SourceInventory)
			}
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
