package joblist

import (
	"hash/maphash"

	"cckm_sync_exporter/collector/syncjob"
)

// jobKey stands for a job's id. That two ids of a list have the same one is less
// likely than that the machine fails.
type jobKey [2]uint64

func (r *Reader) key(id string) jobKey {
	return jobKey{maphash.String(r.seeds[0], id), maphash.String(r.seeds[1], id)}
}

// isNew says whether a job comes for the first time, whichever page it is in.
func (p *pass) isNew(key jobKey) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := len(p.seen)
	p.seen[key] = struct{}{}
	return len(p.seen) > before
}

// worker reads pages, one at a time, and sums up what they say.
type worker struct {
	decoder    *decoder
	summarizer *syncjob.Summarizer
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
	return &worker{decoder: newDecoder(p.reader.list.ScopeFields), summarizer: p.reader.none.Fork()}
}

func (p *pass) release(w *worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, w)
}

// summary returns what all pages together say, once all are read.
func (p *pass) summary() *syncjob.Summary {
	all := p.reader.none.Fork()
	for _, w := range p.idle {
		all.Merge(w.summarizer)
	}
	return all.Summary()
}
