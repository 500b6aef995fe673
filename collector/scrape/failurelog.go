package scrape

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"cckm_sync_exporter/collector/syncjob"
)

// maxLoggedJobs bounds how many jobs that failed, and how many that fixed what had
// failed, are told one by one of one read.
const maxLoggedJobs = 50

// failureLog logs which jobs failed: each once, when it is first seen as the one that finished
// last for a scope, and once the job that ended the failure. The first
// read after a start sees every scope that is failing for the first time.
//
// A job that failed and was followed by another one that finished before the next
// read is not seen. Of it only cckm_sync_scope_last_failure_timestamp_seconds
// tells, since a summary keeps no more of it than that time.
//
// Aborted jobs and those of unknown status neither fail nor mend.
type failureLog struct {
	logger log.Logger

	mu    sync.Mutex
	lists map[string]*failingList
}

// failingList is what was told of one list.
type failingList struct {
	// summary is that of the last read, and started when that read began.
	summary *syncjob.Summary
	started time.Time
	// scopes are those that are failing, by their syncjob.List.ScopeKey.
	scopes map[string]failingScope
}

// failingScope is a scope that is failing.
type failingScope struct {
	// told is the failed job that was told last.
	told syncjob.Last
	// since is when the first one of them finished, or was seen where that is not
	// known.
	since time.Time
}

func newFailureLog(logger log.Logger) *failureLog {
	return &failureLog{logger: logger, lists: map[string]*failingList{}}
}

// record logs what a read says that was not logged before.
func (f *failureLog) record(read ListRead) {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.lists[read.List.Name]
	if list == nil {
		list = &failingList{}
		f.lists[read.List.Name] = list
	}
	if list.summary == read.Summary || read.Started.Before(list.started) {
		return
	}
	failed, fixed := list.update(read)
	f.logFailed(read, failed)
	f.logFixed(read, fixed)
}

// update takes over what a read says, and returns the jobs that are to be told:
// those that failed, and those that fixed what had failed before. Scopes that are
// gone are forgotten.
func (l *failingList) update(read ListRead) (failed, fixed coverage) {
	scopes := make(map[string]failingScope, len(l.scopes))
	for i := range read.Summary.Scopes {
		scope := &read.Summary.Scopes[i]
		key := read.List.ScopeKey(scope.Name)
		before, was := l.scopes[key]
		last := scope.Last
		switch {
		case last != nil && last.Result == syncjob.Failed:
			now := failingScope{told: *last, since: before.since}
			if !was {
				now.since = last.FinishedAt
			}
			if now.since.IsZero() {
				now.since = read.Ended()
			}
			// An older job shows up again where a newer one has gone.
			if !was || (last.ID != before.told.ID && !last.FinishedAt.Before(before.told.FinishedAt)) {
				failed.add(scope, last, now.since)
			}
			scopes[key] = now
		case last != nil && last.Result == syncjob.Completed && was:
			fixed.add(scope, last, before.since)
		case was:
			scopes[key] = before
		}
	}
	l.summary, l.started, l.scopes = read.Summary, read.Started, scopes
	return failed, fixed
}

// coverage is jobs, and the scopes for which each of them is told.
type coverage struct {
	jobs []*coveredJob
	byID map[string]*coveredJob
}

// coveredJob is a job that is told, with the first of its scopes by name.
type coveredJob struct {
	syncjob.Last

	scope string
	// since is when the first of the scopes began to fail.
	since time.Time
	// others are further scopes, of which as many are kept as are told.
	others []string
	scopes int
}

// maxLoggedScopes bounds how many further scopes of one job are told by name.
const maxLoggedScopes = 10

func (c *coverage) add(scope *syncjob.Scope, last *syncjob.Last, since time.Time) {
	job := c.byID[last.ID]
	if job == nil {
		if c.byID == nil {
			c.byID = map[string]*coveredJob{}
		}
		job = &coveredJob{Last: *last, scope: scope.Name, since: since}
		c.byID[last.ID] = job
		c.jobs = append(c.jobs, job)
	} else if len(job.others) < maxLoggedScopes {
		job.others = append(job.others, scope.Name)
	}
	job.scopes++
	if since.Before(job.since) {
		job.since = since
	}
}

// newest returns the jobs that finished last, the oldest of them first, and how
// many there are besides.
func (c *coverage) newest() (jobs []*coveredJob, more int) {
	slices.SortFunc(c.jobs, func(a, b *coveredJob) int {
		return cmp.Or(a.FinishedAt.Compare(b.FinishedAt), cmp.Compare(a.ID, b.ID))
	})
	more = max(0, len(c.jobs)-maxLoggedJobs)
	return c.jobs[more:], more
}

func (f *failureLog) logFailed(read ListRead, failed coverage) {
	jobs, more := failed.newest()
	list := read.List
	if more > 0 {
		level.Warn(f.logger).Log("during", "read", "list", list.Name, "jobs", more,
			"hint", fmt.Sprintf(`list the scopes by the query cckm_sync_scope_last_result{cloud=%q,item=%q,result="failed"} == 1`, list.Cloud, list.Item),
			"msg", "more jobs have failed than are told one by one, these are the older ones")
	}
	for _, job := range jobs {
		line := job.line(list, "text", job.Text)
		if took, ok := job.Duration(); ok {
			line = append(line, "duration", took)
		}
		if !job.FinishedAt.IsZero() {
			line = append(line, "finished", job.FinishedAt.UTC().Format(time.RFC3339))
		}
		level.Warn(f.logger).Log(append(line,
			"hint", fmt.Sprintf("see the job's detailed_status: GET /api/v1/%s/%s", list.Path, job.ID),
			"msg", "a synchronization job has failed")...)
	}
}

func (f *failureLog) logFixed(read ListRead, fixed coverage) {
	jobs, more := fixed.newest()
	if more > 0 {
		level.Info(f.logger).Log("during", "read", "list", read.List.Name, "jobs", more,
			"msg", "more jobs have completed after a failure than are told one by one, these are the older ones")
	}
	for _, job := range jobs {
		at := job.FinishedAt
		if at.IsZero() {
			at = read.Ended()
		}
		level.Info(f.logger).Log(append(job.line(read.List, "failing", max(0, at.Sub(job.since)).Round(time.Second)),
			"msg", "synchronization has completed again after a failure")...)
	}
}

// line returns the keys and values that every line about a job begins with.
func (j *coveredJob) line(list syncjob.List, more ...any) []any {
	line := []any{"during", "read", "list", list.Name, "scope", j.scope}
	if j.scopes > 1 {
		// %q keeps names apart that hold commas.
		line = append(line, "scopes", j.scopes, "others", fmt.Sprintf("%q", j.others))
	}
	return append(append(line, "job", j.ID), more...)
}
