package simulator

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// Values of a job's overall_status that are public.
const (
	StatusInProgress = "in_progress"
	StatusCompleted  = "completed"
	StatusFailed     = "failed"
)

// Job is one synchronization job. Times are kept to the microsecond, as a list shows them.
type Job struct {
	// ID is a UUID, unique over all lists.
	ID string
	// URI, Account, Application and DevAccount are identifiers that name the domain.
	URI         string
	Account     string
	Application string
	DevAccount  string
	CreatedAt   time.Time
	UpdatedAt   time.Time
	// CompletedAt is zero while the job runs, and then absent from the answer.
	CompletedAt   time.Time
	OverallStatus string
	// DetailedStatus is a text for each scope, under the keys of [Kind.DetailKey].
	DetailedStatus map[string]string
	Cloud          string
	// Scopes is what the list's scope field holds, such as key_rings.
	Scopes []string
	// Abort is true once a cancel was asked for.
	Abort bool
	// SyncItem is absent from the answer when it is empty.
	SyncItem string
	// Raw, where it is set, is answered verbatim in place of the fields above, which then serve
	// order and filters only. It is for records that no ordinary job can express.
	Raw json.RawMessage
}

// clone returns a copy that shares nothing that can be changed.
func (j *Job) clone() Job {
	c := *j
	c.DetailedStatus = maps.Clone(j.DetailedStatus)
	c.Scopes = slices.Clone(j.Scopes)
	c.Raw = slices.Clone(j.Raw)
	return c
}

// normal returns the job with its times as a list keeps them: UTC, to the microsecond.
func (j *Job) normal() Job {
	n := *j
	n.CreatedAt = j.CreatedAt.UTC().Truncate(time.Microsecond)
	n.UpdatedAt = j.UpdatedAt.UTC().Truncate(time.Microsecond)
	n.CompletedAt = j.CompletedAt.UTC().Truncate(time.Microsecond)
	return n
}

// compareAge orders jobs by creation, then by id: the order "oldest first".
func (j *Job) compareAge(created time.Time, id string) int {
	if c := j.CreatedAt.Compare(created); c != 0 {
		return c
	}
	return strings.Compare(j.ID, id)
}

// fill completes what a job leaves out from its kind and its domain.
func (k Kind) fill(j *Job, account string) {
	if j.URI == "" {
		j.URI = "kylo:" + account + ":cckm:synchronize:" + j.ID
	}
	if j.Account == "" {
		j.Account = "kylo:" + account + ":admin:accounts:" + account
	}
	if j.Application == "" {
		j.Application = "ncryptify:gemalto:admin:apps:kylo"
	}
	if j.DevAccount == "" {
		j.DevAccount = "ncryptify:gemalto:admin:accounts:gemalto"
	}
	if j.UpdatedAt.IsZero() {
		j.UpdatedAt = j.CreatedAt
		if !j.CompletedAt.IsZero() {
			j.UpdatedAt = j.CompletedAt.Add(time.Millisecond)
		}
	}
	if j.OverallStatus == "" {
		j.OverallStatus = k.inProgress()
	}
	if j.Cloud == "" {
		j.Cloud = k.Cloud
	}
	if j.SyncItem == "" {
		j.SyncItem = k.SyncItem
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

// finish ends a job with a status. updatedAt lies a little after completed_at, as in the appliance's examples.
func finish(j *Job, status string, at time.Time) {
	j.OverallStatus = status
	j.CompletedAt = at
	j.UpdatedAt = at.Add(time.Millisecond)
}

// complete ends a job with success for every scope.
func (k Kind) complete(j *Job, at time.Time) {
	finish(j, StatusCompleted, at)
	for _, scope := range j.Scopes {
		j.DetailedStatus[k.DetailKey(scope)] = k.successText()
	}
}

// fail ends a job with the given texts for the scopes that failed and success for the others.
// Without texts, every scope failed.
func (k Kind) fail(j *Job, at time.Time, failures map[string]string) {
	finish(j, StatusFailed, at)
	for _, scope := range j.Scopes {
		text, failed := failures[scope]
		switch {
		case len(failures) == 0:
			text = k.failureText()
		case !failed:
			text = k.successText()
		}
		j.DetailedStatus[k.DetailKey(scope)] = text
	}
}

// abort ends a job as a cancelled one ends: completed, with abort set, and with whatever its
// scopes had reached.
func (k Kind) abort(j *Job, at time.Time) {
	j.Abort = true
	finish(j, StatusCompleted, at)
	if len(j.DetailedStatus) == 0 {
		k.fillDetail(j)
	}
}
