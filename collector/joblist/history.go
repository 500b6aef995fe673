package joblist

import (
	"reflect"
	"slices"
	"time"

	"cckm_sync_exporter/collector/syncjob"
)

// maxOpen bounds how many jobs are kept that can still change.
const maxOpen = 4096

// history is what is kept of a list between two scrapes: which jobs it has, in
// their order, what the settled ones say together, and the others themselves. It
// takes about 45 bytes a job.
type history struct {
	// newestFirst says which end of the list grows.
	newestFirst bool
	// keys are the jobs in the order in which the list grows, the oldest first.
	keys []jobKey
	// known holds the same jobs.
	known *seenSet
	// settled sums up the jobs that cannot change any more.
	settled *syncjob.Summarizer
	// open are the others.
	open map[jobKey]openJob
	// summary is what all of them say.
	summary *syncjob.Summary
	// fullReadAt is when the list is to be read whole again.
	fullReadAt time.Time
}

// openJob is a job that can still change.
type openJob struct {
	key jobKey
	// at is the job's place in history.keys; while a pass is under way, its
	// position in the list.
	at  int
	job syncjob.Job
}

// keep returns the history of a list that was read whole, or nil where it cannot
// be kept: a list without an order may get a job anywhere, so that nothing short
// of another full read proves what it holds.
func (p *pass) keep(settled *syncjob.Summarizer, open []openJob) *history {
	if p.order == nil || p.single || p.short || len(open) > maxOpen || !p.reader.keeps() {
		return nil
	}
	newestFirst, ok := p.order.newestFirst()
	// A job that comes twice has two positions.
	if !ok || p.seen.len() != len(p.order.keys) {
		return nil
	}
	h := &history{
		newestFirst: newestFirst,
		keys:        p.order.keys,
		known:       p.seen,
		settled:     settled,
		open:        make(map[jobKey]openJob, len(open)),
		fullReadAt:  time.Now().Add(p.reader.options.FullReadInterval),
	}
	if newestFirst {
		slices.Reverse(h.keys)
	}
	for _, job := range open {
		job.at = h.index(job.at, len(h.keys))
		h.open[job.key] = job
	}
	h.summarize()
	return h
}

// index returns the place in keys of a position in a list of the given total,
// and the position of a place: the one is the other's inverse.
func (h *history) index(position, total int) int {
	if h.newestFirst {
		return total - 1 - position
	}
	return position
}

// hasSettled says whether a job is one of those that settled sums up.
func (h *history) hasSettled(key jobKey) bool {
	_, open := h.open[key]
	return !open && h.known.has(key)
}

// summarize works out what all jobs say.
func (h *history) summarize() {
	all := h.settled.Copy()
	for _, open := range h.open {
		all.Add(&open.job)
	}
	h.summary = all.Summary()
}

// agrees says whether what a full read says of the settled jobs is what is kept.
// Words do not count: an appliance may say in others what comes to the same.
func (h *history) agrees(again *syncjob.Summarizer) bool {
	return reflect.DeepEqual(wordless(h.settled.Copy().Summary()), wordless(again.Summary()))
}

// wordless takes the appliance's own words out of a summary that nobody else has.
func wordless(summary *syncjob.Summary) *syncjob.Summary {
	for i := range summary.Scopes {
		scope := &summary.Scopes[i]
		scope.Newest.Text, scope.OldestInProgressText = "", ""
		if scope.Last != nil {
			scope.Last.Text = ""
		}
	}
	return summary
}

// update takes over what an incremental read has found.
func (h *history) update(found *increment) {
	changed := len(found.fresh) > 0
	h.keys = slices.Grow(h.keys, len(found.fresh))
	for _, job := range found.fresh {
		h.keys = append(h.keys, job.key)
		h.known.add(job.key)
		job.job = found.reread[job.key].job
		h.take(job)
	}
	for key, job := range found.reread {
		if before, ok := h.open[key]; ok && !before.job.Equal(&job.job) {
			changed = true
			delete(h.open, key)
			h.take(openJob{key: key, at: before.at, job: job.job})
		}
	}
	// What keeps still keeps its summary, so that what is made of it can be kept.
	if changed {
		h.summarize()
	}
}

// take adds a job.
func (h *history) take(job openJob) {
	if job.job.Settled() {
		h.settled.Add(&job.job)
	} else {
		h.open[job.key] = job
	}
}
