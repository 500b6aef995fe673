package grafana

import (
	"fmt"
	"strings"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/state"
)

// Label matchers: what the user chose of exporters, of their lists, and of the
// key rings and vaults in them.
const (
	ofExporter = `job=~"$job", instance=~"$instance"`
	ofList     = ofExporter + `, cloud=~"$cloud", item=~"$item"`
	ofScope    = ofList + `, scope="$scope"`
	// ofAlert also selects alerts without some of the labels: that an exporter is down, or that there is none.
	ofAlert = `alertname=~"CCKMSync.*", job=~"$job|", instance=~"$instance|", cloud=~"$cloud|", item=~"$item|"`
)

// What is counted once: the same labels as an alert has, so that numbers agree, and
// no exporter's view hides another's.
const (
	eachScope = "job, instance, cloud, item, scope"
	eachList  = "job, instance, cloud, item"
	eachAlert = "alertname, severity, job, instance"
)

// selection makes queries for what the user chose: label matchers, and the time if it
// is not that of each point of a graph.
type selection struct{ matchers, at string }

// atEnd asks for the end of the board's time range, once for a whole graph.
func (s selection) atEnd() selection { return selection{s.matchers, " @ end()"} }

// series selects a metric or record, with further matchers or none.
func (s selection) series(name string, further ...string) string {
	return name + "{" + strings.Join(append([]string{s.matchers}, further...), ", ") + "}"
}

// of returns the largest value of a metric for each of by.
func (s selection) of(by, name string) string {
	return fmt.Sprintf("max by (%s) (%s)", by, s.series(name))
}

// recent is the last value of a metric or record within 20 minutes, as in the alerts.
func (s selection) recent(name string) string {
	return "last_over_time(" + s.series(name) + "[20m]" + s.at + ")"
}

// states selects the records of the states of key rings and vaults. Those that are
// in no other state are in sync or running, so each has at least one.
func (s selection) states(further ...string) string {
	return s.series("cckm_sync_scope:state", further...) + s.at
}

func (s selection) in(st state.State) string {
	return s.states(`state="` + st.Info().Key + `"`)
}

// count counts key rings and vaults in a state. It is 0 if there are others, and
// absent if there are none or the rules are not loaded.
func (s selection) count(st state.State) string {
	return "count(" + s.in(st) + ") or 0 * count(" + s.states() + ")"
}

// numbered joins a term for each state, which adds a number to the value of its record.
func (s selection) numbered(states []state.State, number func(state.State) int64, value string) string {
	terms := make([]string, 0, len(states))
	for _, st := range states {
		terms = append(terms, fmt.Sprintf("%d + %s%s", number(st), value, s.in(st)))
	}
	return strings.Join(terms, "\n  or ")
}

// code is the number of a state in queries and mappings: the worse, the greater.
func code(s state.State) int64 { return int64(state.NumStates) - 1 - int64(s) }

// span separates the ranks of two states: it exceeds every age in seconds.
const span = 1_000_000_000

// worst is the code of each key ring's or vault's worst state.
func (s selection) worst() string {
	return fmt.Sprintf("max by (%s) (\n  %s\n)", eachScope, s.codes())
}

// codes are those of all states.
func (s selection) codes() string {
	all := state.All()
	return s.numbered(all[:], code, "0 * ")
}

// rank sorts key rings and vaults by their worst state, then by age: how long the
// oldest job has been in progress for those that are stuck, else how long ago the last
// success was, never being the longest. It is the state's code times span, plus the age.
func (s selection) rank() string {
	var others []state.State
	for _, st := range state.All() {
		if st != state.Stuck {
			others = append(others, st)
		}
	}
	rank := func(st state.State) int64 { return code(st) * span }
	return fmt.Sprintf(`max by (%[1]s) (
  (
  %[2]s
  ) + on (%[1]s) group_left () (
    clamp_max(max by (%[1]s) (%[3]s), %[4]d)
    or %[4]d * group by (%[1]s) (%[5]s)
  )
  or %[6]s
)`, eachScope, s.numbered(others, rank, "0 * "), s.recent("cckm_sync_scope:last_success_age:seconds"), span-1, s.states(),
		s.numbered([]state.State{state.Stuck}, rank, ""))
}

// worstOf20 is worst for the 20 that have the highest ranks now and are in a state with an
// alert. They are selected first: at each point of a graph, the rest costs much less for 20
// than for all.
func (s selection) worstOf20() string {
	all := problems()
	last := all[len(all)-1]
	of20 := fmt.Sprintf("\n  and on (%s) topk(20, %s >= %d)", eachScope, s.atEnd().rank(), code(last)*span)
	return fmt.Sprintf("max by (%s) (\n  (%s)%s\n)\n* on (%s) group_left (name, project) (%s%s)",
		eachScope, s.codes(), of20, eachScope, s.atEnd().names(), of20)
}

// problems are the states with an alert, worst first.
func problems() []state.State {
	var found []state.State
	for _, s := range state.All() {
		if s.Info().Severity != state.None {
			found = append(found, s)
		}
	}
	return found
}

// set is the state.Set of the states with an alert, as a number. It is 0 if there are none.
func (s selection) set() string {
	bit := func(st state.State) int64 { return 1 << st }
	return fmt.Sprintf("sum by (%s) (\n  %s\n  or 0 * %s\n)", eachScope, s.numbered(problems(), bit, "0 * "), s.states(`severity=""`))
}

// filtered leaves only key rings and vaults that have a state which the user chose.
func (s selection) filtered(expr string) string {
	return parenthesized(expr) + "\nand on (" + eachScope + ") " + s.states(`state=~"$state"`)
}

// eachName is each key ring or vault with the parts of its identifier.
const eachName = eachScope + ", kind, name, project, location, subscription"

// names is 1 for each.
func (s selection) names() string {
	return "group by (" + eachName + ") (" + s.recent("cckm_sync_scope_info") + ")"
}

// named adds the parts of the identifiers to the labels of an expression that has eachScope.
func (s selection) named(expr string) string {
	return parenthesized(expr) + "\n* on (" + eachScope + ") group_left (name, project, location, subscription) " + s.names()
}

// sinceSuccess is the time since the last success by the appliance's clock, for
// those that have one.
func (s selection) sinceSuccess() string {
	return "max by (" + eachScope + ") (" + s.recent("cckm_sync_scope:last_success_age:seconds") + ")"
}

// sinceSuccessOrEver is the same, and +Inf for those that never succeeded.
func (s selection) sinceSuccessOrEver() string {
	return s.sinceSuccess() + "\nor group by (" + eachScope + ") (" + s.states() + ") * Inf"
}

// statusNumber is the number of the status that a state set has.
func (s selection) statusNumber(name, label string) string {
	var terms []string
	for i, status := range statuses() {
		if label == "result" && status == "in_progress" {
			continue // A finished job is not in progress.
		}
		terms = append(terms, fmt.Sprintf("%d * %s", i+1, s.series(name, label+`="`+status+`"`)))
	}
	return fmt.Sprintf("max by (%s) (\n  %s\n)", eachScope, strings.Join(terms, "\n  or "))
}

// readState is 0 for a list that was read, else the number of the reason.
func (s selection) readState() string {
	reasons := reason.All()
	terms := make([]string, 0, len(reasons))
	for i, r := range reasons {
		terms = append(terms, fmt.Sprintf("%d * %s", i+1, s.series("cckm_sync_scrape_error", `reason="`+string(r)+`"`)))
	}
	return fmt.Sprintf("max by (%s) (\n  %s\n)", eachList, strings.Join(terms, "\n  or "))
}

// silent is the number for lists that an exporter had within a day, and which is down.
func (s selection) silent() string {
	return fmt.Sprintf("%d * group by (%s) (last_over_time(%s[1d]))\n  and on (job, instance) %s",
		codeSilent(), eachList, s.series("cckm_sync_up"), down())
}

// unreadable are the lists of which CCKMSyncListUnreadable says so.
func (s selection) unreadable() string {
	return s.recent("cckm_sync_up") + " == 0\nunless max_over_time(" + s.series("cckm_sync_up") + "[10m]) == 1"
}

// countUnreadable is 0 if all lists are readable, and absent if there are none.
func (s selection) countUnreadable() string {
	return "count(" + s.unreadable() + ")\nor 0 * count(" + s.recent("cckm_sync_up") + ")"
}

// down are the exporters, or targets of an exporter, of which CCKMSyncExporterDown says so.
func down() string { return "cckm_sync_exporter:up:max_over_time10m{" + ofExporter + "} == 0" }

// countDown is 0 if all are up, and absent if there are none or the rules are not loaded.
func countDown() string {
	return "count(" + down() + ")\nor 0 * count(cckm_sync_exporter:up:max_over_time10m{" + ofExporter + "})"
}

// finished is how many jobs finished for key rings and vaults within each five minutes.
const finished = "cckm_sync_list:finished_scope_jobs:increase5m"

// successRate is the share of the results within the board's time range that are
// successes, for each list or in all. It is NaN if nothing finished.
func (s selection) successRate() string {
	of := func(further ...string) string {
		return "sum(sum_over_time(" + s.series(finished, further...) + "[$__range:5m]))"
	}
	return of(`status="completed"`) + "\n/\n" + of()
}

// firing selects the alerts that fire.
func firing(further string) string {
	return `ALERTS{` + ofAlert + `, alertstate="firing"` + further + `}`
}

// since selects the times since which the condition of the alerts that fire has held.
func since(further string) string {
	return "(ALERTS_FOR_STATE{" + ofAlert + further + "} and ignoring (alertstate) " + firing(further) + ")"
}

// alertRank sorts alerts by severity, then by age: the severity's code times span, plus the
// age. It is 0 if no alert fires, and absent if the rules are not loaded.
func alertRank() string {
	terms := make([]string, 0, len(severities()))
	for i, severity := range severities() {
		terms = append(terms, fmt.Sprintf("%d + (time() - %s)", (i+1)*span, since(`, severity="`+severity+`"`)))
	}
	return fmt.Sprintf("max by (%s) (\n  %s\n)\nor on () label_replace(0 * count(cckm_sync_exporter:up:max_over_time10m{%s}), \"alertname\", \"–\", \"\", \"\")",
		eachAlert, strings.Join(terms, "\n  or "), ofExporter)
}

// alertAdvice is the number of an alert in advice, 0 if it has none there.
func alertAdvice() string {
	terms := make([]string, 0, len(advice()))
	for i, a := range advice() {
		terms = append(terms, fmt.Sprintf("%d * %s", i+1, firing(`, alertname="`+a.Alert+`"`)))
	}
	return fmt.Sprintf("max by (%s) (\n  %s\n  or 0 * %s\n)", eachAlert, strings.Join(terms, "\n  or "), firing(""))
}

func parenthesized(expr string) string { return "(" + expr + ")" }
