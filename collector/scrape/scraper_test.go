package scrape_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// fakeReader is a list with a function for its reads, which are numbered from 1.
type fakeReader struct {
	reads atomic.Int64
	read  func(ctx context.Context, number int64) (*syncjob.Summary, error)
}

func (f *fakeReader) Read(ctx context.Context) (*syncjob.Summary, int, error) {
	summary, err := f.read(ctx, f.reads.Add(1))
	return summary, 1, err
}

func (*fakeReader) FullReadProgress() *scrape.FullReadProgress { return nil }
func (*fakeReader) Close()                                     {}

// slow returns a reader whose reads take a while, or end with their context.
func slow(takes time.Duration) *fakeReader {
	return &fakeReader{read: func(ctx context.Context, number int64) (*syncjob.Summary, error) {
		timer := time.NewTimer(takes)
		defer timer.Stop()
		select {
		case <-timer.C:
			return &syncjob.Summary{Jobs: [syncjob.NumStatuses]int{int(number)}}, nil
		case <-ctx.Done():
			return nil, reason.New(reason.Timeout, context.Cause(ctx), "")
		}
	}}
}

func failing(r reason.Reason) *fakeReader {
	return &fakeReader{read: func(context.Context, int64) (*syncjob.Summary, error) {
		return nil, reason.New(r, errors.New("it went wrong"), "fix it")
	}}
}

func sourceOf(reader scrape.ListReader) []scrape.Source {
	return []scrape.Source{{List: syncjob.Lists()[0], Reader: reader}}
}

// scrapeOnce reads with a timeout, and returns the only list's read and how long the scrape took.
func scrapeOnce(t *testing.T, c *scrape.Scraper, patience time.Duration) (scrape.ListRead, time.Duration) {
	t.Helper()
	begun := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return c.Read(ctx).Lists[0], time.Since(begun)
}

func wantReason(t *testing.T, read scrape.ListRead, want reason.Reason) {
	t.Helper()
	if read.Err == nil {
		t.Fatalf("the list was read, want reason %s", want)
	}
	if got := reason.Of(read.Err); got != want {
		t.Errorf("reason %s, want %s: %v", got, want, read.Err)
	}
	if read.Summary != nil {
		t.Error("a failed read has a summary")
	}
	if read.List.Name == "" {
		t.Error("a failed read does not name its list")
	}
}

// TestLastScraperEndsTheRead checks that a read that no scrape waits for is canceled, and that the next
// scrape starts another one.
func TestLastScraperEndsTheRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		reader := &fakeReader{read: func(ctx context.Context, number int64) (*syncjob.Summary, error) {
			if number > 1 {
				return &syncjob.Summary{}, nil
			}
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return nil, reason.New(reason.Inconsistent, errors.New("a gap, and the time was up"), "")
		}}
		c := scrape.New(sourceOf(reader), scrape.Options{Timeout: 30 * time.Second, MinInterval: time.Hour})
		defer c.Close()
		read, took := scrapeOnce(t, c, 2*time.Second)
		if took != 2*time.Second {
			t.Errorf("the scraper left after %s", took)
		}
		// The read's own reason says more than "timeout".
		wantReason(t, read, reason.Inconsistent)
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the read was canceled by %v", err)
		}
		// A canceled read is not returned to the next scrape, despite MinInterval.
		if read, _ := scrapeOnce(t, c, 2*time.Second); read.Err != nil {
			t.Errorf("the next scrape got %v", read.Err)
		}
	})
}

func TestLongestRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := scrape.New(sourceOf(slow(time.Hour)), scrape.Options{Timeout: 30 * time.Second})
		defer c.Close()
		read, took := scrapeOnce(t, c, time.Hour)
		wantReason(t, read, reason.Timeout)
		if took != 30*time.Second {
			t.Errorf("the read lasted %s", took)
		}
	})
}

// TestPanic checks that a bug in one list fails this list only, and that its stack trace is in the log.
func TestPanic(t *testing.T) {
	panicking := &fakeReader{read: func(context.Context, int64) (*syncjob.Summary, error) { panic("a bug") }}
	lists := syncjob.Lists()
	var logged bytes.Buffer
	c := scrape.New([]scrape.Source{
		{List: lists[0], Reader: panicking}, {List: lists[1], Reader: slow(0)}, {List: lists[2], Reader: says(nil)},
	}, scrape.Options{Timeout: time.Second, Logger: log.NewLogfmtLogger(log.NewSyncWriter(&logged))})
	defer c.Close()
	snapshot := c.Read(t.Context())
	wantReason(t, snapshot.Lists[0], reason.Other)
	wantReason(t, snapshot.Lists[2], reason.Other)
	if snapshot.Lists[1].Err != nil || snapshot.Complete() {
		t.Errorf("the list without a bug: %v, complete: %t", snapshot.Lists[1].Err, snapshot.Complete())
	}
	if !strings.Contains(logged.String(), "scraper_test.go") {
		t.Errorf("the log has no stack trace: %s", logged.String())
	}
}

// advance moves the clock of a synctest bubble.
func advance(by time.Duration) {
	time.Sleep(by) //nolint:forbidigo // It moves the clock of the test, and takes no time.
}

// leave2000 moves a bubble's clock from the start of 2000, before which times count as missing, to about 2022.
func leave2000() {
	if time.Now().Year() <= 2000 {
		advance(22 * 365 * 24 * time.Hour)
	}
}
