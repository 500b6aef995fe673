package scrape_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// fakeJob is a job of a fakeAppliance.
type fakeJob struct {
	number int
	status string
	scope  string
	// text is that of detailed_status.
	text    string
	created time.Time
}

// fakeAppliance is a list that can be slow, fail, hang and change. It implements joblist.Getter.
type fakeAppliance struct {
	mu sync.Mutex
	// jobs are in the list's order; new ones are added in front.
	jobs []fakeJob
	made int
	// latency is how long a request takes.
	latency time.Duration
	// answer is called before the response to each request, which it may replace by an error. Requests
	// are numbered from 1.
	answer func(number int, query request) error
	// hang reports whether a request gets no response.
	hang func(query request) bool

	requests int
	// inFlight are the requests in flight, and most their largest number, by pages of a full
	// read (true) and others.
	inFlight, most map[bool]int
	pageSize       int
}

// request has the parameters of a request.
type request struct {
	skip, limit int
	filtered    bool
}

// newFakeAppliance returns a list of finished jobs.
func newFakeAppliance(jobs, pageSize int) *fakeAppliance {
	leave2000()
	a := &fakeAppliance{pageSize: pageSize, inFlight: map[bool]int{}, most: map[bool]int{}}
	for range jobs {
		a.start("completed")
	}
	return a
}

// start starts a job and returns its number.
func (a *fakeAppliance) start(status string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.made++
	job := fakeJob{number: a.made, status: status, scope: "ring-" + strconv.Itoa(a.made%3), created: time.Now().Add(time.Duration(a.made)*time.Second - 24*time.Hour)}
	a.jobs = slices.Insert(a.jobs, 0, job)
	return a.made
}

// change changes the jobs.
func (a *fakeAppliance) change(change func(jobs []fakeJob) []fakeJob) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.jobs = change(slices.Clone(a.jobs))
}

// behave changes the fields while requests may be in flight.
func (a *fakeAppliance) behave(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
}

// remove deletes the job at a position.
func (a *fakeAppliance) remove(at int) {
	a.change(func(jobs []fakeJob) []fakeJob { return slices.Delete(jobs, at, at+1) })
}

// set sets the status of a job.
func (a *fakeAppliance) set(number int, status string) {
	a.change(func(jobs []fakeJob) []fakeJob {
		jobs[slices.IndexFunc(jobs, func(j fakeJob) bool { return j.number == number })].status = status
		return jobs
	})
}

// sent returns how many requests were sent.
func (a *fakeAppliance) sent() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.requests
}

// counts returns the jobs by status, as a summary has them.
func (a *fakeAppliance) counts() (counts [syncjob.NumStatuses]int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, job := range a.jobs {
		switch job.status {
		case "in_progress":
			counts[syncjob.InProgress]++
		case "completed":
			counts[syncjob.Completed]++
		case "failed":
			counts[syncjob.Failed]++
		}
	}
	return counts
}

// ofFullRead reports whether a request is for a page that a full read requests while the list
// does not change.
func (a *fakeAppliance) ofFullRead(q request) bool {
	return !q.filtered && q.limit == a.pageSize && q.skip%(a.pageSize-1) == 0 && q.skip != len(a.jobs)-1
}

// Get implements joblist.Getter.
func (a *fakeAppliance) Get(ctx context.Context, _ string, query url.Values, read func(io.Reader) error) error {
	skip, _ := strconv.Atoi(query.Get("skip"))   // They are numbers, or the test fails.
	limit, _ := strconv.Atoi(query.Get("limit")) // The same.
	q := request{skip: skip, limit: limit, filtered: query.Has("overall_status")}
	a.mu.Lock()
	a.requests++
	number, full := a.requests, a.ofFullRead(q)
	a.inFlight[full]++
	a.most[full] = max(a.most[full], a.inFlight[full])
	latency, answer, hangs := a.latency, a.answer, a.hang != nil && a.hang(q)
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.inFlight[full]--
	}()
	if hangs {
		<-ctx.Done()
		return timedOut(ctx)
	}
	if latency > 0 {
		timer := time.NewTimer(latency)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return timedOut(ctx)
		}
	}
	if err := ctx.Err(); err != nil {
		return timedOut(ctx)
	}
	if answer != nil {
		if err := answer(number, q); err != nil {
			return err
		}
	}
	return read(strings.NewReader(a.page(q, query.Get("overall_status"))))
}

func timedOut(ctx context.Context) error {
	return reason.New(reason.Timeout, fmt.Errorf("waiting for the appliance: %w", context.Cause(ctx)), "")
}

// page returns the body of a page.
func (a *fakeAppliance) page(q request, status string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var b strings.Builder
	total := 0
	for i := range a.jobs {
		if q.filtered && a.jobs[i].status != status {
			continue
		}
		if total >= q.skip && total < q.skip+q.limit {
			if b.Len() > 0 {
				b.WriteByte(',')
			}
			b.WriteString(a.jobs[i].json())
		}
		total++
	}
	return fmt.Sprintf(`{"skip":%d,"limit":%d,"total":%d,"resources":[%s]}`, q.skip, q.limit, total, b.String())
}

// json returns the job as the appliance sends it.
func (j *fakeJob) json() string {
	created, updated := j.created.Format(time.RFC3339Nano), j.created.Add(20*time.Second).Format(time.RFC3339Nano)
	var b strings.Builder
	fmt.Fprintf(&b, `{"id":"00000000-0000-4000-8000-%012d","createdAt":%q,"updatedAt":%q,"overall_status":%q,"key_rings":[%q]`, j.number, created, updated, j.status, j.scope)
	if j.status != "in_progress" {
		fmt.Fprintf(&b, `,"completed_at":%q`, updated)
	}
	if j.text != "" {
		fmt.Fprintf(&b, `,"detailed_status":{%q:%q}`, j.scope, j.text)
	}
	b.WriteByte('}')
	return b.String()
}

// server returns the error of a response with the status 500.
func server() error { return reason.New(reason.Server, errors.New("the appliance answered 500"), "") }

// rig is a fakeAppliance and the scraper of it.
type rig struct {
	*fakeAppliance

	t       *testing.T
	list    *scrape.List
	scraper *scrape.Scraper
	log     *logbook
	reads   *readCounter
}

// readCounter counts reads. It implements scrape.Observer.
type readCounter struct {
	mu           sync.Mutex
	kinds        map[string]int
	drifts       int
	panicsOnFull bool
}

func (c *readCounter) ListRead(_ syncjob.List, kind string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.panicsOnFull && kind == scrape.KindFull {
		panic("a bug")
	}
	c.kinds[kind]++
}

func (c *readCounter) HistoryDrift(syncjob.List) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drifts++
}

// of returns how many reads of a kind have succeeded.
func (c *readCounter) of(kind string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kinds[kind]
}

const (
	// scrapeInterval and scrapeTimeout are those of the Prometheus that scrapes a rig.
	scrapeInterval = 15 * time.Second
	scrapeTimeout  = 10 * time.Second
)

// newRig returns a scraper of a list with the program's defaults, which change may change.
func newRig(t *testing.T, a *fakeAppliance, change func(*scrape.ListOptions)) *rig {
	t.Helper()
	r := &rig{fakeAppliance: a, t: t, log: &logbook{}, reads: &readCounter{kinds: map[string]int{}}}
	options := scrape.ListOptions{
		PageSize: a.pageSize, Concurrency: 4, FullReadInterval: 10 * time.Minute, FullReadTimeout: 2 * time.Minute,
		PageTimeout: 30 * time.Second, Logger: r.log.logger(), Observer: r.reads,
	}
	if change != nil {
		change(&options)
	}
	r.list = scrape.NewList(syncjob.Lists()[0], a, options)
	r.scraper = scrape.New([]scrape.Source{{List: syncjob.Lists()[0], Reader: r.list}}, scrape.Options{Timeout: 30 * time.Second, Logger: r.log.logger()})
	t.Cleanup(r.scraper.Close)
	return r
}

// scrape scrapes as Prometheus does, and returns the read and how long the scrape took.
func (r *rig) scrape() (scrape.ListRead, time.Duration) {
	r.t.Helper()
	return scrapeOnce(r.t, r.scraper, scrapeTimeout)
}

// next scrapes, and waits until the next scrape is due.
func (r *rig) next() (scrape.ListRead, time.Duration) {
	r.t.Helper()
	begun := time.Now()
	read, took := r.scrape()
	advance(scrapeInterval - time.Since(begun))
	return read, took
}

// mustRead scrapes, and fails unless the read has the list as it is now. It returns how long it took.
func (r *rig) mustRead(when string) time.Duration {
	r.t.Helper()
	read, took := r.scrape()
	r.wantNow(when, read)
	return took
}

// wantNow fails unless a read has the list as it is now.
func (r *rig) wantNow(when string, read scrape.ListRead) {
	r.t.Helper()
	if read.Err != nil {
		r.t.Fatalf("%s: %v", when, read.Err)
	}
	if got, want := read.Summary.Jobs, r.counts(); got != want {
		r.t.Errorf("%s: the jobs by status are %v, want %v", when, got, want)
	}
}

// settle waits until no full read is in progress.
func (r *rig) settle() {
	for r.list.FullReadProgress() != nil {
		advance(100 * time.Millisecond)
	}
}

// wantFullReads fails unless this many full reads have succeeded.
func (r *rig) wantFullReads(want int) {
	r.t.Helper()
	if got := r.reads.of(scrape.KindFull); got != want {
		r.t.Errorf("%d full reads, want %d", got, want)
	}
}
