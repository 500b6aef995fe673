package statuspage

import (
	"strings"

	"cckm_sync_exporter/collector/state"
)

// The tones of a verdict that are not a severity.
const (
	toneFine    = "fine"
	tonePending = "pending"
)

// judge returns the summary of all lists and scopes, worst first, and its tone: the worst severity, toneFine
// if every list was read and no scope needs attention, else tonePending.
func judge(s *survey) (verdict []string, tone string) {
	if verdict, severity := countProblems(s); len(verdict) > 0 {
		return verdict, string(severity)
	}
	waiting := s.lists[state.Waiting] + s.lists[state.Reading]
	switch {
	case s.lists == [state.NumListStates]int{}:
		return []string{"No list is enabled"}, string(state.Critical)
	case s.lists[state.Readable] == 0:
		verdict, tone = []string{"Nothing read yet"}, tonePending
	case s.counts.all == s.withoutJobs && s.forgotten > 0:
		verdict, tone = []string{"No recent jobs in any list"}, tonePending
	case s.counts.all == s.withoutJobs:
		verdict, tone = []string{"No jobs in any list"}, tonePending
	case s.counts.byState[state.InSync]+s.counts.byState[state.Running] == 0:
		verdict, tone = []string{"No registered key ring or vault has jobs"}, tonePending
	default:
		for _, each := range [...]state.State{state.InSync, state.Running, state.Removed} {
			if n := s.counts.byState[each]; n > 0 {
				verdict = append(verdict, number(n)+" "+strings.ToLower(each.Info().Name))
			}
		}
		tone = tonePending
		if waiting == 0 {
			verdict[0], tone = "All is well: "+verdict[0], toneFine
		}
	}
	for _, l := range [...]state.ListState{state.Waiting, state.Reading, state.Unasked} {
		if n := s.lists[l]; n > 0 {
			verdict = append(verdict, count(n, "list")+" "+strings.ToLower(l.Info().Name))
		}
	}
	return verdict, tone
}

// countProblems returns the counts of lists and scopes that need attention, and their worst severity.
func countProblems(s *survey) (found []string, worst state.Severity) {
	worst = state.Warning
	if s.critical {
		worst = state.Critical
	}
	for _, l := range [...]state.ListState{state.Unreadable, state.OutOfDate} {
		if n := s.lists[l]; n > 0 {
			found = append(found, count(n, "list")+" "+strings.ToLower(l.Info().Name))
		}
	}
	for _, each := range state.All() {
		info := each.Info()
		n := s.counts.byState[each]
		if info.Severity == state.None || n == 0 {
			continue
		}
		found = append(found, number(n)+" "+strings.ToLower(info.Name))
		if info.Severity == state.Critical {
			worst = state.Critical
		}
	}
	if n := s.unreadableSources; n > 0 {
		found = append(found, count(n, "source")+" unreadable")
	}
	return found, worst
}
