package scrape

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"cckm_sync_exporter/collector/printable"
	"cckm_sync_exporter/collector/syncjob"
)

// maxLoggedJobs bounds how many failed jobs, and how many recoveries, are logged individually for
// one read.
const maxLoggedJobs = 50

// The longest texts in a line about a job, in bytes. With the usual names, the line then has at most 200.
// The status page and the line at level debug have the whole texts.
const (
	maxLoggedCause = 50
	maxLoggedScope = 90
	// maxLoggedID and maxLoggedOther are for the job's id and each further scope at level debug.
	maxLoggedID    = 200
	maxLoggedOther = 60
)

// failingScope is a scope that is failing.
type failingScope struct {
	// job is the failed job that was logged last.
	job syncjob.ScopeJob
	// since is when the failure began: when its first job finished, or when it was first seen if that
	// time is missing.
	since time.Time
}

// logJobs logs failed jobs. A job is logged when it is first seen as the newest finished job of a
// scope, and so is the job with which the scope completes again. After a start, the first read logs
// every scope that is failing.
//
// If a job fails and a later one finishes before the next read, the failure is not logged: a
// summary has only the newest finished job. Only cckm_sync_scope_last_failure_timestamp_seconds
// shows it.
//
// Aborted jobs and jobs of unknown status neither begin nor end a failure.
func (l *listLog) logJobs(read ListRead) {
	if l.summary == read.Summary || read.Started.Before(l.started) {
		return
	}
	// Scopes that are gone are forgotten.
	scopes := make(map[string]failingScope, len(l.scopes))
	failed, recovered := map[string]*jobGroup{}, map[string]*jobGroup{}
	for i := range read.Summary.Scopes {
		scope := &read.Summary.Scopes[i]
		key := l.list.ScopeKey(scope.Name)
		before, was := l.scopes[key]
		last := scope.Last
		switch {
		case last != nil && last.Status == syncjob.Failed:
			now := failingScope{job: *last, since: before.since}
			if !was {
				now.since = last.FinishedAt
			}
			if now.since.IsZero() {
				now.since = read.Ended()
			}
			// If the newest job is deleted, an older one, which was logged before, is the newest again.
			if !was || (last.ID != before.job.ID && !last.FinishedAt.Before(before.job.FinishedAt)) {
				group(failed, scope, now.since)
			}
			scopes[key] = now
		case last != nil && last.Status == syncjob.Completed && was:
			group(recovered, scope, before.since)
		case was:
			scopes[key] = before
		}
	}
	l.summary, l.started, l.scopes = read.Summary, read.Started, scopes
	l.logFailed(failed)
	l.logRecovered(read, recovered)
}

// jobGroup is a job to log, and its scopes.
type jobGroup struct {
	syncjob.ScopeJob

	// scope is the first scope by name, and others are at most maxLoggedScopes further ones. scopes
	// is the number of all.
	scope  string
	others []string
	scopes int
	// since is when the first of the scopes began to fail.
	since time.Time
}

// maxLoggedScopes bounds how many further scopes of a job are logged by name.
const maxLoggedScopes = 10

// group adds a scope to the group of its last job. The groups are by the job's id.
func group(groups map[string]*jobGroup, scope *syncjob.Scope, since time.Time) {
	job := groups[scope.Last.ID]
	if job == nil {
		job = &jobGroup{ScopeJob: *scope.Last, scope: scope.Name, since: since}
		groups[job.ID] = job
	} else if len(job.others) < maxLoggedScopes {
		job.others = append(job.others, scope.Name)
	}
	job.scopes++
	if since.Before(job.since) {
		job.since = since
	}
}

// newest returns the maxLoggedJobs jobs that finished last, ordered from the oldest to the newest,
// and how many others there are.
func newest(groups map[string]*jobGroup) (jobs []*jobGroup, more int) {
	jobs = slices.SortedFunc(maps.Values(groups), func(a, b *jobGroup) int {
		return cmp.Or(a.FinishedAt.Compare(b.FinishedAt), cmp.Compare(a.ID, b.ID))
	})
	more = max(0, len(jobs)-maxLoggedJobs)
	return jobs[more:], more
}

func (l *listLog) logFailed(failed map[string]*jobGroup) {
	jobs, more := newest(failed)
	if more > 0 {
		level.Warn(l.logger).Log("jobs", more,
			"hint", fmt.Sprintf(`list the scopes by the query cckm_sync_scope_last_result{cloud=%q,item=%q,result="failed"} == 1`, l.list.Cloud, l.list.Item),
			"msg", "more jobs have failed than are logged individually; these are the older ones")
	}
	for _, job := range jobs {
		cause, _ := syncjob.Cause(job.Text)
		l.logJob(level.Warn(l.jobLogger), job, "job failed", "text", printable.Shorten(cause, maxLoggedCause))
	}
}

func (l *listLog) logRecovered(read ListRead, recovered map[string]*jobGroup) {
	jobs, more := newest(recovered)
	if more > 0 {
		level.Info(l.logger).Log("jobs", more,
			"msg", "more jobs have completed after a failure than are logged individually; these are the older ones")
	}
	for _, job := range jobs {
		at := job.FinishedAt
		if at.IsZero() {
			at = read.Ended()
		}
		l.logJob(level.Info(l.jobLogger), job, "completed again after a failure", "failing", max(0, at.Sub(job.since)).Round(time.Second))
	}
}

// logJob logs a line about a job that is short, because there can be many, and one at level debug that has
// the job's id, its whole text and its other scopes.
func (l *listLog) logJob(logger log.Logger, job *jobGroup, msg string, keyvals ...any) {
	keyvals = append(keyvals, "scope", printable.Shorten(l.clean(job.scope), maxLoggedScope))
	details := []any{"job", printable.Shorten(l.clean(job.ID), maxLoggedID), "text", job.Text}
	if job.scopes > 1 {
		keyvals = append(keyvals, "scopes", job.scopes)
		others := make([]string, 0, len(job.others))
		for _, name := range job.others {
			others = append(others, printable.Shorten(l.clean(name), maxLoggedOther))
		}
		// %q makes names with spaces unambiguous.
		details = append(details, "others", fmt.Sprintf("%q", others))
	}
	logger.Log(append(keyvals, "msg", msg)...)
	level.Debug(l.jobLogger).Log(append(details, "msg", "details of this job")...)
}
