package grafana

import (
	"fmt"
	"strings"

	"cckm_sync_exporter/collector/reason"
)

// Label matchers: what the user chose of exporters, of their lists, and of the
// key rings and vaults in them.
const (
	ofExporter = `job=~"$job", instance=~"$instance"`
	ofList     = ofExporter + `, cloud=~"$cloud", item=~"$item"`
	ofScope    = ofList + `, scope="$scope"`
)

// What is counted once. A key ring or vault is the same one whichever exporter
// reports it, because its identifier is unique in its cloud. A list is a different
// one for each exporter, because it belongs to another appliance.
const (
	eachScope     = "cloud, item, scope"
	eachScopeSeen = "instance, cloud, item, scope"
	eachList      = "instance, cloud, item"
)

// selection makes queries for what the user chose, each answer standing for one
// of by. If several series describe the same one, the worst counts, so that a second
// Prometheus or exporter does not double a number or hide a failure.
type selection struct {
	matchers, by string
}

// series selects a metric, with further matchers or none.
func (s selection) series(name string, further ...string) string {
	return "cckm_sync_" + name + "{" + strings.Join(append([]string{s.matchers}, further...), ", ") + "}"
}

// of aggregates a metric, with further matchers or none.
func (s selection) of(aggregation, name string, further ...string) string {
	return fmt.Sprintf("%s by (%s) (%s)", aggregation, s.by, s.series(name, further...))
}

// known is 1 for all there are.
func (s selection) known() string { return s.of("group", "scope_info") }

// sinceSuccess is the time since the last success, for those that have one.
func (s selection) sinceSuccess() string {
	return "time() - " + s.of("min", "scope_last_success_timestamp_seconds")
}

// sinceSuccessOrEver is the same, and +Inf for those that never succeeded.
func (s selection) sinceSuccessOrEver() string {
	return s.sinceSuccess() + "\nor " + s.known() + " * Inf"
}

func (s selection) neverSucceeded() string {
	return s.known() + "\n  unless " + s.of("group", "scope_last_success_timestamp_seconds")
}

func (s selection) inProgressAge() string { return s.of("max", "scope_in_progress_age_seconds") }

// isFailed, isStuck and isOverdue are 1 or 0.
func (s selection) isFailed() string { return s.of("max", "scope_last_result", `result="failed"`) }

func (s selection) isStuck() string { return s.inProgressAge() + " > bool $stuck * 3600" }

func (s selection) isOverdue() string { return s.sinceSuccess() + " > bool $overdue * 3600" }

// lastResult is the number of the result of the newest finished job.
func (s selection) lastResult() string { return s.state("scope_last_result", "result") }

// newestStatus is the number of the status of the newest job.
func (s selection) newestStatus() string { return s.state("scope_status", "status") }

// state turns a state set into the number of the worst state that holds.
func (s selection) state(name, label string) string {
	states := []string{"completed", "in_progress", "aborted", "unknown", "failed"}
	var terms []string
	for i, state := range states {
		if label == "result" && state == "in_progress" {
			continue // A finished job is not in progress.
		}
		terms = append(terms, fmt.Sprintf("%d * %s", i+codeCompleted, s.series(name, label+`="`+state+`"`)))
	}
	return fmt.Sprintf("max by (%s) (\n  %s\n)", s.by, strings.Join(terms, "\n  or "))
}

// verdict is the number of the worst of what is wrong.
func (s selection) verdict() string {
	terms := []string{
		fmt.Sprintf("(%s) * %d", s.neverSucceeded(), never),
		fmt.Sprintf("(%s == 1) * %d", parenthesized(s.isOverdue()), overdue),
		fmt.Sprintf("(%s == 1) * %d", parenthesized(s.isStuck()), stuck),
		fmt.Sprintf("(%s == 1) * %d", s.isFailed(), failed),
		fmt.Sprintf("(%s == 1) * %d", s.of("max", "scope_last_result", `result=~"aborted|unknown"`), abortedOrUnknown),
		fmt.Sprintf("%s * %d", s.known(), inStep),
	}
	return strings.Join(terms, "\nor ")
}

// readState is 0 for a list that was read, else the number of the reason.
func (s selection) readState() string {
	reasons := reason.All()
	terms := make([]string, 0, len(reasons))
	for i, r := range reasons {
		terms = append(terms, fmt.Sprintf("%d * %s", i+1, s.series("scrape_error", `reason="`+string(r)+`"`)))
	}
	return fmt.Sprintf("max by (%s) (\n  %s\n)", s.by, strings.Join(terms, "\n  or "))
}

// silent is the number for lists of exporters that do not answer Prometheus now
// and reported the list within the board's time range.
func (s selection) silent() string {
	return fmt.Sprintf("%d * group by (%s) (present_over_time(%s[$__range]))\n  and on (instance) max by (instance) (up{%s}) == 0",
		codeSilent(), s.by, s.series("up"), ofExporter)
}

// successRate is the share of the results over the board's time that are
// successes, for each of a group of by. It is NaN if nothing finished.
func (s selection) successRate(group string) string {
	return sumBy(group, s.newResults(`status="completed"`)) + "\n/\n" +
		sumBy(group, s.newResults(`status!="in_progress"`))
}

// newResults counts the jobs that finished within the board's time range. An appliance
// that deletes old jobs lowers its counts, which must not reduce those of others.
func (s selection) newResults(status string) string {
	return fmt.Sprintf("clamp_min(max by (%s, status) (delta(%s[$__range])), 0)", s.by, s.series("scope_jobs", status))
}

// resultsPerInterval counts the jobs that finished in each interval, by result.
func (s selection) resultsPerInterval() string {
	jobs := s.series("scope_jobs", `status!="in_progress"`)
	return fmt.Sprintf("sum by (status) (clamp_min(\n  max by (%s, status) (%s - %s offset $__interval), 0\n))", s.by, jobs, jobs)
}

// sumBy counts by group; an empty group counts all.
func sumBy(group, expr string) string {
	if group == "" {
		return "sum(" + expr + ")"
	}
	return "sum by (" + group + ") (" + expr + ")"
}

func parenthesized(expr string) string { return "(" + expr + ")" }

// countNever counts those that never succeeded, 0 if all did.
func (s selection) countNever(group string) string {
	return sumBy(group, s.neverSucceeded()) + "\nor 0 * " + sumBy(group, s.known())
}

// unreadable is the number of lists that could not be read.
func unreadable(s selection, group string) string {
	return sumBy(group, s.of("min", "up")+" == bool 0")
}

// down counts the targets that do not answer Prometheus and had one of the metrics
// within the board's time range.
func down(metrics ...string) string {
	seen := make([]string, 0, len(metrics))
	for _, name := range metrics {
		seen = append(seen, "present_over_time("+name+"{"+ofExporter+"}[$__range])")
	}
	return `sum(
  (max by (job, instance) (up{` + ofExporter + `}) == bool 0)
  and on (job, instance) (` + strings.Join(seen, " or ") + `)
)`
}
