package joblist

import "cckm_sync_exporter/collector/syncjob"

// worker reads pages, one at a time, and sums up what they say.
type worker struct {
	decoder    *decoder
	summarizer *syncjob.Summarizer
}

// worker returns a worker that reads no page. There are no more of them than
// pages are read at once.
func (p *pass) worker() *worker {
	decoder, ok := p.reader.decoders.Get().(*decoder)
	if !ok {
		decoder = newDecoder(p.reader.list.ScopeFields)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := len(p.idle) - 1; last >= 0 {
		w := p.idle[last]
		p.idle = p.idle[:last]
		w.decoder = decoder
		return w
	}
	return &worker{decoder: decoder, summarizer: p.reader.none.Fork()}
}

func (p *pass) release(w *worker) {
	p.reader.decoders.Put(w.decoder)
	w.decoder = nil
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
