// Package joblist reads a whole list of synchronization jobs, page by page, and
// proves that what it read is one list: all of it or an error, never a part.
package joblist

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

// Getter asks the appliance for a path below /api/v1/. ciphertrust.Client is one.
type Getter interface {
	// Get hands the body of a 200 to read. Its errors carry a reason.Reason.
	Get(ctx context.Context, path string, query url.Values, read func(io.Reader) error) error
}

const (
	// MinPageSize is the smallest page that can overlap with its neighbour and
	// still get on.
	MinPageSize = 2
	// documentedLimit is the API's default limit, which no appliance refuses.
	documentedLimit = 10
	// maxRereads is how often a list is read again from its start after a gap.
	maxRereads = 3
	// maxPositions bounds the length of a list, and so the work and memory that
	// a server can cause which lies in total or never ends.
	maxPositions = 4 << 20
	// maxGrowth is by how many records even a short list may grow while it is
	// read.
	maxGrowth = 1000

	remedyTimeout = "raise Prometheus' scrape_timeout and --collector.timeout, or --collector.page-size"

	remedyInconsistent = "the list changes faster than it can be read: raise --collector.page-size, " +
		"or scrape at a time when fewer jobs start; if it stays so, report it with the appliance's version"
)

// Options are the settings of a Reader.
type Options struct {
	// PageSize is the limit that is asked for; at least MinPageSize.
	PageSize int
	// Concurrency is how many pages are asked for at once.
	Concurrency int
}

// Reader reads one list. It may be used by one caller at a time.
type Reader struct {
	list    syncjob.List
	getter  Getter
	options Options
	// none has counted no job; the sums of each read are its forks.
	none *syncjob.Summarizer
	// seeds are those of the keys that stand for ids.
	seeds seeds
	// seen is the jobs that came already, of the pass that is read.
	seen *seenSet
	// decoders holds *decoder, whose buffers are worth keeping.
	decoders sync.Pool
	// limit is the limit that the appliance took last; 0 before the first page.
	limit atomic.Int64
}

// NewReader returns a Reader of list.
func NewReader(list syncjob.List, getter Getter, options Options) *Reader {
	options.PageSize = max(options.PageSize, MinPageSize)
	options.Concurrency = max(options.Concurrency, 1)
	return &Reader{
		list: list, getter: getter, options: options, none: syncjob.NewSummarizer(list), seen: new(seenSet), seeds: newSeeds(),
	}
}

// Read reads the whole list. It returns how many pages it asked for, with or
// without an error. Its errors carry a reason.Reason and name the list.
func (r *Reader) Read(ctx context.Context) (summary *syncjob.Summary, pages int, err error) {
	var asked atomic.Int64
	summary, err = r.untilWhole(ctx, &asked)
	if err != nil {
		err = r.explain(err)
	}
	return summary, int(asked.Load()), err
}

// untilWhole reads the list again from its start after a gap.
func (r *Reader) untilWhole(ctx context.Context, pages *atomic.Int64) (*syncjob.Summary, error) {
	var gap *gapError
	var before *pass
	for range 1 + maxRereads {
		p := newPass(r, pages)
		err := p.read(ctx)
		found, isGap := errors.AsType[*gapError](err)
		switch {
		case isGap:
			gap, before = found, nil
		case err != nil && gap != nil && reason.Of(err) == reason.Timeout:
			return nil, inconsistent(fmt.Errorf("%w, and the time was up before it could be read again", gap))
		case err != nil:
			return nil, err
		case p.proven() || (before != nil && before.digest == p.digest):
			return p.summary(), nil
		default:
			// Only a second pass with the same outcome proves this one.
			gap, before = &gapError{"pages of one job cannot overlap, and two passes differ"}, p
		}
	}
	return nil, inconsistent(fmt.Errorf("%w, in each of %d passes", gap, 1+maxRereads))
}

func inconsistent(err error) error {
	return reason.New(reason.Inconsistent, err, remedyInconsistent)
}

// explain names the list in an error, and gives the remedies that only this
// package knows.
func (r *Reader) explain(err error) error {
	remedy := reason.RemedyOf(err)
	if reason.Of(err) == reason.NotFound {
		remedy = fmt.Sprintf("an older appliance does not have this list: turn it off with --no-collector.%s, "+
			"or check --ciphertrust.url", r.list.Name)
	}
	return reason.New(reason.Of(err), fmt.Errorf("list %s: %w", r.list.Name, err), remedy)
}

// gapError says that two pages do not fit together: the list has changed in
// between, or the appliance does not page as it says.
type gapError struct{ what string }

// Error implements error.
func (e *gapError) Error() string { return e.what }

func gapf(format string, args ...any) error {
	return &gapError{fmt.Sprintf(format, args...)}
}

// First reads the first page only, to try the list out. It returns how many
// positions the list has.
func (r *Reader) First(ctx context.Context) (total int, err error) {
	var pages atomic.Int64
	page, err := newPass(r, &pages).first(ctx)
	if err != nil {
		return 0, r.explain(err)
	}
	return page.total, nil
}

// startLimit returns the limit to ask for first.
func (r *Reader) startLimit() int {
	if limit := int(r.limit.Load()); limit > 0 {
		return limit
	}
	return r.options.PageSize
}

// smallerLimit returns the limit to try after one that was refused with err,
// and false where err is no refusal of a limit or nothing smaller is left.
func (r *Reader) smallerLimit(limit int, err error) (int, bool) {
	floor := min(documentedLimit, r.options.PageSize)
	if limit <= floor || !refusesRequest(err) {
		return 0, false
	}
	return max(floor, limit/2), true
}

// refusesRequest says whether the appliance refused what was asked, in contrast
// to who asks, for which path, or how often.
func refusesRequest(err error) bool {
	failure, ok := errors.AsType[*ciphertrust.APIError](err)
	if !ok || failure.Status/100 != 4 {
		return false
	}
	switch failure.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusProxyAuthRequired,
		http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	default:
		// A refused login is about the credentials, whatever its status.
		return reason.Of(err) != reason.Auth
	}
}
