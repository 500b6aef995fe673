// Package syncjob defines what a synchronization job means: its status, the scopes (key rings or
// vaults) that it covers, and the status of each scope. A Summarizer sums up the jobs of a list. The
// package is pure: it reads no clock and does no I/O.
package syncjob

// Status is the status of a job, or of one scope in a job.
type Status uint8

// The statuses, in the order in which they are exported.
const (
	InProgress Status = iota
	Completed
	Failed
	Aborted
	Unknown

	// NumStatuses is how many statuses there are.
	NumStatuses = 5
)

// Statuses returns every status, in the order in which they are exported.
func Statuses() [NumStatuses]Status {
	return [...]Status{InProgress, Completed, Failed, Aborted, Unknown}
}

// Results returns the statuses that a finished job can have.
func Results() []Status {
	return []Status{Completed, Failed, Aborted, Unknown}
}

// String returns the value of the label "status" or "result".
func (s Status) String() string {
	switch s {
	case InProgress:
		return "in_progress"
	case Completed:
		return "completed"
	case Failed:
		return "failed"
	case Aborted:
		return "aborted"
	case Unknown:
		return "unknown"
	}
	return "unknown"
}

// The values of overall_status that the API documents, and "error", which one of its public clients
// (for AWS) expects instead of "failed".
const (
	OverallInProgress = "in_progress"
	OverallCompleted  = "completed"
	OverallFailed     = "failed"
	OverallError      = "error"
)

// jobStatus returns the status for a value of overall_status.
func jobStatus(overall string) Status {
	switch {
	case overall == OverallCompleted, isFormOf(overall, OverallCompleted):
		return Completed
	case isFormOf(overall, OverallInProgress):
		return InProgress
	case isFormOf(overall, OverallFailed), isFormOf(overall, OverallError):
		return Failed
	default:
		return Unknown
	}
}

// isFormOf reports whether a value of the API is a form of a status: "In Progress" and "in-progress"
// are forms of "in_progress".
func isFormOf(value, status string) bool {
	if len(value) != len(status) {
		return false
	}
	for i := range len(value) {
		c := lowerByte(value[i])
		if c == ' ' || c == '-' {
			c = '_'
		}
		if c != status[i] {
			return false
		}
	}
	return true
}
