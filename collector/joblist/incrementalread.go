package joblist

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"cckm_sync_exporter/collector/syncjob"
)

const (
	// overlap is how many known jobs are requested next to the new ones.
	overlap = documentedLimit
	// maxAdded bounds how many new jobs an incremental read requests. If there are more, a full
	// read costs little more.
	maxAdded = 10_000
	// maxProbes bounds how many requests are sent for open jobs, and probeSpan how many positions
	// one of them covers.
	maxProbes = 50
	probeSpan = 100
	// maxFiltered bounds the requests for the jobs in progress.
	maxFiltered = 8
	// maxReadBytes bounds the size of the jobs that one incremental read returns. Several pages may
	// have the same open job.
	maxReadBytes = 4 * maxOpenBytes
)

// unprovenError means that the cache could not be proven.
type unprovenError struct {
	text string
	// byFilter is true if the filter by overall_status contradicts the cache, and nothing else does.
	byFilter bool
}

// Error implements error.
func (e *unprovenError) Error() string { return e.text }

// Unwrap returns ErrUnproven.
func (e *unprovenError) Unwrap() error { return ErrUnproven }

func unprovenf(format string, args ...any) error {
	return &unprovenError{text: fmt.Sprintf(format, args...)}
}

// contradictedf is unprovenf for an error by the filter by overall_status.
func contradictedf(format string, args ...any) error {
	return &unprovenError{text: fmt.Sprintf(format, args...), byFilter: true}
}

// incrementalRead requests what can have changed since the cache was last brought up to date, and
// proves that nothing else has.
//
// The proof:
//
//   - Every page returns the same total: the number of cached jobs and of new ones.
//   - Every job of a page is at the position that it has in the cache, or is new and at the end at
//     which the list grows. New jobs are read completely (remaining).
//   - The oldest job is at the other end. So a job that was inserted or deleted between the ends
//     would change the total, or shift one of the ends.
//   - Every open job is read again (probes).
//   - The appliance counts as many completed and failed jobs as are known (checkCounts). As the
//     total is known, so is the number of all others. The page that is requested for a count is
//     chosen to have the oldest job as well, if that has the status that is counted.
//
// What it cannot see: a settled job that was deleted while another one with the same status
// appeared, both of them away from the ends. Only reading all jobs would show that. API.md has no
// way to delete a job; the next full read finds it.
//
// Requests that do not depend on each other are sent together: if little has changed, an
// incremental read takes at most two round trips.
type incrementalRead struct {
	reader   *Reader
	cache    *cache
	requests atomic.Int64
	// responses counts the pages that have arrived.
	responses atomic.Int64
	// bytes is the size of the jobs in these pages.
	bytes atomic.Int64
	// countsErrors is true if the appliance counts failed jobs as "error" as well.
	countsErrors bool

	// mu guards the fields below.
	mu sync.Mutex
	// total is the length of the list, as the first page returned it.
	total int
	// added are the new jobs, from the oldest to the newest.
	added []openJob
	// latest has every job that this read has returned, as it was last.
	latest map[jobID]openJob
}

func newIncrementalRead(r *Reader, c *cache) *incrementalRead {
	return &incrementalRead{reader: r, cache: c, countsErrors: r.countsErrors.Load(), latest: map[jobID]openJob{}}
}

// filtered is a page of the jobs with one overall_status. Its total is their number. It has the
// oldest job if that has this status, else any job.
type filtered struct {
	request pageRequest
	page    jobPage
}

// firstResponses are those of the requests that are sent first.
type firstResponses struct {
	// newest is the page of the end at which the list grows, and oldest that of the other end, if
	// no filter has it.
	newest, oldest             jobPage
	completed, failed, errored filtered
	// running are jobs in progress, and the total of their filter.
	running jobPage
}

// refusedFilterError is the error of a request that the appliance refused although it may
// answer the same one without the filter by overall_status.
type refusedFilterError struct{ error }

// Unwrap returns the error of the request.
func (e *refusedFilterError) Unwrap() error { return e.error }

// run reads what can have changed and proves the rest. It returns an unprovenError if it cannot.
func (n *incrementalRead) run(ctx context.Context) error {
	err := n.prove(ctx)
	// The request for the growing end has no filter, and its error would be the first one.
	if refused, ok := errors.AsType[*refusedFilterError](err); ok {
		return contradictedf("the filter is refused: %v", refused)
	}
	return err
}

func (n *incrementalRead) prove(ctx context.Context) error {
	growing := n.growingEnd()
	first, err := n.sendFirst(ctx, growing)
	if err != nil {
		return err
	}
	if err := n.checkEnds(first.newest, first.oldest, growing); err != nil {
		return err
	}
	if err := n.checkInProgress(first.running); err != nil {
		return err
	}
	steps := append(n.remaining(growing, first.newest), n.probes()...)
	for _, f := range []filtered{first.completed, first.failed} {
		step, err := n.checkOldest(f)
		if err != nil {
			return err
		}
		steps = append(steps, step...)
	}
	if err := runAll(ctx, steps); err != nil {
		return err
	}
	if err := cmp.Or(n.checkAdded(), n.checkOpen()); err != nil || n.reader.filter.ignored {
		return err
	}
	return n.checkCounts(ctx, first)
}

// sendFirst sends the requests that depend on nothing but the cache.
func (n *incrementalRead) sendFirst(ctx context.Context, growing pageRequest) (*firstResponses, error) {
	first := &firstResponses{}
	steps := []func(context.Context) error{n.read(growing, &first.newest)}
	if !n.reader.filter.ignored {
		steps = append(steps, n.filter(syncjob.OverallCompleted, &first.completed), n.filter(syncjob.OverallFailed, &first.failed))
		if n.countsErrors {
			steps = append(steps, n.filter(syncjob.OverallError, &first.errored))
		}
		if n.hasOpenBefore(growing) {
			steps = append(steps, func(ctx context.Context) (err error) { first.running, err = n.readInProgress(ctx); return err })
		}
	}
	if n.reader.filter.ignored || n.cache.oldest == "" {
		steps = append(steps, n.read(n.oldEnd(), &first.oldest))
	}
	if n.cache.failing {
		// An appliance that is down gets one request.
		if err := steps[0](ctx); err != nil {
			return nil, err
		}
		steps = steps[1:]
	}
	return first, runAll(ctx, steps)
}

// growingEnd returns the request for the end at which the list grows. It includes some known jobs:
// most open jobs are among the newest.
func (n *incrementalRead) growingEnd() pageRequest {
	limit := int(n.reader.limit.Load())
	if n.cache.newestFirst {
		return pageRequest{limit: min(limit, probeSpan)}
	}
	known := min(probeSpan, max(1, limit/2))
	return pageRequest{skip: max(0, len(n.cache.ids)-known), limit: limit}
}

// oldEnd returns the request for the oldest job.
func (n *incrementalRead) oldEnd() pageRequest {
	limit := min(probeSpan, int(n.reader.limit.Load()))
	if n.cache.newestFirst {
		return pageRequest{skip: len(n.cache.ids) - 1, limit: limit}
	}
	return pageRequest{limit: 1}
}

// hasOpenBefore reports whether there is an open job that is older than those that the request
// growing returns.
func (n *incrementalRead) hasOpenBefore(growing pageRequest) bool {
	for _, job := range n.cache.open {
		at := n.cache.index(job.at, len(n.cache.ids))
		if (n.cache.newestFirst && at >= growing.limit) || (!n.cache.newestFirst && at < growing.skip) {
			return true
		}
	}
	return false
}

// read returns a step that requests a page.
func (n *incrementalRead) read(q pageRequest, page *jobPage) func(context.Context) error {
	return func(ctx context.Context) (err error) {
		*page, err = n.request(ctx, q)
		return err
	}
}

func asUnproven(err error) (*unprovenError, bool) { return errors.AsType[*unprovenError](err) }

// runAll runs steps concurrently. It returns an unprovenError if there is one, else the first error:
// if a response contradicts the cache, it does not matter which other requests failed.
func runAll(ctx context.Context, steps []func(context.Context) error) error {
	errs := make([]error, len(steps))
	var wait sync.WaitGroup
	for i, step := range steps {
		wait.Go(func() { errs[i] = step(ctx) })
	}
	wait.Wait()
	var failure error
	for _, err := range errs {
		if _, ok := asUnproven(err); ok {
			return err
		}
		failure = cmp.Or(failure, err)
	}
	return failure
}

// jobPage is a page with its jobs. It has only the status of a settled job that is cached.
type jobPage struct {
	read  *incrementalRead
	jobs  []openJob
	total int
}

// begin implements visitor.
func (p *jobPage) begin() { p.jobs = p.jobs[:0] }

// visit implements visitor.
func (p *jobPage) visit(job *syncjob.Job) error {
	if len(p.jobs) >= maxAdded {
		return unprovenf("a page has more than %d jobs", maxAdded)
	}
	found := openJob{id: newJobID(job.ID), job: syncjob.Job{OverallStatus: job.OverallStatus}}
	if _, open := p.read.cache.open[found.id]; open || !p.read.cache.known.has(found.id) {
		found.job = job.Clone()
		if p.read.bytes.Add(int64(job.Size())) > maxReadBytes {
			return unprovenf("the jobs that can have changed take more than %d bytes", maxReadBytes)
		}
	}
	p.jobs = append(p.jobs, found)
	return nil
}

// request requests a page. If the appliance rejects the limit, it returns an unprovenError: the full
// read that follows finds a limit that the appliance accepts.
func (n *incrementalRead) request(ctx context.Context, q pageRequest) (jobPage, error) {
	page := jobPage{read: n}
	total, err := n.reader.get(ctx, q, &page, &n.requests)
	page.total = total
	switch {
	case rejectsRequest(err) && q.status != "":
		return jobPage{}, contradictedf("the filter is rejected: %v", err)
	case rejectsRequest(err):
		return jobPage{}, unprovenf("%v", err)
	case q.status != "" && refusesRequest(err):
		return jobPage{}, &refusedFilterError{err}
	case err != nil:
		return jobPage{}, err
	}
	n.responses.Add(1)
	page.jobs = page.jobs[:min(len(page.jobs), q.limit)]
	return page, nil
}

// readInProgress requests the jobs in progress by the filter. They need not be complete: open jobs
// that are missing are requested by their positions.
func (n *incrementalRead) readInProgress(ctx context.Context) (running jobPage, err error) {
	for pages := range maxFiltered {
		page, err := n.request(ctx, pageRequest{skip: len(running.jobs), limit: int(n.reader.limit.Load()), status: syncjob.OverallInProgress})
		switch {
		case err != nil:
			return jobPage{}, err
		case pages > 0 && page.total != running.total:
			return jobPage{}, contradictedf("the appliance counts %d jobs in progress, and then %d", running.total, page.total)
		}
		for _, job := range page.jobs {
			if job.job.Status() != syncjob.InProgress {
				return jobPage{}, contradictedf("the filter for jobs in progress returns others")
			}
		}
		running.jobs, running.total = append(running.jobs, page.jobs...), page.total
		if len(running.jobs) >= page.total || len(page.jobs) == 0 {
			break
		}
	}
	return running, nil
}

// filter returns a step that requests the page described at filtered.
func (n *incrementalRead) filter(status string, into *filtered) func(context.Context) error {
	into.request = pageRequest{limit: 1, status: status}
	if status == n.cache.oldest && n.cache.newestFirst {
		settled := n.cache.settled.Jobs()
		known := settled[syncjob.Failed]
		if status == syncjob.OverallCompleted {
			known = settled[syncjob.Completed] + settled[syncjob.Aborted]
		}
		into.request.skip, into.request.limit = max(0, known-1), min(probeSpan, int(n.reader.limit.Load()))
	}
	return func(ctx context.Context) error {
		page, err := n.request(ctx, into.request)
		if err != nil {
			return err
		}
		for _, job := range page.jobs {
			if !job.job.HasOverallStatus(status) {
				return contradictedf("the filter for overall_status=%s returns other jobs", status)
			}
		}
		into.page = page
		return nil
	}
}

// checkOldest compares the oldest job with the cache, if f is the filter that has it. If its page
// does not reach the oldest job, checkOldest returns a step that requests it.
func (n *incrementalRead) checkOldest(f filtered) ([]func(context.Context) error, error) {
	jobs := f.page.jobs
	switch {
	case n.cache.oldest == "" || f.request.status != n.cache.oldest:
		return nil, nil
	case len(jobs) == 0, n.cache.newestFirst && f.request.skip+len(jobs) < f.page.total:
		at := n.cache.index(0, n.total)
		return []func(context.Context) error{n.probe(at, at+1)}, nil
	}
	oldest := jobs[0]
	if n.cache.newestFirst {
		oldest = jobs[len(jobs)-1]
	}
	if oldest.id != n.cache.ids[0] {
		return nil, unprovenf("the oldest job is not the one that is cached")
	}
	return nil, nil
}

// checkEnds compares both ends of the list with the cache, and sets total. oldest is empty if a
// filter has the oldest job.
func (n *incrementalRead) checkEnds(newest, oldest jobPage, growing pageRequest) error {
	cached := len(n.cache.ids)
	n.total = newest.total
	if n.total < cached || n.total > cached+maxAdded {
		return unprovenf("the list has a total of %d, and %d jobs are cached", n.total, cached)
	}
	n.added = make([]openJob, n.total-cached)
	if err := n.check(growing.skip, newest); err != nil || len(oldest.jobs) == 0 {
		return err
	}
	return n.check(n.oldEnd().skip, oldest)
}

// check compares a page at a position with the cache.
func (n *incrementalRead) check(position int, page jobPage) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if page.total != n.total {
		return unprovenf("the page at skip=%d has a total of %d, and the first page has %d", position, page.total, n.total)
	}
	for i, job := range page.jobs {
		at := n.cache.index(position+i, n.total)
		if at < 0 || at >= n.total {
			return unprovenf("there is a job beyond the total of %d", n.total)
		}
		if err := n.checkJob(at, job); err != nil {
			return err
		}
	}
	return nil
}

// checkJob compares the job at an index with the cache, and stores it.
func (n *incrementalRead) checkJob(at int, job openJob) error {
	if at < len(n.cache.ids) {
		if n.cache.ids[at] != job.id {
			return unprovenf("job %d of %d is not the one that is cached", at+1, n.total)
		}
	} else {
		if n.cache.known.has(job.id) {
			return unprovenf("a known job is among the new ones")
		}
		added := &n.added[at-len(n.cache.ids)]
		if added.id != (jobID{}) && added.id != job.id {
			return unprovenf("job %d of %d has changed during the read", at+1, n.total)
		}
		job.at = at
		*added = job
	}
	n.latest[job.id] = job
	return nil
}

// checkInProgress returns an error if the cache has a job in progress as settled. It stores the
// others.
func (n *incrementalRead) checkInProgress(running jobPage) error {
	if known := len(n.cache.open) + len(n.added); running.total > known {
		return contradictedf("the appliance counts %d jobs in progress, and %d are known that can be", running.total, known)
	}
	for _, job := range running.jobs {
		if _, open := n.cache.open[job.id]; !open && n.cache.known.has(job.id) {
			return contradictedf("a settled job is in progress")
		}
		if _, read := n.latest[job.id]; !read {
			n.latest[job.id] = job
		}
	}
	return nil
}

// remaining returns the steps that request the new jobs that no page has returned so far, and the
// oldest job if neither a filter nor a page has returned it.
func (n *incrementalRead) remaining(growing pageRequest, newest jobPage) []func(context.Context) error {
	end := growing.skip + len(newest.jobs)
	if !n.cache.newestFirst {
		if end < n.total {
			return []func(context.Context) error{n.readOverlapping(end-1, n.total)}
		}
		return nil
	}
	var steps []func(context.Context) error
	if until := min(n.total, len(n.added)+overlap); end < until {
		steps = append(steps, n.readOverlapping(end-1, until))
	}
	if n.reader.filter.ignored || n.cache.oldest == "" {
		if _, read := n.latest[n.cache.ids[0]]; !read {
			steps = append(steps, n.probe(n.total-1, n.total))
		}
	}
	return steps
}

// readOverlapping returns a step that requests the positions before until, beginning at from.
// Each page begins with the last job of the page before it.
func (n *incrementalRead) readOverlapping(from, until int) func(context.Context) error {
	return func(ctx context.Context) error {
		limit := int(n.reader.limit.Load())
		for at := max(0, from); at+1 < until; {
			page, err := n.request(ctx, pageRequest{skip: at, limit: min(limit, until-at)})
			if err != nil {
				return err
			}
			if len(page.jobs) < 2 {
				return unprovenf("the page at skip=%d has %d jobs", at, len(page.jobs))
			}
			if err := n.check(at, page); err != nil {
				return err
			}
			at += len(page.jobs) - 1
		}
		return nil
	}
}

// probes returns the steps that request the open jobs that no page has returned so far. Jobs that
// are near each other are requested together.
func (n *incrementalRead) probes() []func(context.Context) error {
	var positions []int
	for id, job := range n.cache.open {
		if _, read := n.latest[id]; !read {
			positions = append(positions, n.cache.index(job.at, n.total))
		}
	}
	slices.Sort(positions)
	var steps []func(context.Context) error
	for len(positions) > 0 {
		from := positions[0]
		end := from
		for len(positions) > 0 && positions[0] < from+probeSpan {
			end = positions[0] + 1
			positions = positions[1:]
		}
		steps = append(steps, n.probe(from, end))
	}
	if len(steps) > maxProbes {
		return []func(context.Context) error{func(context.Context) error {
			return unprovenf("open jobs need %d requests, and at most %d are sent", len(steps), maxProbes)
		}}
	}
	return steps
}

// probe returns a step that requests the positions before end, beginning at from.
func (n *incrementalRead) probe(from, end int) func(context.Context) error {
	return func(ctx context.Context) error {
		limit := int(n.reader.limit.Load())
		for at := from; at < end; {
			page, err := n.request(ctx, pageRequest{skip: at, limit: min(limit, end-at)})
			if err != nil {
				return err
			}
			if len(page.jobs) == 0 {
				return unprovenf("the page at skip=%d is empty although its total is %d", at, page.total)
			}
			if err := n.check(at, page); err != nil {
				return err
			}
			at += len(page.jobs)
		}
		return nil
	}
}

// checkAdded returns an error if a new job was not read, is in the list twice, or was returned by
// the filter only.
func (n *incrementalRead) checkAdded() error {
	added := make(map[jobID]struct{}, len(n.added))
	for i, job := range n.added {
		if job.id == (jobID{}) {
			return unprovenf("new job %d of %d was not read", i+1, len(n.added))
		}
		added[job.id] = struct{}{}
	}
	if len(added) < len(n.added) {
		return unprovenf("a new job is in the list twice")
	}
	for id := range n.latest {
		if _, isNew := added[id]; !isNew && !n.cache.known.has(id) {
			return contradictedf("a job is in progress that is not at the end where the list grows")
		}
	}
	return nil
}

// checkOpen returns an error if the open jobs are too large for the cache.
func (n *incrementalRead) checkOpen() error {
	jobs, bytes := 0, 0
	for _, job := range n.latest {
		if !job.job.Settled() {
			jobs++
			bytes += job.job.Size()
		}
	}
	if jobs > maxOpen || bytes > maxOpenBytes {
		return unprovenf("%d open jobs of %d bytes are too many to cache", jobs, bytes)
	}
	return nil
}

// checkCounts compares the numbers of completed and failed jobs with the totals of the filters.
func (n *incrementalRead) checkCounts(ctx context.Context, first *firstResponses) error {
	want := n.cache.settled.Jobs()
	for id := range n.cache.open {
		job := n.latest[id].job
		want[job.Status()]++
	}
	for _, added := range n.added {
		job := n.latest[added.id].job
		want[job.Status()]++
	}
	// The appliance counts a canceled job as completed.
	if known := want[syncjob.Completed] + want[syncjob.Aborted]; first.completed.page.total != known {
		return miscounted(syncjob.OverallCompleted, first.completed.page.total, known)
	}
	got := first.failed.page.total + first.errored.page.total
	if got != want[syncjob.Failed] && !n.countsErrors {
		// Some clients of the API expect "error" instead of "failed".
		n.countsErrors = true
		if err := n.filter(syncjob.OverallError, &first.errored)(ctx); err != nil {
			return err
		}
		got += first.errored.page.total
	}
	if got != want[syncjob.Failed] {
		return miscounted(syncjob.OverallFailed, got, want[syncjob.Failed])
	}
	return nil
}

func miscounted(status string, got, want int) error {
	return contradictedf("the appliance counts %d jobs of status %s, and %d are known", got, status, want)
}
