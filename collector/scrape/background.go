package scrape

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/go-kit/log/level"

	"cckm_sync_exporter/collector/joblist"
	"cckm_sync_exporter/collector/reason"
)

// The shortest and the longest pause between a failed full read and the next one.
const (
	shortestPause = 10 * time.Second
	longestPause  = 5 * time.Minute
	// longestFirstPause is the longest pause if the list is not known.
	longestFirstPause = time.Minute
)

// progressInterval is how often the progress of a full read is logged.
const progressInterval = 10 * time.Second

// fullRead is a full read in the background.
type fullRead struct {
	*joblist.FullRead

	started time.Time
	// awaited: a scrape has waited for this read. outlived: a scrape reached its deadline before, so no
	// scrape returns the read's error; it is logged, and the next read waits for a pause. List.mu guards
	// them.
	awaited, outlived bool
	// done is closed when the read has ended. err is its error, and set before.
	done chan struct{}
	err  error
}

func newFullRead(read *joblist.FullRead) *fullRead {
	return &fullRead{FullRead: read, started: time.Now(), done: make(chan struct{})}
}

// FullReadProgress is the progress of a full read.
type FullReadProgress struct {
	joblist.Progress

	Started time.Time
}

// Ratio returns the part of the list that was read, from 0 to 1.
func (p *FullReadProgress) Ratio() float64 {
	if p.JobsExpected == 0 {
		return 0
	}
	return min(1, float64(p.Jobs)/float64(p.JobsExpected))
}

// String describes the progress.
func (p *FullReadProgress) String() string {
	if p.PagesExpected == 0 {
		return "no page has arrived"
	}
	return fmt.Sprintf("%d of about %d pages", p.Pages, p.PagesExpected)
}

// progress may be called at any time.
func (f *fullRead) progress() *FullReadProgress {
	return &FullReadProgress{Progress: f.Progress(), Started: f.started}
}

// lastPage returns when the last page arrived, or when the read started.
func (f *fullRead) lastPage() time.Time {
	if at := f.Progress().LastPage; !at.IsZero() {
		return at
	}
	return f.started
}

// FullReadProgress returns the progress of the full read that is running, or nil.
func (l *List) FullReadProgress() *FullReadProgress {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running == nil {
		return nil
	}
	return l.running.progress()
}

// startIfDue starts a gentle full read if one is due, none is running, none waits to replace the cache,
// and not too many other lists have one. Else the next scrape tries again.
func (l *List) startIfDue() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.running != nil || l.finished != nil || now.Before(l.failedAt.Add(l.pause)) || (now.Before(l.due) && !l.reader.Incomplete()) {
		return
	}
	select {
	case l.options.DueReads <- struct{}{}:
		l.start(true)
	default:
	}
}

// currentFullRead returns the full read to wait for: the one that is running, now at full concurrency; else
// the one that finished after the scrapes that waited for it had left; else a new one. During the
// pause after a failed one, it returns that one's error.
func (l *List) currentFullRead() (*fullRead, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch full := l.finished; {
	case l.running != nil:
		l.running.Hurry()
		l.running.awaited = true
		return l.running, nil
	case full != nil && full.awaited && time.Since(full.lastPage()) < l.options.FullReadInterval:
		return full, nil
	}
	if l.failed != nil && time.Now().Before(l.failedAt.Add(min(l.pause, longestFirstPause))) {
		return nil, l.failed.err
	}
	full := l.start(false)
	full.awaited = true
	return full, nil
}

// start starts a full read. A gentle one uses a part of the concurrency, and has taken a place of
// DueReads. The caller holds the lock.
func (l *List) start(gentle bool) *fullRead {
	full := newFullRead(l.reader.NewFullRead(gentle))
	l.running, l.finished = full, nil
	l.reads.Go(func() {
		defer close(full.done)
		full.err = l.run(l.life, full)
		if gentle {
			<-l.options.DueReads
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.running = nil
		switch {
		case full.err == nil:
			l.finished, l.failed = full, nil
		case full.outlived || !full.awaited:
			l.failed = full
			l.delay(longestPause)
			l.logFailed(full)
		default:
			// The scrape that waits returns the error, and the next one starts a full read.
			l.failed = nil
		}
	})
	return full
}

// delay starts the pause before the next full read, twice as long as the one before. The caller
// holds the lock.
func (l *List) delay(longest time.Duration) {
	l.pause = min(longest, max(shortestPause, 2*l.pause))
	l.failedAt = time.Now()
}

// run runs a full read. Meanwhile, watch logs its progress. A bug that panics must fail this read only;
// no scrape's goroutine would recover it.
func (l *List) run(ctx context.Context, full *fullRead) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l.reads.Go(func() { l.watch(ctx, full, cancel) })
	defer func() {
		if p := recover(); p != nil {
			err = InternalError(l.list, p)
			level.Error(l.logger).Log("during", "full read", "list", l.list.Name, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	if err := full.Run(ctx); err != nil {
		return err //nolint:wrapcheck // It names the list.
	}
	l.countRead(KindFull)
	took := time.Since(full.started).Round(time.Millisecond)
	logger := level.Debug(l.logger)
	if took > progressInterval {
		logger = level.Info(l.logger)
	}
	progress := full.Progress()
	logger.Log("during", "full read", "list", l.list.Name, "pages", progress.Pages, "jobs", progress.Jobs, "took", took, "msg", "the whole list was read")
	return nil
}

// logFailed logs the failure of a full read, which no scrape returns.
func (l *List) logFailed(full *fullRead) {
	if l.life.Err() != nil {
		return
	}
	hint := reason.HintOf(full.err)
	if l.options.Hint != nil {
		hint = l.options.Hint(hint)
	}
	level.Warn(l.logger).Log("during", "full read", "list", l.list.Name, "reason", reason.Of(full.err), "err", full.err,
		"pages", full.Progress().Pages, "retry_after", l.pause, "hint", hint, "msg", "the full read failed")
}

// watch logs the progress of a full read until ctx has ended. It cancels the read if no page has arrived
// for FullReadTimeout.
func (l *List) watch(ctx context.Context, full *fullRead, cancel context.CancelCauseFunc) {
	report := time.NewTicker(progressInterval)
	defer report.Stop()
	longest := l.options.FullReadTimeout
	stalled := time.NewTimer(longest)
	defer stalled.Stop()
	if longest <= 0 {
		stalled.Stop()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-report.C:
			progress := full.Progress()
			level.Info(l.logger).Log("during", "full read", "list", l.list.Name, "pages", progress.Pages, "pages_expected", progress.PagesExpected,
				"jobs", progress.Jobs, "jobs_expected", progress.JobsExpected, "elapsed", time.Since(full.started).Round(time.Second), "msg", "reading the whole list")
		case <-stalled.C:
			idle := time.Since(full.lastPage())
			if idle >= longest {
				cancel(reason.New(reason.Timeout, fmt.Errorf("no page has arrived for %s: %w", longest, context.DeadlineExceeded), "check why the appliance is slow, or raise --collector.full-read-timeout"))
				return
			}
			stalled.Reset(longest - idle)
		}
	}
}
