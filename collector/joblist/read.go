// Package joblist reads a whole list of synchronization jobs, page by page, and
// proves that what it read is one list: all of it or an error, never a part.
package joblist

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

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

	// maxRetriedProofs is how often an incremental read is tried again before
	// the whole list is read.
	maxRetriedProofs = 1

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
	// FullReadInterval is how often a list is read whole of which a history is
	// kept; 0 means at each read, without a history.
	FullReadInterval time.Duration
	// Observer is told how lists are read; nil means that nobody looks.
	Observer Observer
	// Logger is told why a history is given up; nil means that nothing is logged.
	Logger log.Logger
}

// The ways in which a list can be read.
const (
	// KindFull reads every page.
	KindFull = "full"
	// KindIncremental reads what may have changed, and proves that the rest has
	// not.
	KindIncremental = "incremental"
)

// Kinds returns the ways in which a list can be read.
func Kinds() []string { return []string{KindFull, KindIncremental} }

// Observer sees how lists are read, for the exporter's own metrics.
type Observer interface {
	// ListRead is called after each read of a whole list. The kind is one of Kinds.
	ListRead(list syncjob.List, kind string)
	// HistoryDrift is called where a full read differs from what was kept.
	HistoryDrift(list syncjob.List)
}

// Reader reads one list.
type Reader struct {
	list    syncjob.List
	getter  Getter
	options Options
	// turn is held by the read that is under way: what a scrape has given up may
	// still be ending when the next one begins.
	turn chan struct{}
	// none has counted no job; the sums of each read are its forks.
	none *syncjob.Summarizer
	// seeds are those of the keys that stand for ids.
	seeds seeds
	// decoders holds *jobjson.Decoder, whose buffers are worth keeping.
	decoders sync.Pool
	// limit is the limit that the appliance took last; 0 before the first page.
	limit atomic.Int64
	// asked counts the pages that the read under way has asked for.
	asked atomic.Int64

	// history is what is kept of the list, or nil.
	history *history
	// drifted is true once a history was wrong: none is kept from then on.
	drifted bool
	// ignoresFilter is true once the appliance did not heed overall_status.
	ignoresFilter bool
	// spare is a set that no history holds, for the next pass.
	spare *seenSet
}

// NewReader returns a Reader of list.
func NewReader(list syncjob.List, getter Getter, options Options) *Reader {
	options.PageSize = max(options.PageSize, MinPageSize)
	options.Concurrency = max(options.Concurrency, 1)
	if options.Logger == nil {
		options.Logger = log.NewNopLogger()
	}
	return &Reader{
		list: list, getter: getter, options: options, turn: make(chan struct{}, 1),
		none: syncjob.NewSummarizer(list), seeds: newSeeds(),
	}
}

// Read reads the list: whole, or what may have changed of it since it was read
// before, which comes to the same. The summary is not changed afterwards; while
// nothing changes, it is the same one. It returns how many pages it asked for,
// with or without an error. Its errors carry a reason.Reason and name the list.
func (r *Reader) Read(ctx context.Context) (summary *syncjob.Summary, pages int, err error) {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		err := fmt.Errorf("waiting for the end of the read before: %w", context.Cause(ctx))
		return nil, 0, r.explain(reason.New(reason.Timeout, err, remedyTimeout))
	}
	r.asked.Store(0)
	summary, kind, err := r.read(ctx)
	pages = int(r.asked.Load())
	if err != nil {
		return nil, pages, r.explain(err)
	}
	if r.options.Observer != nil {
		r.options.Observer.ListRead(r.list, kind)
	}
	return summary, pages, nil
}

// read reads what may have changed, or everything where that proves nothing or
// a full read is due.
func (r *Reader) read(ctx context.Context) (summary *syncjob.Summary, kind string, err error) {
	h := r.history
	if h == nil {
		summary, err = r.readWhole(ctx, nil)
		return summary, KindFull, err
	}
	err = r.readHistory(ctx, h)
	if gap, ok := errors.AsType[*gapError](err); ok {
		level.Debug(r.options.Logger).Log("during", "read", "list", r.list.Name, "err", err, "msg", "reading the whole list again")
		r.forget()
		summary, err = r.readWhole(ctx, gap)
		if err == nil && gap.miscounted {
			r.tryFilter(ctx)
		}
		return summary, KindFull, err
	}
	if err != nil || time.Now().Before(h.fullReadAt) {
		return h.summary, KindIncremental, err
	}
	if summary, err = r.audit(ctx, h); err != nil {
		// What was kept is proven all the same.
		h.fullReadAt = time.Now().Add(r.options.FullReadInterval / 10)
		level.Debug(r.options.Logger).Log("during", "read", "list", r.list.Name, "err", err, "msg", "what is kept could not be compared with a full read")
		return h.summary, KindIncremental, nil
	}
	return summary, KindFull, nil
}

// readWhole reads the whole list, after a gap where there was one, and keeps
// what can be kept of it.
func (r *Reader) readWhole(ctx context.Context, gap *gapError) (*syncjob.Summary, error) {
	p, err := r.untilWhole(ctx, gap, nil)
	if err != nil {
		return nil, err
	}
	return r.adopt(p), nil
}

// untilWhole reads the list again from its start after a gap.
func (r *Reader) untilWhole(ctx context.Context, gap *gapError, audited *history) (*pass, error) {
	var before *pass
	for range 1 + maxRereads {
		p := newPass(r)
		p.audited = audited
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
			return p, nil
		default:
			// Only a second pass with the same outcome proves this one.
			gap, before = &gapError{what: "pages of one job cannot overlap, and two passes differ"}, p
		}
		r.spare = p.seen
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
		remedy = fmt.Sprintf("an older appliance does not have this list: turn it off with --no-collector.%[1]s, "+
			"or take %[1]s out of the target's collectors in --config.file; "+
			"where other lists are missing too, check the appliance's address", r.list.Name)
	}
	return reason.New(reason.Of(err), fmt.Errorf("list %s: %w", r.list.Name, err), remedy)
}

// First reads the first page only, to try the list out. It returns how many
// positions the list has.
func (r *Reader) First(ctx context.Context) (total int, err error) {
	page, err := newPass(r).first(ctx)
	if err != nil {
		return 0, r.explain(err)
	}
	return page.total, nil
}
