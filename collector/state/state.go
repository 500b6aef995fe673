// Package state is the one table of the states of key rings, vaults and lists. The status page, the
// dashboards and the alerts use its names, and its rules are those of the alerts in
// deploy/prometheus/cckm_sync_alerts.yml, so that all of them count the same. The package is pure: it
// reads no clock and does no I/O.
package state

import (
	"math/bits"
	"time"

	"cckm_sync_exporter/collector/plan"
	"cckm_sync_exporter/collector/schedule"
	"cckm_sync_exporter/collector/syncjob"
)

// State is a state of a key ring or vault. The order is worst first: by severity, then as listed.
type State uint8

// The states. A scope has every state whose rule holds, and InSync or Running if none of the others does.
const (
	// Overdue: the last success is longer ago than the threshold.
	Overdue State = iota
	// Failed: the newest finished job failed for the scope, and completed no other.
	Failed
	// PartlyFailed: the newest finished job failed for the scope, and completed another.
	PartlyFailed
	// Stuck: the oldest job in progress is older than the threshold.
	Stuck
	// NeverSucceeded: no job completed, and one finished, or one has been in progress for longer than
	// the threshold. Or there is no job at all, and no refresh, although one was due.
	NeverSucceeded
	// Missed: the newest job is older than the run that was due.
	Missed
	// Aborted: the newest job and the newest finished one are aborted.
	Aborted
	// Unknown: the status of the newest job, or the result of the newest finished one, is unknown.
	Unknown
	// Running: a job is in progress.
	Running
	// InSync: the newest finished job completed.
	InSync
	// Removed: the scope is not registered any more. It has no state with an alert, except Unknown.
	Removed

	// NumStates is how many states there are.
	NumStates = 11
)

// Severity is how urgent a state is: the label severity of its alert.
type Severity string

// The severities. None is that of a state without an alert.
const (
	Critical Severity = "critical"
	Warning  Severity = "warning"
	None     Severity = ""
)

// Info is how a state of a scope or a list is named and shown.
type Info struct {
	// Key is the state in addresses and labels, Name its name for people.
	Key, Name string
	// Symbol is one character that differs from those of the other states.
	Symbol string
	// Severity is that of Alert.
	Severity Severity
	// Alert is the name of the alert with the same rule, and of its runbook; empty if there is none.
	Alert string
	// Meaning is the rule, with the default of its threshold, in a sentence.
	Meaning string
	// Advice is what to do, in sentences; empty if nothing is to be done.
	Advice string
}

// infos are the states in their order.
//
//nolint:gochecknoglobals // An immutable table.
var infos = [NumStates]Info{
	Overdue: {
		"overdue", "Overdue", "!", Critical, "CCKMSyncOverdue",
		"The last success is more than 2 days ago (by default), or two intervals of its schedule and 15 minutes.",
		"If its jobs fail, hang or are aborted, fix that. If no job was started, check its schedule on the appliance. Then start a synchronization.",
	},
	Failed: {
		"failed", "Failed", "✕", Warning, "CCKMSyncFailed",
		"The newest finished job failed for it, and completed no other.",
		"Read the appliance’s text. If many fail with it, check the cloud’s connection on the appliance; if one does, check that it exists " +
			"and what the connection may do in it. Then start the synchronization again.",
	},
	PartlyFailed: {
		"partly_failed", "Partly failed", "◐", Warning, "CCKMSyncPartlyFailed",
		"The newest finished job failed for it, and completed others.",
		"The connection works. Check that this one exists, and what the connection may do in it. " +
			"Then start the synchronization again.",
	},
	Stuck: {
		"stuck", "Stuck", "▲", Warning, "CCKMSyncStuck",
		"A job has been in progress for more than 2 hours, for Azure 12 hours (by default).",
		"Look the job up. If its updatedAt still changes, it is working; otherwise cancel it and start a new one.",
	},
	NeverSucceeded: {
		"never_succeeded", "Never succeeded", "∅", Warning, "CCKMSyncNeverSucceeded",
		"No job has ever completed it.",
		"Check that it exists under this name, and what its connection may do in it. Then start a synchronization and watch it finish.",
	},
	Missed: {
		"missed", "Missed", "◷", Warning, "CCKMSyncMissed",
		"A run of its schedule was due at least 15 minutes ago, and no job was started.",
		"If a job is in progress, it takes longer than the schedule's interval. Otherwise check the schedule on the appliance, and start a synchronization.",
	},
	Aborted: {
		"aborted", "Aborted", "■", Warning, "CCKMSyncAborted",
		"The newest job was canceled before it was complete.",
		"Start a new one.",
	},
	Unknown: {
		"unknown", "Unknown", "?", Warning, "CCKMSyncStatusUnknown",
		"The appliance gave a status or text that this version does not know.",
		"Look the job up, and report the text.",
	},
	Running: {"running", "Running", "►", None, "", "A job is in progress.", ""},
	InSync:  {"in_sync", "In sync", "✓", None, "", "The newest finished job completed it.", ""},
	Removed: {"removed", "Removed", "–", None, "", "It has jobs, and is not registered any more.", ""},
}

// Info returns how the state is named and shown.
func (s State) Info() Info { return infos[s] }

// All returns every state, worst first.
func All() [NumStates]State {
	return [...]State{Overdue, Failed, PartlyFailed, Stuck, NeverSucceeded, Missed, Aborted, Unknown, Running, InSync, Removed}
}

// Named returns the state with a key, and false if there is none.
func Named(key string) (State, bool) {
	for _, s := range All() {
		if s.Info().Key == key {
			return s, true
		}
	}
	return 0, false
}

// Set is a set of states.
type Set uint16

// Has reports whether the set contains a state.
func (s Set) Has(state State) bool { return s&(1<<state) != 0 }

// Worst returns the worst state of a set that is not empty.
func (s Set) Worst() State { return State(bits.TrailingZeros16(uint16(s))) } //nolint:gosec // At most 16.

// States returns the states of the set, worst first.
func (s Set) States() []State {
	states := make([]State, 0, NumStates)
	for _, state := range All() {
		if s.Has(state) {
			states = append(states, state)
		}
	}
	return states
}

// Thresholds are the durations of a list's rules.
type Thresholds struct {
	// Overdue is how long ago the last success may be, Stuck how long a job may be in progress, and
	// NeverSucceeded how long it may be if no job has finished.
	Overdue, Stuck, NeverSucceeded time.Duration
}

// ThresholdsOf returns the defaults for a cloud, which are those of
// deploy/prometheus/cckm_sync_thresholds.yml. The exporter does not know whether a user changed them.
func ThresholdsOf(cloud string) Thresholds {
	t := Thresholds{Overdue: 48 * time.Hour, Stuck: 2 * time.Hour, NeverSucceeded: 24 * time.Hour}
	if cloud == "azure" {
		t.Stuck = 12 * time.Hour // One job of all vaults takes hours.
	}
	return t
}

// Scope is what the states of a key ring or vault depend on.
type Scope struct {
	// Jobs sums up its jobs; nil if there are none.
	Jobs *syncjob.Scope
	// Times are those of its schedules at the present.
	Times schedule.Times
	// Removed is true if the inventory is known and does not have it.
	Removed bool
	// Refreshed is true if the inventory has a time of its last refresh.
	Refreshed bool
}

// ScopeOf returns what decides on the states of a planned scope. now is the present by the appliance's clock.
func ScopeOf(s *plan.Scope, now time.Time) Scope {
	return Scope{Jobs: s.Job, Times: s.Times(now), Removed: s.InventoryKnown && !s.Registered, Refreshed: !s.RefreshedAt.IsZero()}
}

// OfScopes returns the states of each scope of one list. A set can be empty only for a scope without jobs.
// scopes are those that the metrics show, so without forgotten ones, and now is the present by the
// appliance's clock.
func OfScopes(cloud string, scopes []Scope, now time.Time) []Set {
	completed := map[int64]bool{}
	for i := range scopes {
		if s := scopes[i].Jobs; hasResult(s, syncjob.Completed) && !s.Last.FinishedAt.IsZero() {
			completed[s.Last.FinishedAt.UnixMicro()] = true
		}
	}
	thresholds := ThresholdsOf(cloud)
	sets := make([]Set, len(scopes))
	for i := range scopes {
		s := &scopes[i]
		switch {
		case s.Jobs == nil:
			// A scope that was never synchronized cannot have missed a run or be overdue.
			if !s.Removed && !s.Refreshed && !s.Times.Late.IsZero() {
				sets[i] = 1 << NeverSucceeded
			}
		case s.Removed:
			sets[i] = 1 << Removed
			if isUnknown(s.Jobs) {
				sets[i] |= 1 << Unknown
			}
		default:
			sets[i] = ofScope(s.Jobs, s.Times, completed, thresholds, now)
		}
	}
	return sets
}

// ofScope returns the states of a scope with jobs that was not removed. completed has when the jobs finished
// that completed a scope and are its newest finished one. Two scopes share a job if it finished at the same
// microsecond: jobs have no name in the metrics, so the alert recognizes them by that.
func ofScope(s *syncjob.Scope, times schedule.Times, completed map[int64]bool, t Thresholds, now time.Time) Set {
	var set Set
	add := func(state State, holds bool) {
		if holds {
			set |= 1 << state
		}
	}
	var running time.Duration
	if !s.OldestInProgress.IsZero() {
		running = now.Sub(s.OldestInProgress)
	}
	if interval := times.Interval; interval > 0 {
		own := 2*interval + schedule.Grace
		if times.Late.IsZero() {
			// The schedule was changed, and may have been less frequent.
			own = max(own, t.Overdue)
		}
		t.Overdue = own
	}
	add(Overdue, !s.LastSuccess.IsZero() && now.Sub(s.LastSuccess) > t.Overdue)
	if hasResult(s, syncjob.Failed) {
		partly := !s.Last.FinishedAt.IsZero() && completed[s.Last.FinishedAt.UnixMicro()]
		add(PartlyFailed, partly)
		add(Failed, !partly)
	}
	add(Stuck, running > t.Stuck)
	// The count is used because the time of a success may be missing.
	ended := s.Jobs[syncjob.Failed]+s.Jobs[syncjob.Aborted]+s.Jobs[syncjob.Unknown] > 0
	add(NeverSucceeded, s.Jobs[syncjob.Completed] == 0 && (ended || running > t.NeverSucceeded))
	add(Missed, times.Missed(s.Newest.CreatedAt))
	add(Aborted, s.Newest.Status == syncjob.Aborted && hasResult(s, syncjob.Aborted))
	add(Unknown, isUnknown(s))
	switch {
	case set != 0:
	case s.Jobs[syncjob.InProgress] > 0:
		add(Running, true)
	// A job that is in progress for others may already have completed the scope.
	case hasResult(s, syncjob.Completed), s.Newest.Status == syncjob.Completed:
		add(InSync, true)
	default:
		add(Running, true) // A job that is in progress for others has the scope's result.
	}
	return set
}

// isUnknown reports whether the newest job or the newest finished one of a scope has an unknown status.
func isUnknown(s *syncjob.Scope) bool {
	return s.Newest.Status == syncjob.Unknown || hasResult(s, syncjob.Unknown)
}

// hasResult reports whether the newest finished job of a scope has a result for it.
func hasResult(s *syncjob.Scope, result syncjob.Status) bool {
	return s != nil && s.Last != nil && s.Last.Status == result
}
