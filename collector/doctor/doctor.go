// Package doctor tries out, step by step, whether an appliance's lists can be
// read, and says for each step that fails what to do about it.
package doctor

import (
	"context"
	"fmt"
	"io"
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
}

// List is a list that is to be tried.
type List struct {
	Name string
	// First reads the first page and returns how many records the list has.
	First func(context.Context) (total int, err error)
}

// Doctor tries an appliance out.
type Doctor struct {
	Client Client
	// Target names the appliance or domain where there are several; it comes before
	// the name of each step.
	Target string
	Lists  []List
	// Timeout bounds each step.
	Timeout time.Duration
	// Hint rewrites the advice about a failed step for the target's configuration;
	// nil leaves it as it is.
	Hint func(hint string) string
	// Out gets a line for each step.
	Out io.Writer
}

// Check tries to connect, to log in and to read the first page of each list.
// It returns whether all of it worked. A step that needs one that failed is not
// tried.
func (d *Doctor) Check(ctx context.Context) bool {
	err := d.step(ctx, d.Client.Login)
	if err != nil && !answered(err) {
		d.report("connect", "", err)
		return false
	}
	d.report("connect", d.Client.URL(), nil)
	if err != nil {
		d.report("login", "", err)
		return false
	}
	detail := ""
	if expiry, ok := d.Client.TokenExpiry(); ok {
		detail = "token until " + expiry.UTC().Format(time.RFC3339)
	}
	d.report("login", detail, nil)

	healthy := true
	for _, list := range d.Lists {
		total := 0
		err := d.step(ctx, func(ctx context.Context) (err error) {
			total, err = list.First(ctx)
			return err
		})
		d.report("list "+list.Name, fmt.Sprintf("total %d", total), err)
		healthy = healthy && err == nil
	}
	return healthy
}

func (d *Doctor) report(step, detail string, err error) {
	if err != nil && d.Hint != nil {
		err = reason.New(reason.Of(err), err, d.Hint(reason.RemedyOf(err)))
	}
	Report(d.Out, StepOf(d.Target, step), detail, err)
}

// StepOf names a step that is about a target, which has no name where it is the
// only one.
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

// answered says whether a login failed by an answer, so that the connection
// itself is good.
func answered(err error) bool {
	switch reason.Of(err) {
	case reason.TLS, reason.Network, reason.Timeout:
		return false
	case reason.Auth, reason.Forbidden, reason.NotFound, reason.Server, reason.Decode, reason.Inconsistent, reason.Other:
		return true
	}
	return true
}

// Remark writes a line about a step that works and is not as it should be, and
// on a line of its own what to do about it.
func Remark(out io.Writer, step, text, remedy string) {
	_, _ = fmt.Fprintf(out, "WARN  %s: %s\n      to do: %s\n", step, text, remedy)
}

// Report writes the line of a step: "ok" with what there is to know, or "FAIL"
// with the reason and, on a line of its own, what to do about it.
func Report(out io.Writer, step, detail string, err error) {
	line := "ok    " + step
	switch {
	case err != nil:
		line = fmt.Sprintf("FAIL  %s: %s: %s", step, reason.Of(err), err)
		if remedy := reason.RemedyOf(err); remedy != "" {
			line += "\n      to do: " + remedy
		}
	case detail != "":
		line += ": " + detail
	}
	// Where the report cannot be printed, there is nobody to tell.
	_, _ = fmt.Fprintln(out, line)
}
