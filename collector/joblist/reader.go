// Package joblist reads a whole list of synchronization jobs, page by page, and proves that it is
// complete. It returns a summary of the whole list or an error, never a part.
//
// A FullRead (fullread.go, readahead.go, chain.go) requests every page, and Reader.Adopt makes a
// cache (cache.go) from it. Reader.Update, an incremental read (incrementalread.go), requests what
// can have changed since, and proves that nothing else has. The comments of the types FullRead and
// incrementalRead explain why the result is complete. Package scrape decides which of the two a
// scrape needs.
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
	// Get passes the body of a 200 to read. If the transfer fails and is retried, it calls read
	// again with the new body. Its errors carry a reason.Reason.
	Get(ctx context.Context, path string, query url.Values, read func(io.Reader) error) error
}

const (
	// MinPageSize is the smallest page that can overlap with the next one and still advance.
	MinPageSize = 2
	// documentedLimit is the API's default limit, which no appliance rejects.
	documentedLimit = 10

	hintTimeout = "raise Prometheus' scrape_timeout and --collector.timeout, or --collector.page-size"

	hintInconsistent = "raise --collector.page-size; if it stays, report it with the appliance's version"
)

// Options are the settings of a Reader.
type Options struct {
	// PageSize is the limit that is requested; at least MinPageSize.
	PageSize int
	// Concurrency is how many pages are requested at once.
	Concurrency int
	// Cache enables the cache, and with it incremental reads.
	Cache bool
	// PageTimeout is how long a full read retries a page other than the first; 0 means that it
	// does not retry.
	PageTimeout time.Duration
	// Redact removes secrets from a text of the appliance, which may repeat what it was sent. It may
	// be nil.
	Redact func(text string) string
	// Logger may be nil.
	Logger log.Logger
}

// Reader reads one list. It is not safe for concurrent use, except that any number of its
// full reads may run at the same time.
type Reader struct {
	list    syncjob.List
	getter  Getter
	options Options
	// decoders holds *jobjson.Decoder, to reuse their buffers.
	decoders sync.Pool
	// sets holds *idSet, to reuse their tables.
	sets sync.Pool
	// slots bounds the concurrent requests of all full and incremental reads.
	slots chan struct{}
	// limit is the limit that the appliance accepted last.
	limit atomic.Int64

	// cache is nil while the list is unknown.
	cache *cache
	// filterIgnored leaves the appliance's filter by overall_status out of proofs until the next full read,
	// because it does not filter as documented.
	filterIgnored bool
	// filterDoubted is true if a proof failed by the filter alone. Adopt decides.
	filterDoubted bool
	// countsErrors is true if the appliance counts failed jobs as "error" as well.
	countsErrors atomic.Bool
}

// NewReader returns a Reader of list.
func NewReader(list syncjob.List, getter Getter, options Options) *Reader {
	options.PageSize = max(options.PageSize, MinPageSize)
	options.Concurrency = max(options.Concurrency, 1)
	if options.Redact == nil {
		options.Redact = func(text string) string { return text }
	}
	if options.Logger == nil {
		options.Logger = log.NewNopLogger()
	}
	r := &Reader{
		list: list, getter: getter, options: options, slots: make(chan struct{}, options.Concurrency),
	}
	r.limit.Store(int64(options.PageSize))
	return r
}

// Known reports whether there is a cache. Update must not be called without one.
func (r *Reader) Known() bool { return r.cache != nil }

// Incomplete reports whether the cache lacks something that a full read would have.
func (r *Reader) Incomplete() bool { return r.cache != nil && r.cache.incomplete }

// Forget drops the cache.
func (r *Reader) Forget() {
	if r.cache != nil {
		r.sets.Put(r.cache.known)
		r.cache = nil
	}
}

// Adopt replaces the cache by one from a full read that has just succeeded, or by none if the list
// cannot be cached. If a proof has failed by the filter by overall_status, or if the filter was
// ignored so far, Adopt compares the filter with the full read. ctx is for these requests; Adopt
// returns their number.
func (r *Reader) Adopt(ctx context.Context, full *FullRead) (requests int) {
	r.Forget()
	if full.cache == nil {
		r.sets.Put(full.seen)
		return 0
	}
	r.cache = full.cache
	if !r.filterIgnored && !r.filterDoubted {
		return 0
	}
	wasIgnored := r.filterIgnored
	r.filterIgnored, r.filterDoubted = false, false
	requests, err := r.update(ctx, r.cache)
	if errors.Is(err, errByFilter) {
		r.filterIgnored = true
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
		r.filterDoubted = errors.Is(err, errByFilter)
		if r.cache.summary == nil {
			r.Forget()
		}
		return nil, requests, r.explain(err)
	}
	return r.cache.summary, requests, nil
}

// maxProofs is how often an incremental read is tried before it fails with ErrUnproven: a list may
// change between two requests.
const maxProofs = 3

// update brings a cache up to date. The cache counts its failed proofs across calls, because a
// scrape may have no time for maxProofs of them.
func (r *Reader) update(ctx context.Context, c *cache) (requests int, err error) {
	for c.unproven < maxProofs {
		found := newIncrementalRead(r, c)
		err = found.run(ctx)
		requests += int(found.requests.Load())
		r.countsErrors.Store(found.countsErrors)
		if err == nil {
			c.unproven, c.unanswered = 0, false
			if err = c.update(found); err != nil {
				c.summary = nil
				return requests, tooManyScopes(err)
			}
			return requests, nil
		}
		if !errors.Is(err, ErrUnproven) {
			// A scrape that was canceled may have ended before any appliance could respond.
			if !errors.Is(context.Cause(ctx), context.Canceled) {
				c.unanswered = found.responses.Load() == 0
			}
			return requests, err
		}
		c.unproven++
	}
	c.unproven = 0
	return requests, reason.New(reason.Inconsistent, err, hintInconsistent)
}

// Outcome is the outcome of Replace.
type Outcome int

// The outcomes of Replace.
const (
	// ReplacedEqual and ReplacedDifferent mean that the full read has replaced the cache. Different
	// means that the cache was proven, and yet had another summary.
	ReplacedEqual Outcome = iota
	ReplacedDifferent
	// NotReplaced means that the cache stays, and that the full read is useless: the list could not
	// be cached, or what changed since could not be proven.
	NotReplaced
	// ReplaceLater means that the cache stays because a request failed or the list changed meanwhile.
	// Replace can be called again with the same full read.
	ReplaceLater
)

// Replace compares the cache with a full read that ran in the background, and replaces the cache by
// it. Before, it brings both up to date concurrently, so that a change of the list since is not a
// difference between them.
//
// Its errors are those of Update. If only the full read cannot be brought up to date, the cache
// stays, and Replace returns its summary.
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
			// The list has changed in a way that the full read has, and the cache has not.
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
			// The list may have changed between the two updates.
			before = summary
			continue
		default:
			outcome = ReplacedDifferent
		}
		summary = full.cache.summary
		return summary, requests + r.Adopt(ctx, full), outcome, nil
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

// explain adds the list's name, and a hint for some reasons, to an error.
func (r *Reader) explain(err error) error {
	hint := reason.HintOf(err)
	switch {
	case reason.Of(err) == reason.Forbidden && hint == "":
		hint = r.list.AccessHint()
	case reason.Of(err) == reason.NotFound:
		hint = fmt.Sprintf("an older appliance does not have this list: turn it off (--no-collector.%s); "+
			"if other lists are missing too, check --ciphertrust.url", r.list.Name)
	}
	return reason.New(reason.Of(err), fmt.Errorf("list %s: %w", r.list.Name, err), hint)
}

// pageRequest is the query of a page.
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

// String returns the query for error messages.
func (q pageRequest) String() string {
	if q.status != "" {
		return fmt.Sprintf("overall_status=%s&skip=%d&limit=%d", q.status, q.skip, q.limit)
	}
	return fmt.Sprintf("skip=%d&limit=%d", q.skip, q.limit)
}

// get requests a page and returns its total. It adds 1 to sent, calls begin before the first job, and again
// if the transfer is retried, and visit with the jobs, in order, some at a time. They are only valid during
// the call.
func (r *Reader) get(ctx context.Context, q pageRequest, sent *atomic.Int64, begin func(), visit func([]syncjob.Job) error) (total int, err error) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return 0, reason.New(reason.Timeout, fmt.Errorf("page at %s: %w", q, context.Cause(ctx)), hintTimeout)
	}
	sent.Add(1)
	d, ok := r.decoders.Get().(*jobjson.Decoder)
	if !ok {
		d = jobjson.NewDecoder(r.list.ScopeFields, r.options.Redact)
	}
	defer r.decoders.Put(d)
	defer func() {
		// A bug that panics in the goroutine of a page must fail this list only.
		if p := recover(); p != nil {
			err = reason.New(reason.Other, fmt.Errorf("internal error: %v", p), "report it with the stack trace in the log")
			level.Error(r.options.Logger).Log("during", "read", "list", r.list.Name, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	err = r.getter.Get(ctx, r.list.Path, q.values(), func(body io.Reader) error {
		begin()
		var err error
		total, err = d.Decode(body, func(jobs []syncjob.Job) error {
			if ctx.Err() != nil {
				return reason.New(reason.Timeout, context.Cause(ctx), hintTimeout)
			}
			return visit(jobs)
		})
		return err
	})
	if err != nil {
		return 0, reason.New(reason.Of(err), fmt.Errorf("page at %s: %w", q, err), reason.HintOf(err))
	}
	return total, nil
}

// rejectsRequest reports whether the appliance rejected the query of a page. It returns false for
// 401, 403, 404, 407, 408 and 429, which are not about the query.
func rejectsRequest(err error) bool {
	status := statusOf(err)
	return status/100 == 4 && status != http.StatusRequestTimeout && reason.Of(err) == reason.Other
}

// refusesRequest reports whether the appliance answered in a way that may be about the filter
// of the request alone, and that it will repeat.
func refusesRequest(err error) bool {
	switch statusOf(err) {
	case http.StatusForbidden, http.StatusNotFound, http.StatusInternalServerError, http.StatusNotImplemented:
		return true
	default:
		return false
	}
}

// statusOf returns the HTTP status with which the appliance answered the request of a page, or 0 if
// it did not answer. The status of a failed login is not about the page, and is 0 too.
func statusOf(err error) int {
	if _, login := errors.AsType[*ciphertrust.LoginError](err); login {
		return 0
	}
	if failure, ok := errors.AsType[*ciphertrust.APIError](err); ok {
		return failure.Status
	}
	return 0
}
