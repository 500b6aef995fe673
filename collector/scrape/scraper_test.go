package scrape_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// fakeReader is a list whose reads a test decides on.
type fakeReader struct {
	reads atomic.Int64
	read  func(ctx context.Context, number int64) (*syncjob.Summary, error)
}

func (f *fakeReader) Read(ctx context.Context) (*syncjob.Summary, int, error) {
	summary, err := f.read(ctx, f.reads.Add(1))
	return summary, 1, err
}

func (*fakeReader) FullRead() *scrape.FullReadProgress { return nil }
func (*fakeReader) Close()                             {}

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
		return nil, reason.New(r, errors.New("it went wrong"), "mend it")
	}}
}

func sourceOf(reader scrape.ListReader) []scrape.Source {
	return []scrape.Source{{List: syncjob.Lists()[0], Reader: reader}}
}

// scrape reads with a deadline and returns the only list's read, and after how
// long it came.
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
		t.Error("a failed read does not say which list it is of")
	}
}

func TestOverlappingScrapesShareOneRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := slow(5 * time.Second)
		c := scrape.New(sourceOf(reader), scrape.Options{Timeout: 30 * time.Second})
		defer c.Close()
		var wait sync.WaitGroup
		for range 3 {
			wait.Go(func() {
				if read, took := scrapeOnce(t, c, 10*time.Second); read.Err != nil || took != 5*time.Second {
					t.Errorf("got %v after %s", read.Err, took)
				}
			})
		}
		wait.Wait()
		if n := reader.reads.Load(); n != 1 {
			t.Errorf("%d reads for three scrapes at once", n)
		}
		if read, _ := scrapeOnce(t, c, 10*time.Second); read.Err != nil || read.Summary.Jobs[0] != 2 {
			t.Errorf("a later scrape was not answered by a new read: %+v", read)
		}
	})
}

// TestScraperThatGivesUp has a pair of scrapers, of which one always gives up:
// it leaves at its own deadline, and the other one gets the read.
func TestScraperThatGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := slow(5 * time.Second)
		c := scrape.New(sourceOf(reader), scrape.Options{Timeout: 30 * time.Second})
		defer c.Close()
		var wait sync.WaitGroup
		wait.Go(func() {
			read, took := scrapeOnce(t, c, 2*time.Second)
			wantReason(t, read, reason.Timeout)
			if took != 2*time.Second {
				t.Errorf("the impatient scraper left after %s", took)
			}
		})
		wait.Go(func() {
			if read, took := scrapeOnce(t, c, 10*time.Second); read.Err != nil || took != 5*time.Second {
				t.Errorf("the patient scraper got %v after %s", read.Err, took)
			}
		})
		wait.Wait()
		if n := reader.reads.Load(); n != 1 {
			t.Errorf("%d reads", n)
		}
	})
}

// TestLastScraperEndsTheRead holds that a read which nobody waits for ends, so
// that a scrape after it begins anew and sees that the fault is gone.
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
		// The read's own last word is better than "timeout".
		wantReason(t, read, reason.Inconsistent)
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the read was ended by %v", err)
		}
		// What ended for its scraper's sake does not answer the next one.
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

func TestMinInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := slow(time.Second)
		c := scrape.New(sourceOf(reader), scrape.Options{Timeout: 30 * time.Second, MinInterval: 10 * time.Second})
		defer c.Close()
		want := func(reads int64, when string) {
			t.Helper()
			if read, _ := scrapeOnce(t, c, 5*time.Second); read.Err != nil {
				t.Errorf("%s: %v", when, read.Err)
			}
			if got := reader.reads.Load(); got != reads {
				t.Errorf("%s: %d reads, want %d", when, got, reads)
			}
		}
		want(1, "at first")
		want(1, "at once again")
		advance(9 * time.Second)
		want(1, "within the interval")
		advance(time.Second)
		want(2, "after the interval")
	})
}

func TestGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := scrape.New(sourceOf(slow(time.Hour)), scrape.Options{Timeout: time.Hour})
		defer c.Close()
		time.AfterFunc(3500*time.Millisecond, c.Cancel)
		read, took := scrapeOnce(t, c, time.Hour)
		wantReason(t, read, reason.Timeout)
		if took != 3500*time.Millisecond {
			t.Errorf("answered after %s", took)
		}
		read, took = scrapeOnce(t, c, time.Hour)
		wantReason(t, read, reason.Timeout)
		if took != 0 {
			t.Errorf("a scrape after giving up was answered after %s", took)
		}
	})
}

// TestPanic holds that a mistake of ours fails one list and no other, and never
// reaches the scraper as a stack trace.
func TestPanic(t *testing.T) {
	panicking := &fakeReader{read: func(context.Context, int64) (*syncjob.Summary, error) { panic("a mistake of ours") }}
	lists := syncjob.Lists()
	var logged bytes.Buffer
	c := scrape.New([]scrape.Source{{List: lists[0], Reader: panicking}, {List: lists[1], Reader: slow(0)}},
		scrape.Options{Timeout: time.Second, Logger: log.NewLogfmtLogger(&logged)})
	defer c.Close()
	snapshot := c.Read(t.Context())
	wantReason(t, snapshot.Lists[0], reason.Other)
	if snapshot.Lists[1].Err != nil || snapshot.Complete() {
		t.Errorf("the other list: %v, whole: %v", snapshot.Lists[1].Err, snapshot.Complete())
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

// TestNoSummary holds that a reader's mistake fails its list and nothing else.
func TestNoSummary(t *testing.T) {
	c := scrape.New(sourceOf(says(nil)), scrape.Options{Timeout: time.Minute})
	defer c.Close()
	wantReason(t, c.Read(t.Context()).Lists[0], reason.Other)
}
