package statuspage

import (
	"time"

	"cckm_sync_exporter/collector/syncjob"
)

// state is how a scope is, in one word. The order is the page's: worst first.
type state uint8

const (
	// failed says that the newest finished job failed for the scope.
	failed state = iota
	// long says that a job has been in progress for longer than longAfter.
	long
	// never says that jobs have finished for the scope, and that none completed. A
	// first job that is still in progress is no news yet: it is running, or long.
	never
	// aborted and unknown say how the newest finished job ended.
	aborted
	unknown
	// running says that a job is in progress, and not for long.
	running
	// fine says that the newest finished job completed.
	fine

	numStates = 7
)

// stateInfo is what the page says about a state.
type stateInfo struct {
	// Key is the state in the query string.
	Key string
	// Word and Symbol show it; neither colour nor symbol stands alone.
	Word, Symbol string
	// Runbook is the alert whose runbook tells more.
	Runbook string
	// Todo is what to do about it.
	Todo string
}

// info tells how a state is shown and what can be done about it.
func (s state) info() stateInfo {
	switch s {
	case failed:
		return stateInfo{
			"failed", "Failed", "✕", "CCKMSyncFailed",
			"Read the appliance’s words in the row. Check the cloud’s connection on the appliance, then start the synchronization anew.",
		}
	case long:
		return stateInfo{
			"long", "Running long", "▲", "CCKMSyncStuck",
			"In progress for more than " + duration(longAfter("")) + " (Azure: " + duration(longAfter("azure")) +
				"), the alert’s default. Look the job up: if its updatedAt still moves it is working; else cancel it and start a new one.",
		}
	case never:
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
	case fine:
		return stateInfo{"ok", "OK", "✓", "", ""}
	default:
		return stateInfo{}
	}
}

// states returns every state, worst first.
func states() [numStates]state {
	return [...]state{failed, long, never, aborted, unknown, running, fine}
}

// bad says whether somebody has to do something.
func (s state) bad() bool { return s < running }

// stateOf returns the state with a key of the query string.
func stateOf(key string) (state, bool) {
	for _, s := range states() {
		if s.info().Key == key {
			return s, true
		}
	}
	return 0, false
}

// longAfter returns how long a job of a cloud may be in progress before the page
// calls it long. These are the alerts' defaults, of
// deploy/prometheus/cckm_sync_thresholds.yml; the exporter itself has none, and
// does not know whether they were edited.
func longAfter(cloud string) time.Duration {
	if cloud == "azure" {
		return 12 * time.Hour // One job of all vaults takes hours.
	}
	return 2 * time.Hour
}

// isLong says whether a scope has had a job in progress for long at a time.
func isLong(scope *syncjob.Scope, cloud string, at time.Time) bool {
	return !scope.OldestInProgress.IsZero() && at.Sub(scope.OldestInProgress) > longAfter(cloud)
}

// judge returns the state of a scope at the time when its list was read.
func judge(scope *syncjob.Scope, cloud string, at time.Time) state {
	switch {
	case scope.Last != nil && scope.Last.Result == syncjob.Failed:
		return failed
	case isLong(scope, cloud, at):
		return long
	// A job may have completed at a time that cannot be read.
	case scope.Last != nil && scope.Jobs[syncjob.Completed] == 0 && scope.LastSuccess.IsZero():
		return never
	case scope.Last != nil && scope.Last.Result == syncjob.Aborted:
		return aborted
	case scope.Last != nil && scope.Last.Result == syncjob.Unknown, scope.Newest.Status == syncjob.Unknown:
		return unknown
	case scope.Jobs[syncjob.InProgress] > 0:
		return running
	default:
		return fine
	}
}
