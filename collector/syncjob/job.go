package syncjob

import (
	"slices"
	"time"
)

// Job has the fields of a synchronization job that the exporter uses.
type Job struct {
	// ID is unique over all lists of an appliance.
	ID string
	// OverallStatus is the job's own status as the API gives it.
	OverallStatus string
	// Abort is true if the job was asked to abort.
	Abort bool
	// CreatedAt, UpdatedAt and CompletedAt are zero if the time is missing or
	// cannot be parsed.
	CreatedAt, UpdatedAt, CompletedAt time.Time
	// Scopes are the identifiers in the list's scope field.
	Scopes []string
	// Details are the texts of detailed_status.
	Details []Detail
}

// Detail is one entry of detailed_status.
type Detail struct {
	// Key names a scope, for Azure with the region as a prefix.
	Key string
	// Text is the appliance's text about the scope, as people may read it. It is empty if the API has
	// null.
	Text string
	// Meaning is the meaning of the text as the appliance gives it, if cleaning has changed it.
	Meaning Meaning
}

// Status returns the job's own status. A finished job that was asked to abort
// counts as aborted instead of completed, because the appliance turns a canceled
// job into a completed one.
func (j *Job) Status() Status { return j.scopeStatus(meansNothing) }

// HasOverallStatus reports whether overall_status is a form of value, which is one that the API
// documents, such as OverallInProgress.
func (j *Job) HasOverallStatus(value string) bool { return isFormOf(j.OverallStatus, value) }

// Finished reports whether the job has finished, with any result. A job of unknown status counts as
// finished.
func (j *Job) Finished() bool {
	return jobStatus(j.OverallStatus) != InProgress
}

// Settled reports whether the job cannot change anymore, so that it can be cached. A finished job does not
// change, but a job of unknown status may still be running. A job that is not settled is called open.
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

// The approximate sizes of a Job without its strings, and of a string without its bytes.
const (
	jobBytes    = 256
	stringBytes = 16
)

// Size returns the approximate size of the job in bytes.
func (j *Job) Size() int {
	size := jobBytes + len(j.ID) + len(j.OverallStatus)
	for _, scope := range j.Scopes {
		size += stringBytes + len(scope)
	}
	for _, d := range j.Details {
		size += 2*stringBytes + len(d.Key) + len(d.Text)
	}
	return size
}

// Equal reports whether two jobs are equal.
func (j *Job) Equal(other *Job) bool {
	return j.ID == other.ID && j.OverallStatus == other.OverallStatus && j.Abort == other.Abort &&
		j.CreatedAt.Equal(other.CreatedAt) && j.UpdatedAt.Equal(other.UpdatedAt) && j.CompletedAt.Equal(other.CompletedAt) &&
		slices.Equal(j.Scopes, other.Scopes) && slices.Equal(j.Details, other.Details)
}

// FinishedAt returns when a finished job finished: completed_at, else
// updatedAt. It is zero for a job in progress and if both are missing.
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

// scopeStatus returns the status of a scope in the job, given the meaning of its text.
func (j *Job) scopeStatus(meaning Meaning) Status {
	own := jobStatus(j.OverallStatus)
	status := own
	switch meaning {
	case meansCompleted:
		status = Completed
	case meansFailed:
		status = Failed
	case meansAborted:
		status = Aborted
	case meansUnknown:
		// A success is never guessed.
		if own == Completed {
			status = Unknown
		}
	case meansNothing:
	}
	if status == Completed && j.Abort && own != InProgress {
		return Aborted
	}
	return status
}

// worse returns the worse of two statuses. It is the status of a scope that a job's detailed_status
// names twice, as Azure's may under two regions.
func worse(a, b Status) Status {
	rank := [NumStatuses]int{Completed: 0, InProgress: 1, Unknown: 2, Aborted: 3, Failed: 4}
	if rank[b] > rank[a] {
		return b
	}
	return a
}
