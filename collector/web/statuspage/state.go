package statuspage

import (
	"time"

	"cckm_sync_exporter/collector/syncjob"
)

// state is the state of a scope. The order is the page's: worst first.
type state uint8

const (
	// failed: the newest finished job failed for the scope.
	failed state = iota
	// stuck: a job has been in progress for longer than stuckAfter.
	stuck
	// neverSucceeded: jobs have finished for the scope, and none completed.
	neverSucceeded
	// aborted, unknown: the result of the newest finished job.
	aborted
	unknown
	// running: a job is in progress and not stuck.
	running
	// ok: the newest finished job completed.
	ok

	numStates = 7
)

// stateInfo is how the page shows a state.
type stateInfo struct {
	// Key is the state in the query string.
	Key string
	// Word and Symbol are both shown, because a color or a symbol alone is not accessible.
	Word, Symbol string
	// Runbook is the name of the alert with the runbook; empty if there is none.
	Runbook string
	// Todo is advice.
	Todo string
}

// info returns how the state is shown.
func (s state) info() stateInfo {
	switch s {
	case failed:
		return stateInfo{
			"failed", "Failed", "✕", "CCKMSyncFailed",
			"Read the appliance’s words in the row. Check the cloud’s connection on the appliance, then start the synchronization again.",
		}
	case stuck:
		return stateInfo{
			"stuck", "Stuck", "▲", "CCKMSyncStuck",
			"In progress for more than " + duration(stuckAfter("")) + " (Azure: " + duration(stuckAfter("azure")) +
				"), the alert’s default. Look the job up: if its updatedAt still moves it is working; else cancel it and start a new one.",
		}
	case neverSucceeded:
		return stateInfo{
			"never", "Never succeeded", "∅", "CCKMSyncNeverSucceeded",
			"Jobs have ended and none completed. Check the name of the key ring or vault and the permissions of its connection.",
		}
	case aborted:
		return stateInfo{
			"aborted", "Aborted", "■", "CCKMSyncAborted",
			"The last job was cancelled, so nothing was synchronized: start a new one.",
		}
	case unknown:
		return stateInfo{
			"unknown", "Unknown", "?", "CCKMSyncStatusUnknown",
			"The appliance gave a status or text that this version does not know: look the job up.",
		}
	case running:
		return stateInfo{"running", "Running", "►", "", ""}
	case ok:
		return stateInfo{"ok", "OK", "✓", "", ""}
	default:
		return stateInfo{}
	}
}

// states returns every state, worst first.
func states() [numStates]state {
	return [...]state{failed, stuck, neverSucceeded, aborted, unknown, running, ok}
}

// bad reports whether the state needs attention.
func (s state) bad() bool { return s < running }

// stateOf returns the state with a key, if there is one.
func stateOf(key string) (state, bool) {
	for _, s := range states() {
		if s.info().Key == key {
			return s, true
		}
	}
	return 0, false
}

// stuckAfter returns how long a job of a cloud may be in progress before the page shows it as stuck.
// These are the alerts' defaults in deploy/prometheus/cckm_sync_thresholds.yml. The exporter does not
// know whether a user changed them.
func stuckAfter(cloud string) time.Duration {
	if cloud == "azure" {
		return 12 * time.Hour // One job of all vaults takes hours.
	}
	return 2 * time.Hour
}

// isStuck reports whether a scope has a stuck job at a time.
func isStuck(scope *syncjob.Scope, cloud string, at time.Time) bool {
	return !scope.OldestInProgress.IsZero() && at.Sub(scope.OldestInProgress) > stuckAfter(cloud)
}

// judge returns the state of a scope at the time when its list was read.
func judge(scope *syncjob.Scope, cloud string, at time.Time) state {
	switch {
	case scope.Last != nil && scope.Last.Status == syncjob.Failed:
		return failed
	case isStuck(scope, cloud, at):
		return stuck
	// A completed job may have no valid time.
	case scope.Last != nil && scope.Jobs[syncjob.Completed] == 0 && scope.LastSuccess.IsZero():
		return neverSucceeded
	case scope.Last != nil && scope.Last.Status == syncjob.Aborted:
		return aborted
	case scope.Last != nil && scope.Last.Status == syncjob.Unknown, scope.Newest.Status == syncjob.Unknown:
		return unknown
	case scope.Jobs[syncjob.InProgress] > 0:
		return running
	default:
		return ok
	}
}
