package joblist

import (
	"reflect"
	"slices"
	"time"

	"cckm_sync_exporter/collector/syncjob"
)

const (
	// maxOpen and maxOpenBytes bound the number and the size of the cached jobs that can still
	// change.
	maxOpen      = 4096
	maxOpenBytes = 8 << 20
)

// cache is what an incremental read needs to know about a list: the ids of its jobs in order, a
// summary of the jobs that cannot change any more, and the other jobs themselves.
type cache struct {
	// newestFirst is true if new jobs appear at the start of the list, and false if at its end.
	newestFirst bool
	// ids are the ids of all jobs, from the oldest to the newest.
	ids []jobID
	// oldest is the overall_status of the oldest job if that is OverallCompleted or OverallFailed,
	// else empty.
	oldest string
	// known is the set of ids.
	known *idSet
	// settled has counted the jobs that cannot change any more.
	settled *syncjob.Summarizer
	// open are the other jobs.
	open map[jobID]openJob
	// summary is the summary of all jobs, or nil if the cache is not valid.
	summary *syncjob.Summary
	// incomplete is true if the summary lacks a time that has become due; a full read has it.
	incomplete bool
	// unproven counts consecutive proofs that failed.
	unproven int
	// unanswered is true if the last incremental read got no response.
	unanswered bool
}

// openJob is a job that can still change.
type openJob struct {
	id jobID
	// at is the index of the job in cache.ids.
	at  int
	job syncjob.Job
}

// newCache makes a cache from a full read. It owns its arguments afterwards.
func newCache(list *chain, known *idSet, settled *syncjob.Summarizer, open []openJob) (*cache, error) {
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
	err := c.summarize()
	return c, err
}

// filterOf returns the overall_status with which the appliance's filter returns the job, if that is
// OverallCompleted or OverallFailed, else an empty string.
func filterOf(job *syncjob.Job) string {
	for _, status := range [...]string{syncjob.OverallCompleted, syncjob.OverallFailed} {
		if job.HasOverallStatus(status) {
			return status
		}
	}
	return ""
}

// index converts a position in a list of the given total to an index in ids, and an index to a
// position: the function is its own inverse.
func (c *cache) index(position, total int) int {
	if c.newestFirst {
		return total - 1 - position
	}
	return position
}

// summarize makes the summary of the settled and the open jobs.
func (c *cache) summarize() error {
	now := time.Now()
	all := c.settled.Copy()
	for _, open := range c.open {
		if err := all.Add(&open.job, now); err != nil {
			return err //nolint:wrapcheck // The caller adds the context.
		}
	}
	c.summary = all.Summary(now)
	// The appliance's clock was wrong for more jobs than a summarizer keeps.
	c.incomplete = c.summary.Expired(now)
	return nil
}

// agrees reports whether two caches have the same summary, except for texts of the appliance, which
// it may change for a settled job.
func (c *cache) agrees(other *cache) bool {
	return reflect.DeepEqual(withoutTexts(c.summary), withoutTexts(other.summary))
}

func withoutTexts(summary *syncjob.Summary) *syncjob.Summary {
	textless := *summary
	textless.UnknownTexts, textless.Future, textless.ValidUntil = nil, syncjob.Future{}, time.Time{}
	textless.Scopes = slices.Clone(summary.Scopes)
	for i := range textless.Scopes {
		scope := &textless.Scopes[i]
		scope.Newest.Text, scope.OldestInProgressText = "", ""
		if scope.Last != nil {
			last := *scope.Last
			last.Text = ""
			scope.Last = &last
		}
	}
	return &textless
}

// update applies the result of an incremental read that has proven the cache. After an error, the
// cache is not valid.
func (c *cache) update(read *incrementalRead) error {
	changed := len(read.added) > 0 || c.summary == nil
	c.ids = slices.Grow(c.ids, len(read.added))
	for _, job := range read.added {
		c.ids = append(c.ids, job.id)
		c.known.add(job.id)
		job.job = read.latest[job.id].job
		if err := c.add(job); err != nil {
			return err
		}
	}
	for id, job := range read.latest {
		if before, ok := c.open[id]; ok && !before.job.Equal(&job.job) {
			changed = true
			delete(c.open, id)
			if err := c.add(openJob{id: id, at: before.at, job: job.job}); err != nil {
				return err
			}
		}
	}
	// If nothing has changed, keep the pointer: callers cache what they derive from the summary.
	if changed || c.summary.Expired(time.Now()) {
		return c.summarize()
	}
	return nil
}

func (c *cache) add(job openJob) error {
	if job.job.Settled() {
		return c.settled.Add(&job.job, time.Now()) //nolint:wrapcheck // The caller adds the context.
	}
	c.open[job.id] = job
	return nil
}
