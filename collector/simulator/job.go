package simulator

import "time"

// Values of a job's overall_status that are public.
const (
	StatusInProgress = "in_progress"
	StatusCompleted  = "completed"
	StatusFailed     = "failed"
)

// Job is one synchronization job. A list shows its times to the microsecond.
type Job struct {
	ID        UUID
	CreatedAt time.Time
	UpdatedAt time.Time
	// CompletedAt is zero while the job runs, and then absent from the response.
	CompletedAt   time.Time
	OverallStatus string
	// DetailedStatus is a text for each scope, by [Kind.DetailKey].
	DetailedStatus map[string]string
	// Scopes is the content of the list's scope field, such as key_rings.
	Scopes []string
	// Abort is true once a cancel was requested.
	Abort bool
}

// fill completes what a job leaves out.
func (k Kind) fill(j *Job) {
	if j.UpdatedAt.IsZero() {
		j.UpdatedAt = j.CreatedAt
		if !j.CompletedAt.IsZero() {
			j.UpdatedAt = j.CompletedAt.Add(time.Millisecond)
		}
	}
	if j.OverallStatus == "" {
		j.OverallStatus = k.inProgress()
	}
	if j.DetailedStatus == nil {
		k.fillDetail(j)
	}
}

// fillDetail gives each scope the text that follows from the job's overall status.
func (k Kind) fillDetail(j *Job) {
	j.DetailedStatus = make(map[string]string, len(j.Scopes))
	if k.InProgress != "" && k.runs(j) {
		return
	}
	text := j.OverallStatus
	switch j.OverallStatus {
	case StatusCompleted:
		if text = k.successText(); j.Abort {
			text = StatusInProgress
		}
	case StatusFailed:
		text = k.failureText()
	}
	for _, scope := range j.Scopes {
		j.DetailedStatus[k.DetailKey(scope)] = text
	}
}

// end ends a job: failed if there are failures, which are texts by scope, else completed. updatedAt is a
// little after completed_at, as in the appliance's examples.
func (k Kind) end(j *Job, at time.Time, failures map[string]string) {
	j.OverallStatus, j.CompletedAt, j.UpdatedAt = StatusCompleted, at, at.Add(time.Millisecond)
	if len(failures) > 0 {
		j.OverallStatus = StatusFailed
	}
	j.DetailedStatus = make(map[string]string, len(j.Scopes))
	for _, scope := range j.Scopes {
		text, failed := failures[scope]
		if !failed {
			text = k.successText()
		}
		j.DetailedStatus[k.DetailKey(scope)] = text
	}
}

// abort ends a job as a canceled Google job ends: completed, with abort set, and with the texts that its
// scopes had reached.
func (k Kind) abort(j *Job, at time.Time) {
	j.Abort = true
	j.OverallStatus, j.CompletedAt, j.UpdatedAt = StatusCompleted, at, at.Add(time.Millisecond)
	if len(j.DetailedStatus) == 0 {
		k.fillDetail(j)
	}
}
