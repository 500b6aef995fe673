package joblist

import (
	"context"

	"cckm_sync_exporter/collector/syncjob"
)

const (
	// joint is how many known jobs are looked at where new ones join them.
	joint = documentedLimit
	// maxFresh bounds how many new jobs are read in this way; where there are
	// more, the whole list is as cheap.
	maxFresh = 1000
	// maxLooks bounds how many places in the list are looked at again.
	maxLooks = 50
)

// increment is one reading of what may have changed since the history was kept.
//
// Its proof that nothing else has moved: each page tells a total that is the
// kept jobs and the new ones; each job on it is the very one that the history
// has at its position, or is new and stands at the end at which the list grows;
// both ends of the list are looked at, so that what was inserted or deleted
// between them shows by the total, or by a shift of one of them; every job that
// was open is read again. Where the appliance heeds overall_status, every job in
// progress is one of these, and the jobs by status are as many as the appliance
// counts itself.
//
// It cannot see a settled job go and another one with the same status appear,
// neither of them at an end of the list: no request but for the jobs between
// would tell. API.md knows no way to delete a job; the full read finds it.
type increment struct {
	reader  *Reader
	history *history
	// total is the list's, by its first page.
	total int
	// fresh are the new jobs, in the order in which the list grows.
	fresh []openJob
	// reread are the jobs that were read, by their keys, as they were last.
	reread map[jobKey]openJob
	// running is how many jobs the appliance says are in progress.
	running int
}

// readIncrement reads what may have changed since the history was kept. It
// returns a gapError where nothing is proven.
func (r *Reader) readIncrement(ctx context.Context, h *history) (*increment, error) {
	found := &increment{reader: r, history: h, reread: map[jobKey]openJob{}}
	steps := []func(context.Context) error{found.ends, found.inProgress, found.others, found.counts}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// ends reads both ends of the list, and with them the new jobs.
func (n *increment) ends(ctx context.Context) error {
	if err := n.readEnds(ctx); err != nil {
		return err
	}
	// A job that comes twice has two positions, of which a full read makes one job.
	once := make(map[jobKey]bool, len(n.fresh))
	for _, job := range n.fresh {
		if once[job.key] {
			return gapf("a new job comes twice")
		}
		once[job.key] = true
	}
	return nil
}

func (n *increment) readEnds(ctx context.Context) error {
	kept := len(n.history.keys)
	first, err := n.look(ctx, 0, joint)
	if err != nil {
		return err
	}
	fresh := n.total - kept
	n.fresh = make([]openJob, fresh)
	if err := n.check(0, first); err != nil {
		return err
	}
	if n.history.newestFirst {
		if err := n.readOn(ctx, len(first), fresh+joint); err != nil {
			return err
		}
		return n.readOn(ctx, n.total-1, n.total)
	}
	return n.readOn(ctx, max(len(first), kept-joint+1), n.total)
}

// readOn reads the positions from one to before another, and the one before
// them, so that nothing can slip through between two pages.
func (n *increment) readOn(ctx context.Context, from, until int) error {
	until = min(until, n.total)
	for at := max(0, from-1); at+1 < until; {
		jobs, err := n.look(ctx, at, until-at)
		if err != nil {
			return err
		}
		if len(jobs) < 2 {
			return gapf("the page at skip=%d has %d records", at, len(jobs))
		}
		if err := n.check(at, jobs); err != nil {
			return err
		}
		at += len(jobs) - 1
	}
	return nil
}

// look reads so many positions, or fewer where the appliance gives fewer.
func (n *increment) look(ctx context.Context, at, count int) ([]openJob, error) {
	page := &copies{seeds: &n.reader.seeds}
	total, err := n.reader.ask(ctx, question{skip: at, limit: min(count, n.reader.startLimit())}, page)
	kept := len(n.history.keys)
	switch {
	case refusesRequest(err):
		// A full read finds the limit that the appliance takes by now.
		return nil, gapf("%v", err)
	case err != nil:
		return nil, err
	case n.total == 0 && (total < kept || total > kept+maxFresh):
		return nil, gapf("the list has a total of %d, and %d are kept", total, kept)
	case n.total != 0 && total != n.total:
		return nil, gapf("the page at skip=%d tells a total of %d, and the first page told %d", at, total, n.total)
	}
	n.total = total
	return page.jobs[:min(len(page.jobs), count)], nil
}

// check compares the jobs at a position with what is kept.
func (n *increment) check(position int, jobs []openJob) error {
	for i, job := range jobs {
		at := n.history.index(position+i, n.total)
		if at < 0 || at >= n.total {
			return gapf("there is a job behind the last of %d", n.total)
		}
		if at < len(n.history.keys) {
			if n.history.keys[at] != job.key {
				return gapf("at position %d there is another job than before", position+i)
			}
		} else {
			if n.history.known.has(job.key) {
				return gapf("a job that is not new stands at position %d, among the new ones", position+i)
			}
			known := &n.fresh[at-len(n.history.keys)]
			if known.key != (jobKey{}) && known.key != job.key {
				return gapf("at position %d there is another job than a moment before", position+i)
			}
			job.at = at
			*known = job
		}
		n.reread[job.key] = job
	}
	return nil
}

// copies holds the jobs of a page. The pages of an incremental read are small.
type copies struct {
	seeds *seeds
	jobs  []openJob
}

// begin implements visitor.
func (c *copies) begin() { c.jobs = c.jobs[:0] }

// visit implements visitor.
func (c *copies) visit(job *syncjob.Job) error {
	if len(c.jobs) >= maxFresh+joint {
		return gapf("a page has more than %d jobs, and fewer were asked for", maxFresh+joint)
	}
	c.jobs = append(c.jobs, openJob{key: c.seeds.key(job.ID), job: job.Clone()})
	return nil
}
