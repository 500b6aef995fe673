package joblist

import (
	"context"
	"sync"
)

// readAhead requests pages before the chain needs them. Each begins at the position of the last
// record of the page before it.
type readAhead struct {
	full   *FullRead
	ctx    context.Context //nolint:containedctx // It ends with the read.
	cancel context.CancelFunc
	group  sync.WaitGroup
	// stride is the number of positions from one page to the next, skip the position of the next page
	// to request, and until the end of the list.
	stride, skip, until int
	// queue holds the pages that the chain has not used yet, in order. Each function waits for its page.
	queue []func() (*page, error)
}

func (f *FullRead) readAhead(ctx context.Context, first *page) *readAhead {
	a := &readAhead{full: f, stride: first.count - 1, until: first.total}
	a.skip = a.stride
	a.ctx, a.cancel = context.WithCancel(ctx)
	return a
}

// fill requests pages, enough to use every slot while the chain waits for the first of them.
func (a *readAhead) fill(tail *page) {
	a.skip = max(a.skip, tail.end()-1)
	for len(a.queue) < 2*cap(a.full.slots) && a.skip+1 < a.until {
		skip, done := a.skip, make(chan struct{})
		var p *page
		var err error
		a.group.Go(func() {
			defer close(done)
			p, err = a.full.request(a.ctx, skip, a.full.reader.options.PageTimeout)
		})
		a.queue = append(a.queue, func() (*page, error) {
			<-done
			return p, err
		})
		a.skip += a.stride
	}
}

// first waits for the first page of the queue and returns it, or nil if the queue is empty.
func (a *readAhead) first(tail *page) (*page, error) {
	a.fill(tail)
	if len(a.queue) == 0 {
		return nil, nil //nolint:nilnil // There is no page and no error.
	}
	return a.queue[0]()
}

// drop removes the first page of the queue.
func (a *readAhead) drop() { a.queue = a.queue[1:] }

// stop cancels the requests in flight and waits until they have ended.
func (a *readAhead) stop() {
	a.cancel()
	a.group.Wait()
}
