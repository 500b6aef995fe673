// Package joblist reads a whole list of synchronization jobs, page by page, and proves that
// the pages make one list: all of it or an error, never a part.
//
// A FullRead requests every page. An incremental read (Reader.Update) requests what can be
// new, and proves that nothing else has changed since the cache was filled. Package scrape
// decides which of the two a scrape needs.
package joblist

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/jobjson"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

// Getter requests a path below /api/v1/. ciphertrust.Client implements it.
type Getter interface {
	// Get passes the body of a 200 to read; if the transfer fails and is tried again, read is
	// called again with the new body. Its errors carry a reason.Reason.
	Get(ctx context.Context, path string, query url.Values, read func(io.Reader) error) error
}

const (
	// MinPageSize is the smallest page that can overlap with the next one and still advance.
	MinPageSize = 2
	// documentedLimit is the API's default limit, which no appliance rejects.
	documentedLimit = 10

	remedyTimeout = "raise Prometheus' scrape_timeout and --collector.timeout, or --collector.page-size"

	remedyInconsistent = "raise --collector.page-size; if it stays, report it with the appliance's version"
)

// Options are the settings of a Reader.
type Options struct {
	// PageSize is the limit that is requested; at least MinPageSize.
	PageSize int
	// Concurrency is how many pages are requested at once.
	Concurrency int
	// Cache keeps what was read for incremental reads.
	Cache bool
	// PageTimeout is for how long a full read retries a page behind the first one. 0 means that
	// it does not retry.
	PageTimeout time.Duration
	// Logger may be nil.
	Logger log.Logger
}

// Reader reads one list. It is not safe for concurrent use, except that any number of its
// full reads may run at the same time.
type Reader struct {
	list    syncjob.List
	getter  Getter
	options Options
	// none has counted no job; the sums of every read are forks of it.
	none *syncjob.Summarizer
	// decoders holds *jobjson.Decoder, whose buffers are worth keeping.
	decoders sync.Pool
	// sets holds *idSet, whose tables are worth keeping.
	sets sync.Pool
	// slots bounds the requests in flight, those of full and incremental reads together.
	slots chan struct{}
	// limit is the limit that the appliance accepted last.
	limit atomic.Int64

	// cache is nil while the list is unknown.
	cache *cache
	// filter is what is known of the appliance's filter by overall_status.
	filter filterState
	// countsErrors is true if the appliance counts failed jobs as "error" as well.
	countsErrors atomic.Bool
}

// filterState is what is known of the appliance's filter by overall_status. Its counts are a
// part of every proof, unless it does not filter as documented.
type filterState struct {
	// ignored leaves the filter out of proofs until the next full read.
	ignored bool
	// doubted is true if a proof failed by the filter alone. Adopt decides.
	doubted bool
}

// NewReader returns a Reader of list.
func NewReader(list syncjob.List, getter Getter, options Options) *Reader {
	options.PageSize = max(options.PageSize, MinPageSize)
	options.Concurrency = max(options.Concurrency, 1)
	if options.Logger == nil {
		options.Logger = log.NewNopLogger()
	}
	r := &Reader{
		list: list, getter: getter, options: options, none: syncjob.NewSummarizer(list), slots: make(chan struct{}, options.Concurrency),
	}
	r.limit.Store(int64(options.PageSize))
	return r
}

// ErrUnproven is returned, wrapped, by an incremental read that could not prove that the
// cache is what the appliance has: only a full read can tell what the list is now.
var ErrUnproven = errors.New("the cache could not be proven")

// Known reports whether there is a cache, so that Update can read the list.
func (r *Reader) Known() bool { return r.cache != nil }

// Incomplete reports whether the cache lacks something that a full read would have.
func (r *Reader) Incomplete() bool { return r.cache != nil && r.cache.incomplete }

// Forget gives up the cache.
func (r *Reader) Forget() {
	if r.cache != nil {
		r.sets.Put(r.cache.known)
		r.cache = nil
	}
}

// Adopt makes the cache from a full read that has just succeeded, in place of the one before,
// if the list can be cached. If the filter by overall_status is in doubt, it compares the
// filter with what was read; ctx is for these requests, whose number it returns.
func (r *Reader) Adopt(ctx context.Context, full *FullRead) (requests int) {
	r.Forget()
	if full.cache == nil {
		r.sets.Put(full.seen)
		return 0
	}
	r.cache = full.cache
	if !r.filter.ignored && !r.filter.doubted {
		return 0
	}
	wasIgnored := r.filter.ignored
	r.filter.ignored, r.filter.doubted = false, false
	requests, err := r.update(ctx, r.cache)
	if unproven, ok := asUnproven(err); ok && unproven.byFilter {
		r.filter.ignored = true
		if !wasIgnored {
			level.Info(r.options.Logger).Log("during", "read", "list", r.list.Name, "err", err,
				"msg", "the appliance does not filter by overall_status as documented; its counts are ignored")
		}
	}
	return requests
}

// Update brings the cache up to date by an incremental read. It returns how many requests
// it sent, with or without an error. While nothing changes in the list, the summary is the
// same one. Its errors carry a reason.Reason and name the list.
func (r *Reader) Update(ctx context.Context) (summary *syncjob.Summary, requests int, err error) {
	requests, err = r.update(ctx, r.cache)
	if err != nil {
		unproven, ok := asUnproven(err)
		r.filter.doubted = ok && unproven.byFilter
		return nil, requests, r.explain(err)
	}
	return r.cache.summary, requests, nil
}

// maxProofs is how often an incremental read is tried before it counts as unproven: a list
// may change between its requests.
const maxProofs = 3

// update brings a cache up to date. Proofs that failed before ctx ended count in the next call:
// scrapes must not try the same one forever because none of them has the time for all.
func (r *Reader) update(ctx context.Context, c *cache) (requests int, err error) {
	for c.unproven < maxProofs {
		found := newIncrementalRead(r, c)
		err = found.run(ctx)
		requests += int(found.requests.Load())
		r.countsErrors.Store(found.countsErrors)
		if err == nil {
			c.update(found)
			c.unproven, c.failing = 0, false
			return requests, nil
		}
		if _, ok := asUnproven(err); !ok {
			c.failing = true
			return requests, err
		}
		c.unproven++
	}
	c.unproven = 0
	return requests, reason.New(reason.Inconsistent, err, remedyInconsistent)
}

// Outcome is what Replace has done.
type Outcome int

// The outcomes of Replace.
const (
	// ReplacedEqual and ReplacedDifferent made the cache from the full read. It agreed with the
	// cache before, or it did not.
	ReplacedEqual Outcome = iota
	ReplacedDifferent
	// NotReplaced kept the cache: the full read lacks something that changed while it ran.
	NotReplaced
	// ReplaceLater kept the cache, because a request failed. The full read is still good.
	ReplaceLater
)

// Replace brings the cache up to date, compares it with a full read that ran beside it, and
// makes the cache from that full read. Both are brought up to date before, side by side, so that
// what changed meanwhile does not count as a difference.
//
// Its errors are those of Update. If the full read cannot be brought up to date, the cache is,
// and stays.
func (r *Reader) Replace(ctx context.Context, full *FullRead) (summary *syncjob.Summary, requests int, outcome Outcome, err error) {
	if full.cache == nil {
		summary, requests, err = r.Update(ctx)
		return summary, requests, NotReplaced, err
	}
	var before *syncjob.Summary
	for range maxProofs {
		var fullErr error
		var sent, fullSent int
		var wait sync.WaitGroup
		wait.Go(func() { fullSent, fullErr = r.update(ctx, full.cache) })
		summary, sent, err = r.Update(ctx)
		wait.Wait()
		requests += sent + fullSent
		switch {
		case errors.Is(err, ErrUnproven) && fullErr == nil:
			// The list has changed, and only the full read has seen how.
			outcome = ReplacedEqual
		case err != nil:
			return nil, requests, ReplaceLater, err
		case errors.Is(fullErr, ErrUnproven):
			return summary, requests, NotReplaced, nil
		case fullErr != nil:
			return summary, requests, ReplaceLater, nil //nolint:nilerr // The cache is proven.
		case r.cache.agrees(full.cache):
			outcome = ReplacedEqual
		case summary != before:
			// One may have been brought up to date a moment after the other.
			before = summary
			continue
		default:
			outcome = ReplacedDifferent
		}
		requests += r.Adopt(ctx, full)
		return r.cache.summary, requests, outcome, nil
	}
	return r.cache.summary, requests, ReplaceLater, nil
}

// Total requests the first page only. It returns how many jobs the list has.
func (r *Reader) Total(ctx context.Context) (total int, err error) {
	first, err := r.NewFullRead(false).firstPage(ctx)
	if err != nil {
		return 0, r.explain(err)
	}
	return first.total, nil
}

// explain names the list in an error.
func (r *Reader) explain(err error) error {
	remedy := reason.RemedyOf(err)
	switch {
	case reason.Of(err) == reason.Forbidden && remedy == "":
		remedy = r.list.AccessHint()
	case reason.Of(err) == reason.NotFound:
		remedy = fmt.Sprintf("an older appliance does not have this list: turn it off (--no-collector.%s); "+
			"if other lists are missing too, check --ciphertrust.url", r.list.Name)
	}
	return reason.New(reason.Of(err), fmt.Errorf("list %s: %w", r.list.Name, err), remedy)
}

// pageRequest is what is requested of a list.
type pageRequest struct {
	skip, limit int
	// status restricts the page to the jobs with that overall_status, unless it is empty.
	status string
}

func (q pageRequest) values() url.Values {
	values := url.Values{"skip": {strconv.Itoa(q.skip)}, "limit": {strconv.Itoa(q.limit)}}
	if q.status != "" {
		values.Set("overall_status", q.status)
	}
	return values
}

// String returns the request as an error names it.
func (q pageRequest) String() string {
	if q.status != "" {
		return fmt.Sprintf("overall_status=%s&skip=%d&limit=%d", q.status, q.skip, q.limit)
	}
	return fmt.Sprintf("skip=%d&limit=%d", q.skip, q.limit)
}

// visitor receives the jobs of a page.
type visitor interface {
	// begin is called before the first job, and again if the transfer is tried again.
	begin()
	// visit is called with each job, in order. The job is overwritten by the next one.
	visit(job *syncjob.Job) error
}

// get requests a page and returns its total. It counts what it sends.
func (r *Reader) get(ctx context.Context, q pageRequest, v visitor, sent *atomic.Int64) (total int, err error) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return 0, reason.New(reason.Timeout, fmt.Errorf("page at %s: %w", q, context.Cause(ctx)), remedyTimeout)
	}
	sent.Add(1)
	d, ok := r.decoders.Get().(*jobjson.Decoder)
	if !ok {
		d = jobjson.NewDecoder(r.list.ScopeFields)
	}
	defer r.decoders.Put(d)
	defer func() {
		// Pages are read in many goroutines: a mistake in one must fail this list only.
		if p := recover(); p != nil {
			err = reason.New(reason.Other, fmt.Errorf("internal error: %v", p), "report it with the stack trace in the log")
			level.Error(r.options.Logger).Log("during", "read", "list", r.list.Name, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	err = r.getter.Get(ctx, r.list.Path, q.values(), func(body io.Reader) error {
		v.begin()
		var err error
		total, err = d.Decode(body, v.visit)
		return err
	})
	if err != nil {
		return 0, reason.New(reason.Of(err), fmt.Errorf("page at %s: %w", q, err), reason.RemedyOf(err))
	}
	return total, nil
}

// rejectsRequest reports whether the appliance rejected what was requested, in contrast to
// who requests it, which path, or how often.
func rejectsRequest(err error) bool {
	// A login that failed is not about the page, even if it was rejected with a 4xx.
	if _, login := errors.AsType[*ciphertrust.LoginError](err); login {
		return false
	}
	failure, ok := errors.AsType[*ciphertrust.APIError](err)
	return ok && failure.Status/100 == 4 && failure.Status != http.StatusRequestTimeout && reason.Of(err) == reason.Other
}
