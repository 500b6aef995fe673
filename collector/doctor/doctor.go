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

// Source is a list to check, or a source beside the lists, such as the schedules.
type Source struct {
	Name string
	// Flag enables a source beside the lists. AccessHint is the hint for a user who must not read it.
	Flag, AccessHint string
	// Read reads its first page and returns how many records it has.
	Read func(context.Context) (total int, err error)
}

// Doctor checks a target.
type Doctor struct {
	Client Client
	// Target names the appliance or domain if there are several. It precedes the
	// name of each step.
	Target string
	// Lists are the enabled lists.
	Lists []Source
	// Disabled are the other lists. They are read only to find those with jobs.
	Disabled []Source
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
		d.check(ctx, "list "+d.Lists[i].Name, &d.Lists[i],
			"no jobs in the list: nothing was ever synchronized, or the user may not see its containers", "if there should be jobs, ")
	}
	d.checkDisabled(ctx)
	for i := range d.Sources {
		d.check(ctx, d.Sources[i].Name, &d.Sources[i], "there are no records, or the user may not see them", "if there should be some, ")
	}
	d.checkDisabledSources(ctx)
}

// check reports whether a source can be read. empty is the warning if it has no records, and condition precedes
// its hint.
func (d *Doctor) check(ctx context.Context, step string, source *Source, empty, condition string) {
	switch total, err := d.read(ctx, source); {
	case err != nil:
		d.fail(step, err)
	case total == 0:
		d.warn(step, empty, condition+source.AccessHint)
	default:
		d.ok(step, fmt.Sprintf("total %d", total))
	}
}

// checkDisabledSources reports which sources could be enabled. It is no problem if the user may not read
// them.
func (d *Doctor) checkDisabledSources(ctx context.Context) {
	var readable []string
	flags := map[string]bool{}
	for i := range d.DisabledSources {
		source := &d.DisabledSources[i]
		if total, err := d.read(ctx, source); err == nil && total > 0 {
			readable = append(readable, fmt.Sprintf("%s (total %d)", source.Name, total))
			flags[source.Flag] = true
		}
	}
	if len(readable) > 0 {
		d.ok("not enabled", d.hint(fmt.Sprintf("%s can be read, too: give %s", strings.Join(readable, ", "), strings.Join(slices.Sorted(maps.Keys(flags)), " and "))))
	}
}

// checkDisabled searches for lists that have jobs and are not enabled. It is no problem if the appliance
// does not have a list, or does not let the user read it.
func (d *Doctor) checkDisabled(ctx context.Context) {
	const step = "lists not enabled"
	var names, found []string
	for i := range d.Disabled {
		list := &d.Disabled[i]
		total, err := d.read(ctx, list)
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

func (d *Doctor) read(ctx context.Context, source *Source) (total int, err error) {
	err = d.step(ctx, func(ctx context.Context) (err error) {
		total, err = source.Read(ctx)
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
