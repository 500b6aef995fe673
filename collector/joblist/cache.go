package joblist

import (
	"reflect"
	"slices"
	"time"

	"cckm_sync_exporter/collector/syncjob"
)

const (
	// maxOpen bounds how many jobs are cached that can still change, and maxOpenBytes their size.
	maxOpen      = 4096
	maxOpenBytes = 8 << 20
)

// cache is what is known of a list between two scrapes: which jobs it has, in their order, the
// sums of those that cannot change any more, and the others themselves.
type cache struct {
	// newestFirst reports which end of the list grows.
	newestFirst bool
	// ids are the jobs, the oldest first.
	ids []jobID
	// oldest is the overall_status of the first of them, OverallCompleted or OverallFailed, or empty
	// if it has another one.
	oldest string
	// known holds the same jobs.
	known *idSet
	// settled sums up the jobs that cannot change any more.
	settled *syncjob.Summarizer
	// open are the others.
	open map[jobID]openJob
	// summary is that of all jobs.
	summary *syncjob.Summary
	// incomplete is true if the summary lacks a time that has become due; a full read has it.
	incomplete bool
	// unproven counts the proofs in a row that have failed.
	unproven int
	// failing is true if a request of the last incremental read has failed.
	failing bool
}

// openJob is a job that can still change.
type openJob struct {
	id jobID
	// at is the index of the job in cache.ids.
	at  int
	job syncjob.Job
}

// sizeOf returns about how many bytes a job takes that is cached.
func sizeOf(job *syncjob.Job) int {
	const perString = 16
	size := 256
	for _, scope := range job.Scopes {
		size += perString + len(scope)
	}
	for _, detail := range job.Details {
		size += 2*perString + len(detail.Key) + len(detail.Text)
	}
	return size
}

// newCache makes a cache from a full read. It takes over what it is given.
func newCache(list *chain, known *idSet, settled *syncjob.Summarizer, open []openJob) *cache {
	newestFirst, _ := list.newestFirst()
	oldest := syncjob.Job{OverallStatus: list.firstStatus}
	if newestFirst {
		oldest.OverallStatus = list.tail.lastStatus
	}
	c := &cache{newestFirst: newestFirst, ids: list.ids, oldest: filterOf(&oldest), known: known, settled: settled, open: make(map[jobID]openJob, len(open))}
	if newestFirst {
		slices.Reverse(c.ids)
	}
	for _, job := range open {
		c.open[job.id] = job
	}
	if len(open) > 0 {
		for at, id := range c.ids {
			if job, ok := c.open[id]; ok {
				job.at = at
				c.open[id] = job
			}
		}
	}
	c.summarize()
	return c
}

// filterOf returns the overall_status by which the appliance filters a settled job,
// OverallCompleted or OverallFailed, or an empty string.
func filterOf(job *syncjob.Job) string {
	for _, status := range [...]string{syncjob.OverallCompleted, syncjob.OverallFailed} {
		if job.HasOverallStatus(status) {
			return status
		}
	}
	return ""
}

// index returns the index in ids of a position in a list of the given total, and the position
// of an index: each is the other's inverse.
func (c *cache) index(position, total int) int {
	if c.newestFirst {
		return total - 1 - position
	}
	return position
}

func (c *cache) summarize() {
	now := time.Now()
	all := c.settled.Copy()
	for _, open := range c.open {
		all.Add(&open.job, now)
	}
	c.summary = all.Summary(now)
	// The appliance's clock was wrong for more jobs than a summarizer keeps.
	c.incomplete = c.summary.Expired(now)
}

// agrees reports whether two caches have the same summary. The appliance's own words do not
// count: it may word a settled job differently.
func (c *cache) agrees(other *cache) bool {
	return reflect.DeepEqual(withoutWords(c.summary), withoutWords(other.summary))
}

func withoutWords(summary *syncjob.Summary) *syncjob.Summary {
	wordless := *summary
	wordless.UnknownTexts, wordless.Future, wordless.ValidUntil = nil, syncjob.Future{}, time.Time{}
	wordless.Scopes = slices.Clone(summary.Scopes)
	for i := range wordless.Scopes {
		scope := &wordless.Scopes[i]
		scope.Newest.Text, scope.OldestInProgressText = "", ""
		if scope.Last != nil {
			last := *scope.Last
			last.Text = ""
			scope.Last = &last
		}
	}
	return &wordless
}

// update takes over what an incremental read has found.
func (c *cache) update(found *incrementalRead) {
	changed := len(found.added) > 0
	c.ids = slices.Grow(c.ids, len(found.added))
	for _, job := range found.added {
		c.ids = append(c.ids, job.id)
		c.known.add(job.id)
		job.job = found.reread[job.id].job
		c.add(job)
	}
	for id, job := range found.reread {
		if before, ok := c.open[id]; ok && !before.job.Equal(&job.job) {
			changed = true
			delete(c.open, id)
			c.add(openJob{id: id, at: before.at, job: job.job})
		}
	}
	// While nothing changes, the summary stays the same one, and so does what is made of it.
	if changed || c.summary.Expired(time.Now()) {
		c.summarize()
	}
}

func (c *cache) add(job openJob) {
	if job.job.Settled() {
		c.settled.Add(&job.job, time.Now())
	} else {
		c.open[job.id] = job
	}
}
