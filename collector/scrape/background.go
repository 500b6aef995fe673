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
	// awaited is true if a scrape has waited for the read, and outlived if a scrape's deadline has
	// passed meanwhile. List.mu guards them.
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

// FullRead returns the progress of the full read that is running, or nil.
func (l *List) FullRead() *FullReadProgress {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running == nil {
		return nil
	}
	return &FullReadProgress{Progress: l.running.Progress(), Started: l.running.started}
}

// startIfDue starts a gentle full read if one is due, none is running, and none waits to replace the
// cache.
func (l *List) startIfDue() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.running == nil && l.finished == nil && (!now.Before(l.due) || l.reader.Incomplete()) && !now.Before(l.failedAt.Add(l.pause)) {
		l.startDue()
	}
}

// startDue starts a full read at a part of the concurrency, unless too many other lists have one. The
// caller holds the lock.
func (l *List) startDue() {
	if l.options.DueReads == nil {
		l.start(true)
		return
	}
	select {
	case l.options.DueReads <- struct{}{}:
		full := l.start(true)
		l.reads.Go(func() {
			<-full.done
			<-l.options.DueReads
		})
	default:
		// The next scrape tries again.
	}
}

// join returns the full read to wait for: the one that is running, now at full concurrency; else
// the one that finished after the scrapes that waited for it had left; else a new one. During the
// pause after a failed one, join returns that one's error.
func (l *List) join() (*fullRead, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch full := l.finished; {
	case l.running != nil:
		l.running.Hurry()
		l.running.awaited = true
		return l.running, nil
	case full != nil && full.awaited && time.Since(full.LastPage()) < l.options.FullReadInterval:
		return full, nil
	}
	if l.failed != nil && time.Now().Before(l.failedAt.Add(min(l.pause, longestFirstPause))) {
		return nil, l.failed.err
	}
	full := l.start(false)
	full.awaited = true
	return full, nil
}

// start starts a full read. The caller holds the lock.
func (l *List) start(gentle bool) *fullRead {
	full := newFullRead(l.reader.NewFullRead(gentle))
	l.running, l.finished = full, nil
	l.reads.Go(func() {
		defer close(full.done)
		l.run(l.life, full)
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

// run runs a full read and sets its error. Meanwhile, watch logs its progress.
func (l *List) run(ctx context.Context, full *fullRead) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		l.watch(full, cancel, stop)
	}()
	full.err = l.runSafely(ctx, full)
	close(stop)
	<-stopped
	if full.err != nil {
		return
	}
	took := time.Since(full.started).Round(time.Millisecond)
	logger := level.Debug(l.logger)
	if took > progressInterval {
		logger = level.Info(l.logger)
	}
	progress := full.Progress()
	logger.Log("during", "full read", "list", l.list.Name, "pages", progress.Pages, "jobs", progress.Jobs, "took", took, "msg", "the whole list was read")
}

// runSafely runs a full read. A bug that panics must fail this read only; no scrape's goroutine
// would recover it.
func (l *List) runSafely(ctx context.Context, full *fullRead) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = InternalError(l.list, p)
			level.Error(l.logger).Log("during", "full read", "list", l.list.Name, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	if err := full.Run(ctx); err != nil {
		return err //nolint:wrapcheck // It names the list.
	}
	l.observer.ListRead(l.list, KindFull)
	return nil
}

// logFailed logs the failure of a full read, which no scrape returns.
func (l *List) logFailed(full *fullRead) {
	if l.life.Err() != nil {
		return
	}
	hint := reason.RemedyOf(full.err)
	if l.options.Hint != nil {
		hint = l.options.Hint(hint)
	}
	level.Warn(l.logger).Log("during", "full read", "list", l.list.Name, "reason", reason.Of(full.err), "err", full.err,
		"pages", full.Progress().Pages, "retry_after", l.pause, "hint", hint, "msg", "the full read failed")
}

// watch logs the progress of a full read until stop is closed. It cancels the read if no page has
// arrived for FullReadTimeout.
func (l *List) watch(full *fullRead, cancel context.CancelCauseFunc, stop <-chan struct{}) {
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
		case <-stop:
			return
		case <-report.C:
			progress := full.Progress()
			level.Info(l.logger).Log("during", "full read", "list", l.list.Name, "pages", progress.Pages, "pages_expected", progress.PagesExpected,
				"jobs", progress.Jobs, "jobs_expected", progress.JobsExpected, "elapsed", time.Since(full.started).Round(time.Second), "msg", "reading the whole list")
		case <-stalled.C:
			idle := time.Since(full.LastPage())
			if idle >= longest {
				cancel(reason.New(reason.Timeout, fmt.Errorf("no page has arrived for %s: %w", longest, context.DeadlineExceeded), "check why the appliance is slow, or raise --collector.full-read-timeout"))
				return
			}
			stalled.Reset(longest - idle)
		}
	}
}

// LastPage returns when the last page arrived, or when the read started.
func (f *fullRead) LastPage() time.Time {
	if at := f.Progress().LastPage; !at.IsZero() {
		return at
	}
	return f.started
}
