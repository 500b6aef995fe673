package joblist

import (
	"fmt"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

// worker sums up what pages say, one at a time.
type worker struct {
	pass       *pass
	summarizer *syncjob.Summarizer
	// open are the jobs that can still change, where a history is kept; the
	// others are in summarizer.
	open []openJob
	// again sums up the jobs of the history that the pass is compared with.
	again *syncjob.Summarizer
}

// worker returns a worker that reads no page. There are no more of them than
// pages are read at once.
func (p *pass) worker() *worker {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := len(p.idle) - 1; last >= 0 {
		w := p.idle[last]
		p.idle = p.idle[:last]
		return w
	}
	return &worker{pass: p, summarizer: p.reader.none.Fork(), again: p.reader.none.Fork()}
}

func (p *pass) release(w *worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, w)
}

// maxListScopes bounds how many key rings or vaults a list may name, and with it
// the memory and the series that an appliance can cause.
const maxListScopes = 100_000

// add counts a job that came for the first time.
func (w *worker) add(key jobKey, position int, job *syncjob.Job) error {
	if w.pass.audited != nil && w.pass.audited.hasSettled(key) {
		w.again.Add(job)
	}
	// Where more is open than maxOpen, no history is kept.
	if w.pass.order != nil && !job.Settled() && len(w.open) <= maxOpen {
		w.open = append(w.open, openJob{key: key, at: position, job: job.Clone()})
		return nil
	}
	w.summarizer.Add(job)
	if w.summarizer.Scopes() > maxListScopes {
		return reason.New(reason.Decode, fmt.Errorf("the jobs of the list name more than %d scopes", maxListScopes),
			"report it with the appliance's version: no list is known to have as many")
	}
	return nil
}

// merge returns what all pages together say of the jobs that have settled, and
// the others, once all are read.
func (p *pass) merge() (settled *syncjob.Summarizer, open []openJob) {
	settled = p.reader.none.Fork()
	for _, w := range p.idle {
		settled.Merge(w.summarizer)
		open = append(open, w.open...)
	}
	return settled, open
}

// mergeAgain returns what the pages say of the jobs of the audited history.
func (p *pass) mergeAgain() *syncjob.Summarizer {
	again := p.reader.none.Fork()
	for _, w := range p.idle {
		again.Merge(w.again)
	}
	return again
}
