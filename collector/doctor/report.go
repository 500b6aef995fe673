package doctor

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"cckm_sync_exporter/collector/reason"
)

// Report writes one line per step, with a hint on a line of its own, and counts the
// steps. If out cannot be written to, there is nobody to report that to.
type Report struct {
	out                    io.Writer
	ok, warnings, failures int
}

// NewReport returns an empty report that writes to out.
func NewReport(out io.Writer) *Report { return &Report{out: out} }

// OK reports a step that succeeded. The detail may be empty.
func (r *Report) OK(step, detail string) {
	r.ok++
	if detail != "" {
		step += ": " + detail
	}
	_, _ = fmt.Fprintf(r.out, "ok    %s\n", step)
}

// Warn reports a step that succeeded and needs attention.
func (r *Report) Warn(step, text, hint string) {
	r.warnings++
	_, _ = fmt.Fprintf(r.out, "WARN  %s: %s\n", step, text)
	r.hint(hint)
}

// Fail reports a step that failed, with the reason and the hint if err carries them.
func (r *Report) Fail(step string, err error) {
	r.failures++
	// A parser's error may have several lines.
	text := strings.Join(strings.Fields(err.Error()), " ")
	if _, ok := errors.AsType[*reason.Error](err); ok {
		step += ": " + string(reason.Of(err))
	}
	_, _ = fmt.Fprintf(r.out, "FAIL  %s: %s\n", step, text)
	r.hint(reason.HintOf(err))
}

func (r *Report) hint(text string) {
	if text != "" {
		_, _ = fmt.Fprintf(r.out, "      hint: %s\n", text)
	}
}

// Healthy reports whether no step failed.
func (r *Report) Healthy() bool { return r.failures == 0 }

// Add counts the steps of another report as well.
func (r *Report) Add(other *Report) {
	r.ok += other.ok
	r.warnings += other.warnings
	r.failures += other.failures
}

// Summarize writes how many steps of how many targets went how. The number of
// targets is 0 if it is not known.
func (r *Report) Summarize(targets int) {
	if targets > 0 {
		_, _ = fmt.Fprintf(r.out, "%s: ", Count(targets, "target"))
	}
	_, _ = fmt.Fprintf(r.out, "%d ok, %s, %s\n", r.ok, Count(r.warnings, "warning"), Count(r.failures, "failure"))
}

// Count returns a number of things, such as "1 target" or "2 targets".
func Count(n int, of string) string {
	if n != 1 {
		of += "s"
	}
	return fmt.Sprintf("%d %s", n, of)
}
