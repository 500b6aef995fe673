package syncjob

import (
	"slices"
	"time"
)

// Job is what is read of a synchronization job.
type Job struct {
	// ID is unique over all lists of an appliance.
	ID string
	// OverallStatus is the job's own status as the API gives it.
	OverallStatus string
	// Abort is true once a cancel was asked for.
	Abort bool
	// CreatedAt, UpdatedAt and CompletedAt are zero where the time is missing
	// or cannot be read.
	CreatedAt, UpdatedAt, CompletedAt time.Time
	// Scopes are the identifiers in the list's scope field.
	Scopes []string
	// Details are the texts of detailed_status.
	Details []Detail
}

// Detail is one entry of detailed_status.
type Detail struct {
	// Key names a scope, for Azure behind a region.
	Key string
	// Text says how the scope fares; it is empty where the API has null.
	Text string
}

// Status returns the job's own status. A finished job that was asked to abort
// counts as aborted in place of completed, because the appliance turns a
// cancelled job into a completed one.
func (j *Job) Status() Status {
	status := jobStatus(j.OverallStatus)
	if status == Completed && j.Abort {
		return Aborted
	}
	return status
}

// Finished says whether the job is over, however it ended. A job of unknown
// status counts as finished.
func (j *Job) Finished() bool {
	return jobStatus(j.OverallStatus) != InProgress
}

// Settled says whether the job cannot change any more. A finished job does not,
// but one whose status is unknown may be anything, so that it is looked at again.
func (j *Job) Settled() bool {
	status := jobStatus(j.OverallStatus)
	return status != InProgress && status != Unknown
}

// Clone returns a copy that shares nothing with j.
func (j *Job) Clone() Job {
	c := *j
	c.Scopes, c.Details = slices.Clone(j.Scopes), slices.Clone(j.Details)
	return c
}

// Equal says whether two jobs tell the same.
func (j *Job) Equal(other *Job) bool {
	return j.ID == other.ID && j.OverallStatus == other.OverallStatus && j.Abort == other.Abort &&
		j.CreatedAt.Equal(other.CreatedAt) && j.UpdatedAt.Equal(other.UpdatedAt) && j.CompletedAt.Equal(other.CompletedAt) &&
		slices.Equal(j.Scopes, other.Scopes) && slices.Equal(j.Details, other.Details)
}

// FinishedAt returns when a finished job finished: completed_at, else
// updatedAt. It is zero for a job in progress and where neither can be read.
func (j *Job) FinishedAt() time.Time {
	switch {
	case !j.Finished():
		return time.Time{}
	case !j.CompletedAt.IsZero():
		return j.CompletedAt
	default:
		return j.UpdatedAt
	}
}

// scopeStatus returns the status of a scope in the job from what its text says:
// the text's word where it has one, else the job's own status.
func (j *Job) scopeStatus(says said) Status {
	own := j.Status()
	switch says {
	case saysCompleted:
		if j.Abort && j.Finished() {
			return Aborted
		}
		return Completed
	case saysFailed:
		return Failed
	case saysAborted:
		return Aborted
	case saysNotDone:
		// The job claims success and the scope's own text denies it.
		if own == Completed {
			return Failed
		}
		return own
	case saysNothing:
		return own
	}
	return own
}

// worse says which of two statuses of one scope in one job is to be shown,
// where detailed_status names a scope twice (for Azure, under two regions).
func worse(a, b Status) Status {
	rank := [NumStatuses]int{Completed: 0, InProgress: 1, Unknown: 2, Aborted: 3, Failed: 4}
	if rank[b] > rank[a] {
		return b
	}
	return a
}
