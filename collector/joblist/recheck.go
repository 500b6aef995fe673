package joblist

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"

	"cckm_sync_exporter/collector/syncjob"
)

// inProgress reads the jobs that the appliance says are in progress, where it
// heeds the filter.
func (n *increment) inProgress(ctx context.Context) error {
	page := &copies{seeds: &n.reader.seeds}
	running := map[jobKey]bool{}
	defer func() { n.running = len(running) }()
	for at := 0; !n.reader.ignoresFilter; {
		total, err := n.count(ctx, question{skip: at, limit: n.reader.startLimit(), status: syncjob.OverallInProgress}, page)
		if err != nil || n.reader.ignoresFilter {
			return err
		}
		for _, job := range page.jobs {
			if !n.mayBeOpen(job.key) {
				return gapf("a job is in progress that is neither new nor was in progress before")
			}
			n.reread[job.key] = job
			running[job.key] = true
		}
		at += len(page.jobs)
		switch {
		case at >= total:
			return nil
		case len(page.jobs) == 0:
			return gapf("the page of jobs in progress at skip=%d is empty and tells a total of %d", at, total)
		}
	}
	return nil
}

// count asks for jobs of one status, and returns how many there are. Where the
// appliance does not heed the filter, that is noted.
func (n *increment) count(ctx context.Context, q question, page *copies) (total int, err error) {
	total, err = n.reader.ask(ctx, q, page)
	if err != nil && !refusesRequest(err) {
		return 0, err
	}
	heeded := err == nil
	for _, job := range page.jobs {
		heeded = heeded && job.job.OverallStatus == q.status
	}
	n.reader.ignoresFilter = !heeded
	return total, nil
}

func (n *increment) mayBeOpen(key jobKey) bool {
	if _, open := n.history.open[key]; open {
		return true
	}
	return slices.ContainsFunc(n.fresh, func(job openJob) bool { return job.key == key })
}

// others reads the jobs that were open before and that nothing has told of so
// far, at their positions.
func (n *increment) others(ctx context.Context) error {
	positions := n.untold()
	for looks := 0; len(positions) > 0; looks++ {
		if looks == maxLooks {
			return gapf("more than %d places would have to be looked at again", maxLooks)
		}
		// Jobs that stand near each other are read together.
		from, last := positions[0], positions[0]
		for _, position := range positions {
			if position-from < joint {
				last = position
			}
		}
		jobs, err := n.look(ctx, from, last-from+1)
		if err != nil {
			return err
		}
		if len(jobs) == 0 {
			return gapf("the page at skip=%d is empty and tells a total of %d", from, n.total)
		}
		if err := n.check(from, jobs); err != nil {
			return err
		}
		for len(positions) > 0 && positions[0] < from+len(jobs) {
			positions = positions[1:]
		}
	}
	return nil
}

// untold returns the positions of the jobs that can have changed and that no page
// had so far.
func (n *increment) untold() []int {
	var positions []int
	for job := range n.candidates() {
		if _, told := n.reread[job.key]; !told {
			positions = append(positions, n.history.index(job.at, n.total))
		}
	}
	slices.Sort(positions)
	return positions
}

// candidates are the jobs that can have changed.
func (n *increment) candidates() iter.Seq[openJob] {
	return func(yield func(openJob) bool) {
		for _, job := range n.history.open {
			if !yield(job) {
				return
			}
		}
		for _, job := range n.fresh {
			if !yield(job) {
				return
			}
		}
	}
}

// counts compares the jobs by status with the appliance's own counts, where it
// heeds the filter.
func (n *increment) counts(ctx context.Context) error {
	if n.reader.ignoresFilter {
		return nil
	}
	want := n.history.settled.Jobs()
	for job := range n.candidates() {
		now := n.reread[job.key].job
		want[now.Status()]++
	}
	if n.running != want[syncjob.InProgress] {
		return miscount(syncjob.OverallInProgress, n.running, want[syncjob.InProgress])
	}
	// A job that was cancelled is a completed one to the appliance.
	completed := want[syncjob.Completed] + want[syncjob.Aborted]
	if got, err := n.countOf(ctx, syncjob.OverallCompleted); err != nil || (got != completed && !n.reader.ignoresFilter) {
		return cmp.Or(err, miscount(syncjob.OverallCompleted, got, completed))
	}
	failed, err := n.countOf(ctx, syncjob.OverallFailed)
	if err == nil && failed != want[syncjob.Failed] && !n.reader.ignoresFilter {
		// Some clients of the API know another word for it.
		var errored int
		errored, err = n.countOf(ctx, syncjob.OverallError)
		failed += errored
	}
	if err != nil || n.reader.ignoresFilter || failed == want[syncjob.Failed] {
		return err
	}
	return miscount(syncjob.OverallFailed, failed, want[syncjob.Failed])
}

func (n *increment) countOf(ctx context.Context, status string) (int, error) {
	return n.count(ctx, question{limit: 1, status: status}, &copies{seeds: &n.reader.seeds})
}

func miscount(status string, got, want int) error {
	return &gapError{what: fmt.Sprintf("the appliance counts %d jobs of status %s, and %d are known", got, status, want), miscounted: true}
}
