package joblist

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

const (
	// maxPositions bounds the length of a list. It limits the requests and the memory that a wrong
	// total can cause.
	maxPositions = 4 << 20
	// maxGrowth is by how many records a list may grow while it is read, in addition to its length.
	maxGrowth = 1000
	// maxGapRequests bounds the requests that close one gap.
	maxGapRequests = 32
	// maxUnasked bounds the jobs of a page of an appliance that ignores the limit.
	maxUnasked = 100_000
	// maxPasses is how often a list is read at most if one pass cannot prove that it is complete.
	maxPasses = 4
)

// FullRead is one read of every page of a list.
//
// Why it is complete: a page is a contiguous part of the list as it was at one moment, and records
// keep their relative order. Let two pages have a record in common, and let a job be in the list
// during the whole read, somewhere between the first record of the first page and the last record
// of the second. If the job is before the common record, it is in the first page; if it is after
// it, it is in the second. So a chain of pages, each of which has a record in common with the page
// before it, has every such job if it begins at position 0 and ends with a page that reaches the
// total.
//
// It does not matter when each page is read. So pages are requested concurrently, each from the
// position of the last record of the page before it (readAhead). If jobs appear or disappear
// meanwhile, two pages may have no record in common; then the gap between them is read again
// (closeGap). A job that is in several pages counts once, by its id.
//
// What the pages cannot prove is checked afterwards: that there are as many jobs as the total says
// (proven), and that pages of one record, which cannot overlap, are the same in two passes (run).
type FullRead struct {
	reader *Reader
	// began is when the read began.
	began time.Time
	limit int
	// slots holds a token for each further page that may be requested now.
	slots chan struct{}
	// heldBack is how many slots a gentle read does not use until Hurry is called.
	heldBack atomic.Int64
	requests atomic.Int64

	chain chain
	// gapRequests counts the requests that were sent to close gaps.
	gapRequests int

	// mu guards the fields below, which the pages that are decoded concurrently share.
	mu       sync.Mutex
	progress Progress
	// seen holds the ids of all jobs that were read.
	seen *idSet
	// settled has counted the jobs that cannot change any more, and open are the others. If there is
	// no cache, or if they are too large for it, they are in settled and caching is false.
	settled   *syncjob.Summarizer
	open      []openJob
	openBytes int
	caching   bool
	// leastTotal and mostTotal are the smallest and the largest total that a page returned.
	leastTotal, mostTotal int

	// Summary is the summary of the list. It is set when Run has returned without an error.
	Summary *syncjob.Summary
	// cache is nil if the list cannot be cached.
	cache *cache
}

// Progress is how far a full read is.
type Progress struct {
	// Pages and Jobs were read so far.
	Pages, Jobs int
	// PagesExpected and JobsExpected are estimates of the list's size, and 0 until the first page
	// has arrived.
	PagesExpected, JobsExpected int
	// LastPage is when the last page arrived; it is zero before the first.
	LastPage time.Time
	// Failure is the error of the last request, if it failed and is being retried.
	Failure error
}

// Progress returns how far the read is. It may be called at any time.
func (f *FullRead) Progress() Progress {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.progress
	p.PagesExpected = max(p.Pages, p.PagesExpected)
	return p
}

// failed stores the error of a request that is being retried.
func (f *FullRead) failed(failure error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.progress.Failure = failure
}

// Requests returns the number of requests for pages, including those that failed.
func (f *FullRead) Requests() int { return int(f.requests.Load()) }

// NewFullRead returns a full read. A gentle one uses a quarter of the concurrency, but at least one
// request, until Hurry is called.
func (r *Reader) NewFullRead(gentle bool) *FullRead {
	seen, ok := r.sets.Get().(*idSet)
	if !ok {
		seen = newIDSet()
	}
	slots := r.options.Concurrency
	f := &FullRead{reader: r, began: time.Now(), seen: seen, slots: make(chan struct{}, slots)}
	if gentle {
		f.heldBack.Store(int64(slots - max(1, slots/4)))
	}
	for range slots - int(f.heldBack.Load()) {
		f.slots <- struct{}{}
	}
	f.begin()
	return f
}

// Hurry lets a gentle read use all of the concurrency.
func (f *FullRead) Hurry() {
	for range f.heldBack.Swap(0) {
		f.slots <- struct{}{}
	}
}

// Run reads the list. It returns when it is done or ctx ends. Its errors carry a
// reason.Reason and name the list.
func (f *FullRead) Run(ctx context.Context) error {
	err := f.run(ctx)
	if err != nil {
		f.reader.sets.Put(f.seen)
		return f.reader.explain(err)
	}
	return nil
}

// run reads the list in one pass if that proves itself. If not, because the list has jobs twice or
// its pages are too short to overlap, it reads the list until two passes return the same jobs in the
// same order.
func (f *FullRead) run(ctx context.Context) error {
	var before *uint64
	for pass := range maxPasses {
		if pass > 0 {
			f.begin()
		}
		if err := f.readPages(ctx, pass > 0); err != nil {
			return err
		}
		err := f.proven()
		if err == nil {
			return f.finish()
		}
		if f.leastTotal != f.mostTotal || (f.chain.hasSinglePage && 2*f.seen.len() <= f.chain.positions) {
			// The list has changed, or the appliance ignores skip.
			return err
		}
		if f.chain.exact && f.chain.positions == f.leastTotal {
			if digest := f.chain.digest; before == nil || *before != digest {
				before = &digest
				continue
			}
			return f.finish()
		}
	}
	return inconsistentf("its pages do not prove that it is complete, and no two of %d reads were the same", maxPasses)
}

// readPages makes one pass: it reads the list from its start to its end into f.chain. If it reads
// sequentially, it requests each page when the one before it has arrived.
func (f *FullRead) readPages(ctx context.Context, sequentially bool) error {
	first, err := f.firstPage(ctx)
	for tries := 0; err == nil && first.contradictsTotal() && tries < maxGapRequests; tries++ {
		first, err = f.request(ctx, 0, 0)
	}
	if err != nil {
		return err
	}
	f.chain = chain{recorded: f.reader.options.Cache, exact: true}
	f.chain.append(first, splice{})
	switch {
	case first.reachesEnd():
		return nil
	case first.contradictsTotal():
		return inconsistentf("the first page has %d jobs and a total of %d", first.count, first.total)
	case first.count == 0:
		return inconsistentf("the first page is empty although its total is %d", first.total)
	case first.total > maxPositions:
		return inconsistentf("its total is %d, and at most %d can be read", first.total, maxPositions)
	}
	f.expect(first)
	if first.count == 1 {
		return f.readSingly(ctx, first)
	}
	ahead := f.readAhead(ctx, first)
	defer ahead.stop()
	if sequentially {
		ahead.until = 0
	}
	longest := longestAfter(first)
	for !f.chain.tail.reachesEnd() {
		next, j, err := f.next(ctx, ahead)
		if err != nil {
			return err
		}
		if next.end() > longest {
			return inconsistentf("it does not end within %d records", longest)
		}
		f.chain.append(next, j)
	}
	return nil
}

// begin begins a pass.
func (f *FullRead) begin() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen.reset()
	f.settled, f.open, f.openBytes = syncjob.NewSummarizer(f.reader.list), nil, 0
	f.caching = f.reader.options.Cache
	f.leastTotal, f.mostTotal, f.gapRequests = maxPositions, 0, 0
}

// expect prepares for a list with the total of its first page.
func (f *FullRead) expect(first *page) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen.expect(first.total)
	f.progress.JobsExpected = first.total
	if first.count > 1 {
		f.progress.PagesExpected = 1 + (first.total-2)/(first.count-1)
	}
}

// longestAfter bounds the length of a list by the total of its first page. A list may grow while it
// is read, but not to twice its length.
func longestAfter(first *page) int { return min(maxPositions, 2*first.total+maxGrowth) }

// next returns the page that continues the chain.
func (f *FullRead) next(ctx context.Context, ahead *readAhead) (*page, splice, error) {
	tail := f.chain.tail
	for {
		p, err := ahead.first(tail)
		if err != nil {
			return nil, splice{}, err
		}
		if p == nil {
			break
		}
		j, shared := f.chain.spliceOf(p)
		switch {
		case p.contradictsTotal():
		case shared && j.extends:
			ahead.drop()
			return p, j, nil
		case p.end() > tail.end():
			return f.closeGap(ctx, tail)
		}
		// The page has nothing that the chain lacks, or it contradicts its total.
		ahead.drop()
	}
	return f.closeGap(ctx, tail)
}

// closeGap requests a page that continues the chain, because the pages that were read ahead do not: jobs
// have appeared or disappeared, so that the chain's last job has another position now. It requests the
// position where the chain ends, and moves skip until a page has a record in common with the chain.
func (f *FullRead) closeGap(ctx context.Context, tail *page) (*page, splice, error) {
	skip := tail.end() - 1
	most := 2*(tail.total/max(1, tail.count-1)) + 4*maxGapRequests
	for attempt := range maxGapRequests {
		f.gapRequests++
		if f.gapRequests > most {
			return nil, splice{}, inconsistentf("it changes faster than it can be read: %d requests closed gaps between pages", most)
		}
		p, err := f.request(ctx, skip, f.reader.options.PageTimeout)
		if err != nil {
			return nil, splice{}, err
		}
		j, shared := f.chain.spliceOf(p)
		grown := p.total - tail.total
		switch {
		case p.contradictsTotal():
		case shared && j.extends:
			return p, j, nil
		case shared:
			// New jobs were inserted before this position, so p ends before the chain does.
			skip = p.end() - 1 + j.behind
		case skip == 0:
			// None of the chain's last jobs is left, and p is the beginning of the list.
			return p, splice{restart: true}, nil
		case attempt == 0 && grown != 0:
			// The total has changed, most likely because jobs before this position did.
			skip = max(0, skip+grown)
		default:
			// Jobs before this position were deleted, so p begins after the end of the chain.
			skip = max(0, skip-max(1, p.count-1))
		}
	}
	return nil, splice{}, inconsistentf("%d requests did not close the gap after position %d", maxGapRequests, tail.end())
}

// readSingly reads a list whose pages have one record each. They cannot overlap, so only a second
// pass with the same outcome proves that they are complete.
func (f *FullRead) readSingly(ctx context.Context, first *page) error {
	longest := longestAfter(first)
	for at := 1; ; at++ {
		p, err := f.request(ctx, at, f.reader.options.PageTimeout)
		switch {
		case err != nil:
			return err
		case p.count == 0:
			return inconsistentf("the page at skip=%d is empty although its total is %d", at, p.total)
		case at > longest:
			return inconsistentf("it does not end within %d records", longest)
		}
		f.chain.append(p, splice{keep: len(f.chain.ids)})
		if p.reachesEnd() {
			return nil
		}
	}
}

// proven returns an error if the chain may lack a job: if pages have one record only, or if there
// are fewer records than every total that was returned.
//
// If the list changed during the read, fewer records are not an error unless the chain has a job
// twice: jobs may have been deleted before they were read, while as many new ones appeared at a
// position that was read already.
func (f *FullRead) proven() error {
	distinct := f.seen.len()
	records := distinct + f.chain.repeated
	changed := f.leastTotal != f.mostTotal
	switch {
	case f.chain.hasSinglePage:
		return inconsistentf("its pages of one job do not overlap: %d different jobs are at %d positions", distinct, f.chain.positions)
	case records < f.leastTotal && (!changed || f.chain.positions > distinct):
		return inconsistentf("its pages have %d jobs, and each of them has a total of %d or more", records, f.leastTotal)
	default:
		return nil
	}
}

// finish makes the summary, and the cache if the list can be cached.
func (f *FullRead) finish() error {
	if f.caching && f.chain.cacheable(f.seen.len()) {
		c, err := newCache(&f.chain, f.seen, f.settled, f.open)
		if err != nil {
			return tooManyScopes(err)
		}
		f.cache, f.Summary = c, c.summary
	} else {
		if err := f.settleOpen(); err != nil {
			return err
		}
		f.Summary = f.settled.Summary(f.began)
	}
	f.chain, f.settled, f.open = chain{}, nil, nil
	return nil
}

func tooManyScopes(err error) error {
	return reason.New(reason.Decode, err, "report it with the appliance's version: no list is known to have as many")
}

func inconsistentf(format string, args ...any) error {
	return reason.New(reason.Inconsistent, fmt.Errorf(format, args...), hintInconsistent)
}

// firstPage requests the first page. It halves the limit as long as the appliance rejects it.
func (f *FullRead) firstPage(ctx context.Context) (*page, error) {
	f.limit = f.reader.options.PageSize
	least := min(documentedLimit, f.limit)
	for {
		first, err := f.request(ctx, 0, 0)
		switch {
		case err == nil:
			f.reader.limit.Store(int64(f.limit))
			return first, nil
		case f.limit <= least || !rejectsRequest(err):
			return nil, err
		}
		f.limit = max(least, f.limit/2)
	}
}

// The pauses before a page is requested again.
const (
	firstPause   = time.Second
	longestPause = 10 * time.Second
)

// request requests the page at skip. After a temporary failure, it retries until retryFor has passed,
// because a read of many pages must not fail with one of them. It keeps its slot meanwhile, so that a
// failing appliance gets fewer requests.
func (f *FullRead) request(ctx context.Context, skip int, retryFor time.Duration) (*page, error) {
	select {
	case <-f.slots:
		defer func() { f.slots <- struct{}{} }()
	case <-ctx.Done():
		return nil, reason.New(reason.Timeout, fmt.Errorf("between two pages: %w", context.Cause(ctx)), hintTimeout)
	}
	p, err := f.send(ctx, skip)
	giveUp := time.Now().Add(retryFor)
	for pause := firstPause; err != nil && isRetryable(err) && time.Now().Add(pause).Before(giveUp); pause = min(2*pause, longestPause) {
		f.failed(err)
		if !ciphertrust.Sleep(ctx, pause) {
			return nil, err
		}
		p, err = f.send(ctx, skip)
	}
	return p, err
}

// isRetryable reports whether a request that failed may succeed later. A read in the background can wait
// for longer than the client, which retries within a scrape.
func isRetryable(err error) bool {
	if failure, ok := errors.AsType[*ciphertrust.APIError](err); ok && failure.Status == http.StatusRequestTimeout {
		return true
	}
	switch reason.Of(err) {
	case reason.Timeout, reason.Network, reason.Server:
		return true
	default:
		return false
	}
}

// send requests the page at skip and adds its jobs. The caller holds a slot.
func (f *FullRead) send(ctx context.Context, skip int) (*page, error) {
	p := &page{skip: skip, ids: make([]jobID, 0, min(f.limit, 2*recentIDs))}
	if timeout := f.reader.options.PageTimeout; timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	// A scrape that leaves while the page is retried reports why.
	ctx = ciphertrust.WithFailures(ctx, f.failed)
	// If a transfer of the page fails, its jobs stay counted: they are in the list.
	begin := func() { *p = page{skip: skip, ids: p.ids[:0]} }
	total, err := f.reader.get(ctx, pageRequest{skip: skip, limit: f.limit}, &f.requests, begin, func(jobs []syncjob.Job) error { return f.visit(p, jobs) })
	if err != nil {
		return nil, err
	}
	p.total = total
	p.countRepeated()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leastTotal, f.mostTotal = min(f.leastTotal, total), max(f.mostTotal, total)
	f.progress.Pages++
	f.progress.Jobs, f.progress.LastPage, f.progress.Failure = f.seen.len(), time.Now(), nil
	return p, nil
}

// visit adds jobs to a page, and counts those that no page had before.
func (f *FullRead) visit(p *page, jobs []syncjob.Job) error {
	if most := max(f.limit, maxUnasked); p.count+len(jobs) > most {
		return inconsistentf("a page has more than %d jobs although %d were requested", most, f.limit)
	}
	if !f.reader.options.Cache && len(p.ids)+len(jobs) > 2*recentIDs {
		p.ids = append(p.ids[:0], p.ids[max(0, len(p.ids)-recentIDs):]...)
	}
	for i := range jobs {
		p.add(&jobs[i])
	}
	ids := p.ids[len(p.ids)-len(jobs):]
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, isNew := range f.seen.addAll(ids) {
		if !isNew {
			p.duplicates++
		} else if err := f.add(ids[i], &jobs[i]); err != nil {
			return err
		}
	}
	if p.duplicates > f.limit+recentIDs {
		return inconsistentf("a page repeats more than %d jobs", f.limit+recentIDs)
	}
	return nil
}

// add counts a job. The caller holds the lock.
func (f *FullRead) add(id jobID, job *syncjob.Job) error {
	if !f.caching || job.Settled() {
		return f.settle(job)
	}
	if err := f.settled.Reserve(job); err != nil {
		return tooManyScopes(err)
	}
	f.open = append(f.open, openJob{id: id, job: job.Clone()})
	f.openBytes += job.Size()
	if len(f.open) <= maxOpen && f.openBytes <= maxOpenBytes {
		return nil
	}
	f.caching = false
	return f.settleOpen()
}

// settle adds a job to settled. The caller holds the lock, unless all pages have been read.
func (f *FullRead) settle(job *syncjob.Job) error {
	if err := f.settled.Add(job, f.began); err != nil {
		return tooManyScopes(err)
	}
	return nil
}

// settleOpen moves the open jobs to settled. The lock is as for settle.
func (f *FullRead) settleOpen() error {
	for i := range f.open {
		if err := f.settle(&f.open[i].job); err != nil {
			return err
		}
	}
	f.open = nil
	return nil
}
