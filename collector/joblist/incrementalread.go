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

// ErrUnproven is returned, wrapped, by an incremental read that could not prove that the cache has
// exactly the appliance's jobs. The list is unknown then; it needs a full read.
var ErrUnproven = errors.New("the cache is unproven")

// errByFilter is ErrUnproven if the filter by overall_status contradicts the cache, and nothing else does.
var errByFilter = fmt.Errorf("%w by the filter", ErrUnproven)

// errFilterRefused is wrapped by the error of a request that the appliance refused although it may
// answer the same one without the filter by overall_status.
var errFilterRefused = errors.New("the filter is refused")

func unprovenf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnproven, fmt.Sprintf(format, args...))
}

func contradictedf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errByFilter, fmt.Sprintf(format, args...))
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

	// newest is the page of the end at which the list grows, and oldest that of the other end. oldest is
	// empty if completed or failed has the oldest job.
	newest, oldest jobPage
	// completed, failed and errored are pages of the jobs with that overall_status. Each total is the
	// number of these jobs.
	completed, failed, errored jobPage
	// running are jobs in progress, and the total of their filter.
	running jobPage

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

// jobPage is a page with its jobs. It has only the status of a settled job that is cached.
type jobPage struct {
	request pageRequest
	jobs    []openJob
	total   int
}

// run reads what can have changed and proves the rest. Its error wraps ErrUnproven if it cannot.
func (n *incrementalRead) run(ctx context.Context) error {
	err := n.prove(ctx)
	// The request for the growing end has no filter, and its error would be the first one.
	if errors.Is(err, errFilterRefused) {
		return contradictedf("%v", err)
	}
	return err
}

func (n *incrementalRead) prove(ctx context.Context) error {
	if err := n.sendFirst(ctx); err != nil {
		return err
	}
	if err := n.checkEnds(); err != nil {
		return err
	}
	if err := n.checkInProgress(); err != nil {
		return err
	}
	steps := append(n.remaining(), n.probes()...)
	for _, page := range []*jobPage{&n.completed, &n.failed} {
		step, err := n.checkOldest(page)
		if err != nil {
			return err
		}
		steps = append(steps, step...)
	}
	if err := runAll(ctx, steps); err != nil {
		return err
	}
	if err := cmp.Or(n.checkAdded(), n.checkOpen()); err != nil || n.reader.filterIgnored {
		return err
	}
	return n.checkCounts(ctx)
}

// sendFirst sends the requests that depend on nothing but the cache.
func (n *incrementalRead) sendFirst(ctx context.Context) error {
	growing := n.growingEnd()
	steps := []func(context.Context) error{n.read(growing, &n.newest)}
	if !n.reader.filterIgnored {
		steps = append(steps, n.read(n.filter(syncjob.OverallCompleted), &n.completed), n.read(n.filter(syncjob.OverallFailed), &n.failed))
		if n.countsErrors {
			steps = append(steps, n.read(n.filter(syncjob.OverallError), &n.errored))
		}
		if n.hasOpenBefore(growing) {
			steps = append(steps, n.readInProgress)
		}
	}
	if n.reader.filterIgnored || n.cache.oldest == "" {
		steps = append(steps, n.read(n.oldEnd(), &n.oldest))
	}
	if n.cache.unanswered {
		// An appliance that is down gets one request.
		if err := steps[0](ctx); err != nil {
			return err
		}
		steps = steps[1:]
	}
	return runAll(ctx, steps)
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

// filter returns the request for the number of jobs with a status. If the oldest job has this status,
// the page has it, unless their number has changed.
func (n *incrementalRead) filter(status string) pageRequest {
	if status != n.cache.oldest || !n.cache.newestFirst {
		return pageRequest{limit: 1, status: status}
	}
	settled := n.cache.settled.Jobs()
	known := settled[syncjob.Failed]
	if status == syncjob.OverallCompleted {
		known = settled[syncjob.Completed] + settled[syncjob.Aborted]
	}
	return pageRequest{skip: max(0, known-1), limit: min(probeSpan, int(n.reader.limit.Load())), status: status}
}

// read returns a step that requests a page.
func (n *incrementalRead) read(q pageRequest, page *jobPage) func(context.Context) error {
	return func(ctx context.Context) (err error) {
		*page, err = n.request(ctx, q)
		return err
	}
}

// runAll runs steps concurrently. It returns an error that wraps ErrUnproven if there is one, else the first:
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
		if errors.Is(err, ErrUnproven) {
			return err
		}
		failure = cmp.Or(failure, err)
	}
	return failure
}

// request requests a page. If the appliance rejects the limit, the error wraps ErrUnproven: the full read
// that follows finds a limit that the appliance accepts.
func (n *incrementalRead) request(ctx context.Context, q pageRequest) (jobPage, error) {
	page := jobPage{request: q}
	begin := func() { page.jobs = page.jobs[:0] }
	var err error
	page.total, err = n.reader.get(ctx, q, &n.requests, begin, func(jobs []syncjob.Job) error { return n.visit(&page, jobs) })
	switch {
	case rejectsRequest(err) && q.status != "":
		return jobPage{}, contradictedf("the filter is rejected: %v", err)
	case rejectsRequest(err):
		return jobPage{}, unprovenf("%v", err)
	case q.status != "" && refusesRequest(err):
		return jobPage{}, fmt.Errorf("%w: %w", errFilterRefused, err)
	case err != nil:
		return jobPage{}, err
	}
	n.responses.Add(1)
	page.jobs = page.jobs[:min(len(page.jobs), q.limit)]
	for i := range page.jobs {
		if q.status != "" && !page.jobs[i].job.HasOverallStatus(q.status) {
			return jobPage{}, contradictedf("the filter for overall_status=%s returns other jobs", q.status)
		}
	}
	return page, nil
}

// visit adds jobs to a page.
func (n *incrementalRead) visit(page *jobPage, jobs []syncjob.Job) error {
	for i := range jobs {
		job := &jobs[i]
		if len(page.jobs) >= maxAdded {
			return unprovenf("a page has more than %d jobs", maxAdded)
		}
		found := openJob{id: newJobID(job.ID), job: syncjob.Job{OverallStatus: job.OverallStatus}}
		if _, open := n.cache.open[found.id]; open || !n.cache.known.has(found.id) {
			found.job = job.Clone()
			if n.bytes.Add(int64(job.Size())) > maxReadBytes {
				return unprovenf("the jobs that can have changed take more than %d bytes", maxReadBytes)
			}
		}
		page.jobs = append(page.jobs, found)
	}
	return nil
}

// readInProgress is the step that requests the jobs in progress by the filter. They need not be complete:
// open jobs that are missing are requested by their positions.
func (n *incrementalRead) readInProgress(ctx context.Context) error {
	for pages := range maxFiltered {
		page, err := n.request(ctx, pageRequest{skip: len(n.running.jobs), limit: int(n.reader.limit.Load()), status: syncjob.OverallInProgress})
		switch {
		case err != nil:
			return err
		case pages > 0 && page.total != n.running.total:
			return contradictedf("the appliance counts %d jobs in progress, and then %d", n.running.total, page.total)
		}
		n.running.jobs, n.running.total = append(n.running.jobs, page.jobs...), page.total
		if len(n.running.jobs) >= page.total || len(page.jobs) == 0 {
			break
		}
	}
	return nil
}

// checkOldest compares the oldest job with the cache, if page is of the filter that has it. If the page
// does not reach the oldest job, checkOldest returns a step that requests it.
func (n *incrementalRead) checkOldest(page *jobPage) ([]func(context.Context) error, error) {
	jobs := page.jobs
	switch {
	case n.cache.oldest == "" || page.request.status != n.cache.oldest:
		return nil, nil
	case len(jobs) == 0, n.cache.newestFirst && page.request.skip+len(jobs) < page.total:
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

// checkEnds compares both ends of the list with the cache, and sets total.
func (n *incrementalRead) checkEnds() error {
	cached := len(n.cache.ids)
	n.total = n.newest.total
	if n.total < cached || n.total > cached+maxAdded {
		return unprovenf("the list has a total of %d, and %d jobs are cached", n.total, cached)
	}
	n.added = make([]openJob, n.total-cached)
	if err := n.check(&n.newest); err != nil || len(n.oldest.jobs) == 0 {
		return err
	}
	return n.check(&n.oldest)
}

// check compares a page of the whole list with the cache.
func (n *incrementalRead) check(page *jobPage) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	skip := page.request.skip
	if page.total != n.total {
		return unprovenf("the page at skip=%d has a total of %d, and the first page has %d", skip, page.total, n.total)
	}
	for i, job := range page.jobs {
		at := n.cache.index(skip+i, n.total)
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
func (n *incrementalRead) checkInProgress() error {
	if known := len(n.cache.open) + len(n.added); n.running.total > known {
		return contradictedf("the appliance counts %d jobs in progress, and at most %d can be", n.running.total, known)
	}
	for _, job := range n.running.jobs {
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
func (n *incrementalRead) remaining() []func(context.Context) error {
	end := n.newest.request.skip + len(n.newest.jobs)
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
	if n.reader.filterIgnored || n.cache.oldest == "" {
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
			if err := n.check(&page); err != nil {
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
			if err := n.check(&page); err != nil {
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
func (n *incrementalRead) checkCounts(ctx context.Context) error {
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
	if known := want[syncjob.Completed] + want[syncjob.Aborted]; n.completed.total != known {
		return miscounted(syncjob.OverallCompleted, n.completed.total, known)
	}
	if n.failed.total+n.errored.total != want[syncjob.Failed] && !n.countsErrors {
		// Some clients of the API expect "error" instead of "failed".
		n.countsErrors = true
		if err := n.read(n.filter(syncjob.OverallError), &n.errored)(ctx); err != nil {
			return err
		}
	}
	if got := n.failed.total + n.errored.total; got != want[syncjob.Failed] {
		return miscounted(syncjob.OverallFailed, got, want[syncjob.Failed])
	}
	return nil
}

func miscounted(status string, got, want int) error {
	return contradictedf("the appliance counts %d jobs of status %s, and %d are known", got, status, want)
}
