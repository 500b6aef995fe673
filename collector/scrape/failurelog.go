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

// maxLoggedJobs bounds how many failed jobs, and how many recoveries, are logged individually for
// one read.
const maxLoggedJobs = 50

// failureLog logs failed jobs. A job is logged when it is first seen as the newest finished job of a
// scope, and so is the job with which the scope completes again. After a start, the first read logs
// every scope that is failing.
//
// If a job fails and a later one finishes before the next read, the failure is not logged: a
// summary has only the newest finished job. Only cckm_sync_scope_last_failure_timestamp_seconds
// shows it.
//
// Aborted jobs and jobs of unknown status neither begin nor end a failure.
type failureLog struct {
	logger log.Logger
	// clean is that of Options.
	clean func(string) string

	mu    sync.Mutex
	lists map[string]*failingList
}

// failingList is the state of one list.
type failingList struct {
	// summary is the summary of the last read, and started the start of that read.
	summary *syncjob.Summary
	started time.Time
	// scopes are the failing scopes, by their syncjob.List.ScopeKey.
	scopes map[string]failingScope
}

// failingScope is a scope that is failing.
type failingScope struct {
	// job is the failed job that was logged last.
	job syncjob.Last
	// since is when the failure began: when its first job finished, or when it was first seen if that
	// time is missing.
	since time.Time
}

func newFailureLog(logger log.Logger, clean func(string) string) *failureLog {
	return &failureLog{logger: logger, clean: clean, lists: map[string]*failingList{}}
}

// record logs the failures and recoveries of a read that were not logged before.
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
	failed, recovered := list.update(read)
	f.logFailed(read, failed)
	f.logRecovered(read, recovered)
}

// update updates the state by a read, and returns the jobs to log: those that failed, and those with
// which a scope has recovered. It forgets scopes that are gone.
func (l *failingList) update(read ListRead) (failed, recovered jobGroups) {
	scopes := make(map[string]failingScope, len(l.scopes))
	for i := range read.Summary.Scopes {
		scope := &read.Summary.Scopes[i]
		key := read.List.ScopeKey(scope.Name)
		before, was := l.scopes[key]
		last := scope.Last
		switch {
		case last != nil && last.Result == syncjob.Failed:
			now := failingScope{job: *last, since: before.since}
			if !was {
				now.since = last.FinishedAt
			}
			if now.since.IsZero() {
				now.since = read.Ended()
			}
			// If the newest job is deleted, an older one, which was logged before, is the newest again.
			if !was || (last.ID != before.job.ID && !last.FinishedAt.Before(before.job.FinishedAt)) {
				failed.add(scope, last, now.since)
			}
			scopes[key] = now
		case last != nil && last.Result == syncjob.Completed && was:
			recovered.add(scope, last, before.since)
		case was:
			scopes[key] = before
		}
	}
	l.summary, l.started, l.scopes = read.Summary, read.Started, scopes
	return failed, recovered
}

// jobGroups groups scopes by the job that is logged for them.
type jobGroups struct {
	jobs []*jobGroup
	byID map[string]*jobGroup
}

// jobGroup is a job to log, and its scopes.
type jobGroup struct {
	syncjob.Last

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

func (g *jobGroups) add(scope *syncjob.Scope, last *syncjob.Last, since time.Time) {
	job := g.byID[last.ID]
	if job == nil {
		if g.byID == nil {
			g.byID = map[string]*jobGroup{}
		}
		job = &jobGroup{Last: *last, scope: scope.Name, since: since}
		g.byID[last.ID] = job
		g.jobs = append(g.jobs, job)
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
func (g *jobGroups) newest() (jobs []*jobGroup, more int) {
	slices.SortFunc(g.jobs, func(a, b *jobGroup) int {
		return cmp.Or(a.FinishedAt.Compare(b.FinishedAt), cmp.Compare(a.ID, b.ID))
	})
	more = max(0, len(g.jobs)-maxLoggedJobs)
	return g.jobs[more:], more
}

func (f *failureLog) logFailed(read ListRead, failed jobGroups) {
	jobs, more := failed.newest()
	list := read.List
	if more > 0 {
		level.Warn(f.logger).Log("during", "read", "list", list.Name, "jobs", more,
			"hint", fmt.Sprintf(`list the scopes by the query cckm_sync_scope_last_result{cloud=%q,item=%q,result="failed"} == 1`, list.Cloud, list.Item),
			"msg", "more jobs have failed than are logged individually; these are the older ones")
	}
	for _, job := range jobs {
		line := f.line(job, list, "text", job.Text)
		if took, ok := job.Duration(); ok {
			line = append(line, "duration", took)
		}
		if !job.FinishedAt.IsZero() {
			line = append(line, "finished", job.FinishedAt.UTC().Format(time.RFC3339))
		}
		level.Warn(f.logger).Log(append(line,
			"hint", fmt.Sprintf("see the job's detailed_status: GET /api/v1/%s/%s", list.Path, f.clean(job.ID)),
			"msg", "a synchronization job has failed")...)
	}
}

func (f *failureLog) logRecovered(read ListRead, recovered jobGroups) {
	jobs, more := recovered.newest()
	if more > 0 {
		level.Info(f.logger).Log("during", "read", "list", read.List.Name, "jobs", more,
			"msg", "more jobs have completed after a failure than are logged individually; these are the older ones")
	}
	for _, job := range jobs {
		at := job.FinishedAt
		if at.IsZero() {
			at = read.Ended()
		}
		level.Info(f.logger).Log(append(f.line(job, read.List, "failing", max(0, at.Sub(job.since)).Round(time.Second)),
			"msg", "synchronization has completed again after a failure")...)
	}
}

// line returns the key-value pairs at the beginning of every line about a job.
func (f *failureLog) line(job *jobGroup, list syncjob.List, more ...any) []any {
	line := []any{"during", "read", "list", list.Name, "scope", f.clean(job.scope)}
	if job.scopes > 1 {
		others := make([]string, 0, len(job.others))
		for _, name := range job.others {
			others = append(others, f.clean(name))
		}
		// %q makes names with spaces unambiguous.
		line = append(line, "scopes", job.scopes, "others", fmt.Sprintf("%q", others))
	}
	return append(append(line, "job", f.clean(job.ID)), more...)
}
