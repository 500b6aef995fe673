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
	// queue holds the pages that the chain has not used yet, in order.
	queue []*pendingPage
}

// pendingPage is a page that was requested. page and err are set when done is closed.
type pendingPage struct {
	done chan struct{}
	page *page
	err  error
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
		p, skip := &pendingPage{done: make(chan struct{})}, a.skip
		a.queue = append(a.queue, p)
		a.group.Go(func() {
			defer close(p.done)
			p.page, p.err = a.full.page(a.ctx, skip)
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
	<-a.queue[0].done
	return a.queue[0].page, a.queue[0].err
}

// drop removes the first page of the queue.
func (a *readAhead) drop() { a.queue = a.queue[1:] }

// stop cancels the requests in flight and waits until they have ended.
func (a *readAhead) stop() {
	a.cancel()
	a.group.Wait()
}
