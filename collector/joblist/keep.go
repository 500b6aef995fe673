package joblist

import (
	"context"
	"errors"

	"github.com/go-kit/log/level"

	"cckm_sync_exporter/collector/syncjob"
)

// readHistory brings the history up to date. Where nothing is proven, which may
// come from a change between two pages, it tries again.
func (r *Reader) readHistory(ctx context.Context, h *history) error {
	var gap *gapError
	for range 1 + maxRetriedProofs {
		found, err := r.readIncrement(ctx, h)
		if err == nil {
			h.update(found)
			return nil
		}
		var ok bool
		if gap, ok = errors.AsType[*gapError](err); !ok {
			return err
		}
	}
	return gap
}

// tryFilter sees whether the appliance counts by status what it has just listed.
// One that does not, does not heed the filter, whatever else it does.
func (r *Reader) tryFilter(ctx context.Context) {
	if r.history == nil {
		return
	}
	err := r.readHistory(ctx, r.history)
	if gap, ok := errors.AsType[*gapError](err); ok && gap.miscounted {
		r.ignoresFilter = true
		level.Debug(r.options.Logger).Log("during", "read", "list", r.list.Name, "err", err,
			"msg", "the appliance does not heed overall_status, its counts are not asked for any more")
	}
}

// adopt keeps what can be kept of a pass, and returns what the pass says.
func (r *Reader) adopt(p *pass) *syncjob.Summary {
	settled, open := p.merge()
	if r.history = p.keep(settled, open); r.history != nil {
		return r.history.summary
	}
	r.spare = p.seen
	for i := range open {
		settled.Add(&open[i].job)
	}
	return settled.Summary()
}

// audit reads the whole list and compares it with a history that has just been
// brought up to date.
func (r *Reader) audit(ctx context.Context, h *history) (*syncjob.Summary, error) {
	p, err := r.untilWhole(ctx, nil, h)
	if err != nil {
		return nil, err
	}
	if !h.agrees(p.mergeAgain()) {
		// A job that went since the history was brought up to date is no drift:
		// then the history would not prove itself again.
		if _, err := r.readIncrement(ctx, h); err != nil {
			level.Debug(r.options.Logger).Log("during", "read", "list", r.list.Name, "err", err, "msg", "jobs went while the list was compared with what was kept")
		} else {
			r.drifted = true
			level.Warn(r.options.Logger).Log("during", "read", "list", r.list.Name,
				"todo", "report it with the appliance's version; --collector.full-read-interval=0s turns the kept history off",
				"msg", "what was kept of the list differs from a full read, from now on each scrape reads all of it")
			if r.options.Observer != nil {
				r.options.Observer.HistoryDrift(r.list)
			}
		}
	}
	r.forget()
	return r.adopt(p), nil
}

// forget gives up what is kept.
func (r *Reader) forget() {
	r.spare = r.history.known
	r.history = nil
}

// keeps says whether a history is to be kept.
func (r *Reader) keeps() bool { return r.options.FullReadInterval > 0 && !r.drifted }
