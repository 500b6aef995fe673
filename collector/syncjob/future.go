package syncjob

import (
	"cmp"
	"slices"
	"time"
)

// maxAhead is how far in the future a time may be. If it is further ahead, the appliance's clock was
// wrong, and the time counts as missing until it is less than maxAhead in the future.
const maxAhead = 24 * time.Hour

// maxFutureBytes bounds the size of the jobs with such a time that a Summarizer keeps. It is enough
// for a few thousand jobs.
const maxFutureBytes = 1 << 20

// Future describes the jobs with a time that counts as missing because it is more than a day in the
// future.
type Future struct {
	// Jobs is their number.
	Jobs int
	// ID is the id of the job with the earliest such time, and At that time. Both are zero if there
	// is no such job.
	ID string
	At time.Time
}

// futureJobs are the jobs that had a time more than maxAhead in the future when they were added. They
// were counted with that time missing; they are kept so that it counts as soon as it is due.
type futureJobs struct {
	// jobs are ordered by at, then by id. The jobs are immutable, and shared by clones.
	jobs []*futureJob
	// bytes is the size of jobs.
	bytes int
	// dropped counts the jobs that were dropped because of maxFutureBytes, those that are due last.
	// droppedAt is the earliest of their times.
	dropped   int
	droppedAt time.Time
}

type futureJob struct {
	// at is the earliest of the job's times that was too far ahead.
	at  time.Time
	job Job
}

func (f *futureJob) compare(other *futureJob) int {
	return cmp.Or(f.at.Compare(other.at), cmp.Compare(f.job.ID, other.job.ID))
}

// add adds a job, and drops those that are due last if there are too many. The result does not
// depend on the order in which jobs are added.
func (f *futureJobs) add(job *futureJob) {
	if f.dropped > 0 && !job.at.Before(f.droppedAt) {
		f.dropped++
		return
	}
	at, _ := slices.BinarySearchFunc(f.jobs, job, (*futureJob).compare)
	f.jobs = slices.Insert(f.jobs, at, job)
	f.bytes += job.job.Size()
	for f.bytes > maxFutureBytes {
		last := len(f.jobs) - 1
		f.bytes -= f.jobs[last].job.Size()
		f.dropped, f.droppedAt = f.dropped+1, f.jobs[last].at
		f.jobs = slices.Delete(f.jobs, last, last+1)
	}
}

func (f *futureJobs) clone() futureJobs {
	c := *f
	c.jobs = slices.Clone(f.jobs)
	return c
}

// addDue counts the times that are due at now. It returns the jobs with times that are not due, and
// when the first of these is.
func (s *Summarizer) addDue(now time.Time) (future Future, next time.Time) {
	limit := now.Add(maxAhead)
	for _, f := range s.future.jobs {
		if !f.at.After(limit) {
			past := f.job.withTimesUntil(limit)
			_ = s.coverScopes(&past, past.Status()) // The job's scopes exist since it was added.
			for _, t := range s.covered {
				t.update(&past)
			}
		}
		at := f.job.firstAfter(limit)
		if at.IsZero() {
			continue
		}
		future.Jobs++
		if future.ID == "" || newer(future.At, future.ID, at, f.job.ID) {
			future.ID, future.At = f.job.ID, at
		}
	}
	first := future.At
	if s.future.dropped > 0 {
		future.Jobs += s.future.dropped
		if first.IsZero() || s.future.droppedAt.Before(first) {
			first = s.future.droppedAt
		}
	}
	if !first.IsZero() {
		next = first.Add(-maxAhead)
	}
	return future, next
}

// isAfter reports whether one of the job's times is after limit.
func (j *Job) isAfter(limit time.Time) bool {
	return j.CreatedAt.After(limit) || j.UpdatedAt.After(limit) || j.CompletedAt.After(limit)
}

// firstAfter returns the earliest of the job's times that is after limit, or zero
// if there is none.
func (j *Job) firstAfter(limit time.Time) time.Time {
	var first time.Time
	for _, at := range [...]time.Time{j.CreatedAt, j.UpdatedAt, j.CompletedAt} {
		if at.After(limit) && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// withTimesUntil returns a copy of the job without the times after limit. It shares slices with j.
func (j *Job) withTimesUntil(limit time.Time) Job {
	c := *j
	for _, at := range [...]*time.Time{&c.CreatedAt, &c.UpdatedAt, &c.CompletedAt} {
		if at.After(limit) {
			*at = time.Time{}
		}
	}
	return c
}
