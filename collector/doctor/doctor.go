// Package doctor checks step by step whether an appliance's lists can be read, and
// gives a hint for each step that fails.
package doctor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

// Client is the appliance's client. ciphertrust.Client is one.
type Client interface {
	// URL returns the appliance's address.
	URL() string
	// Login gets a token. Its errors carry a reason.Reason.
	Login(ctx context.Context) error
	// TokenExpiry returns when the token expires, and false without one.
	TokenExpiry() (time.Time, bool)
	// ClockCorrection returns by how much the appliance's clock is ahead of this host's, or 0 if
	// that is negligible.
	ClockCorrection() time.Duration
}

// List is a list to check.
type List struct {
	syncjob.List

	// First reads the first page and returns how many records the list has.
	First func(context.Context) (total int, err error)
}

// Source is a source beside the lists, such as the schedules.
type Source struct {
	Name string
	// Flag enables it, and AccessHint is the hint for a user who must not read it.
	Flag, AccessHint string
	// Read reads it and returns how many records it has.
	Read func(context.Context) (records int, err error)
}

// Doctor checks a target.
type Doctor struct {
	Client Client
	// Target names the appliance or domain if there are several. It precedes the
	// name of each step.
	Target string
	// Lists are the enabled lists.
	Lists []List
	// Disabled are the other lists. They are read only to find those with jobs.
	Disabled []List
	// Sources are the enabled sources beside the lists, and DisabledSources the others.
	Sources, DisabledSources []Source
	// EnableHint returns how to enable disabled lists.
	EnableHint func(names []string) string
	// Timeout bounds each step.
	Timeout time.Duration
	// Hint rewrites the hint about a failed step for the target's configuration. It may
	// be nil.
	Hint func(hint string) string
	// Report gets each step.
	Report *Report
}

// Check connects, logs in and reads the first page of each list. A step that
// depends on one that failed is skipped.
func (d *Doctor) Check(ctx context.Context) {
	err := d.step(ctx, d.Client.Login)
	if err != nil && !answered(err) {
		d.fail("connect", err)
		return
	}
	d.ok("connect", d.Client.URL())
	if err != nil {
		d.fail("login", err)
		return
	}
	detail := ""
	if expiry, ok := d.Client.TokenExpiry(); ok {
		detail = "token until " + expiry.UTC().Format(time.RFC3339)
	}
	d.ok("login", detail)
	if offset := d.Client.ClockCorrection().Round(time.Second); offset != 0 {
		direction := "ahead of"
		if offset < 0 {
			direction = "behind"
		}
		d.warn("clock", fmt.Sprintf("the appliance's clock is %s %s this host's", offset.Abs(), direction), "set NTP on the appliance, or on this host if its clock is wrong")
	}
	for i := range d.Lists {
		d.checkList(ctx, &d.Lists[i])
	}
	d.checkDisabled(ctx)
	for i := range d.Sources {
		switch records, err := d.read(ctx, &d.Sources[i]); {
		case err != nil:
			d.fail(d.Sources[i].Name, err)
		case records == 0:
			d.warn(d.Sources[i].Name, "there are no records, or the user may not see them", "if there should be some, "+d.Sources[i].AccessHint)
		default:
			d.ok(d.Sources[i].Name, fmt.Sprintf("total %d", records))
		}
	}
	d.checkDisabledSources(ctx)
}

// checkDisabledSources reports which sources could be enabled. It is no problem if the user may not read
// them.
func (d *Doctor) checkDisabledSources(ctx context.Context) {
	var readable []string
	flags := map[string]bool{}
	for i := range d.DisabledSources {
		source := &d.DisabledSources[i]
		if records, err := d.read(ctx, source); err == nil && records > 0 {
			readable = append(readable, fmt.Sprintf("%s (total %d)", source.Name, records))
			flags[source.Flag] = true
		}
	}
	if len(readable) > 0 {
		d.ok("not enabled", d.hint(fmt.Sprintf("%s can be read, too: give %s", strings.Join(readable, ", "), strings.Join(slices.Sorted(maps.Keys(flags)), " and "))))
	}
}

func (d *Doctor) read(ctx context.Context, source *Source) (records int, err error) {
	err = d.step(ctx, func(ctx context.Context) (err error) {
		records, err = source.Read(ctx)
		return err
	})
	return records, err
}

func (d *Doctor) checkList(ctx context.Context, list *List) {
	step := "list " + list.Name
	switch total, err := d.first(ctx, list); {
	case err != nil:
		d.fail(step, err)
	case total == 0:
		d.warn(step, "no jobs in the list: nothing was ever synchronized, or the user may not see its containers",
			"if there should be jobs, "+list.AccessHint())
	default:
		d.ok(step, fmt.Sprintf("total %d", total))
	}
}

// checkDisabled searches for lists that have jobs and are not enabled. It is no problem if the appliance
// does not have a list, or does not let the user read it.
func (d *Doctor) checkDisabled(ctx context.Context) {
	const step = "lists not enabled"
	var names, found []string
	for i := range d.Disabled {
		list := &d.Disabled[i]
		total, err := d.first(ctx, list)
		switch r := reason.Of(err); {
		case err == nil && total > 0:
			names = append(names, list.Name)
			found = append(found, fmt.Sprintf("%s (total %d)", list.Name, total))
		case err != nil && r != reason.NotFound && r != reason.Forbidden:
			// The next list would most likely fail in the same way.
			d.warn(step, fmt.Sprintf("cannot be searched for jobs: %s: %s", r, err), reason.HintOf(err))
			return
		}
	}
	switch {
	case len(found) > 0:
		d.warn(step, "there are jobs that are not read, in "+strings.Join(found, ", "), d.EnableHint(names))
	case len(d.Disabled) > 0:
		d.ok(step, "no jobs found")
	}
}

func (d *Doctor) first(ctx context.Context, list *List) (total int, err error) {
	err = d.step(ctx, func(ctx context.Context) (err error) {
		total, err = list.First(ctx)
		return err
	})
	return total, err
}

func (d *Doctor) ok(step, detail string) { d.Report.OK(StepOf(d.Target, step), detail) }
func (d *Doctor) warn(step, text, hint string) {
	d.Report.Warn(StepOf(d.Target, step), text, d.hint(hint))
}

func (d *Doctor) fail(step string, err error) {
	d.Report.Fail(StepOf(d.Target, step), reason.New(reason.Of(err), err, d.hint(reason.HintOf(err))))
}

func (d *Doctor) hint(hint string) string {
	if d.Hint == nil {
		return hint
	}
	return d.Hint(hint)
}

// StepOf names a step that is about a target. A single target has no name.
func StepOf(target, step string) string {
	if target == "" {
		return step
	}
	return target + " " + step
}

func (d *Doctor) step(ctx context.Context, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	return try(ctx)
}

// answered reports whether a failed login got a response, so that the connection itself works.
func answered(err error) bool {
	return !slices.Contains([]reason.Reason{reason.TLS, reason.Network, reason.Timeout}, reason.Of(err))
}
