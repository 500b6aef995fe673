package scrape_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// wantLatest fails unless the last read of the only list ended after readAt seconds with the reason, which
// is empty for a success, and the last complete read after completeAt seconds. -1 means that there is none.
func wantLatest(t *testing.T, c *scrape.Scraper, begun time.Time, readAt int, why reason.Reason, completeAt int) {
	t.Helper()
	latest := c.Latest()[0]
	seconds := func(read *scrape.ListRead, at time.Time) int {
		if read == nil {
			return -1
		}
		if ended := read.Ended(); !ended.Equal(at) {
			t.Errorf("a read that ended at %s has the time %s", ended, at)
		}
		return int(at.Sub(begun).Seconds())
	}
	if got := seconds(latest.Read, latest.ReadAt); got != readAt {
		t.Errorf("the last read ended after %d s, want %d", got, readAt)
	}
	if got := seconds(latest.Complete, latest.CompleteAt); got != completeAt {
		t.Errorf("the last complete read ended after %d s, want %d", got, completeAt)
	}
	if latest.Complete != nil && (latest.Complete.Err != nil || latest.Complete.Summary == nil) {
		t.Errorf("the last complete read is %+v", *latest.Complete)
	}
	switch {
	case latest.Read == nil:
	case why == "" && latest.Read.Err != nil:
		t.Errorf("the last read has failed: %v", latest.Read.Err)
	case why != "":
		wantReason(t, *latest.Read, why)
	}
}

// TestLatest checks the latest reads of a list after each scrape.
func TestLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		now := slow(time.Second)
		reader := &fakeReader{read: func(ctx context.Context, number int64) (*syncjob.Summary, error) { return now.read(ctx, number) }}
		c := scrape.New(sourceOf(reader), scrape.Options{Timeout: 30 * time.Second, MinInterval: 10 * time.Second})
		defer c.Close()
		if latest := c.Latest(); len(latest) != 1 || latest[0].List.Name != "google-keys" {
			t.Errorf("before the first read: %+v", latest)
		}
		wantLatest(t, c, begun, -1, "", -1)
		scrapeOnce(t, c, 5*time.Second)
		wantLatest(t, c, begun, 1, "", 1)

		advance(9 * time.Second)
		scrapeOnce(t, c, 5*time.Second)
		wantLatest(t, c, begun, 1, "", 1) // It returned the read before.

		advance(time.Second)
		now = failing(reason.Server)
		scrapeOnce(t, c, 5*time.Second)
		wantLatest(t, c, begun, 11, reason.Server, 1)
		if latest := c.Latest()[0]; latest.Complete.Summary.Jobs[0] != 1 {
			t.Errorf("the last complete read is %+v", latest.Complete.Summary)
		}

		advance(10 * time.Second)
		now = slow(time.Hour)
		scrapeOnce(t, c, 5*time.Second)
		wantLatest(t, c, begun, 26, reason.Timeout, 1)
		now = slow(time.Second)
		scrapeOnce(t, c, 5*time.Second)
		wantLatest(t, c, begun, 27, "", 27)
	})
}

// TestScrapedAt checks that each list has the time of the last read of any.
func TestScrapedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		lists := syncjob.Lists()
		c := scrape.New([]scrape.Source{{List: lists[0], Reader: slow(time.Second)}, {List: lists[1], Reader: slow(time.Second)}}, scrape.Options{})
		defer c.Close()
		c.Read(t.Context())
		c.ReadSome(t.Context(), []string{lists[1].Name})
		for i, want := range []time.Duration{time.Second, 2 * time.Second} {
			if latest := c.Latest()[i]; latest.ReadAt.Sub(begun) != want || latest.ScrapedAt.Sub(begun) != 2*time.Second {
				t.Errorf("%s was read after %s, want %s; any list after %s", lists[i].Name, latest.ReadAt.Sub(begun), want, latest.ScrapedAt.Sub(begun))
			}
		}
	})
}

// TestLatestOfSharedRead checks that the latest read is that of a scrape that left early, until the shared
// read has ended.
func TestLatestOfSharedRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		c := scrape.New(sourceOf(slow(5*time.Second)), scrape.Options{Timeout: 30 * time.Second})
		defer c.Close()
		var wait sync.WaitGroup
		for _, patience := range []time.Duration{2 * time.Second, 3 * time.Second, 10 * time.Second, 20 * time.Second} {
			wait.Go(func() { scrapeOnce(t, c, patience) })
		}
		advance(2500 * time.Millisecond)
		wantLatest(t, c, begun, 2, reason.Timeout, -1)
		if took := c.Latest()[0].Read.Took; took != 2*time.Second {
			t.Errorf("the scrape that left waited for %s", took)
		}
		advance(time.Second)
		wantLatest(t, c, begun, 3, reason.Timeout, -1)
		wait.Wait()
		wantLatest(t, c, begun, 5, "", 5)
	})
}

// TestCancel checks that scrapes end at once when reads are canceled, and that this is neither stored
// nor logged.
func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged logbook
		begun := time.Now()
		c := scrape.New(sourceOf(slow(2*time.Second)), scrape.Options{Timeout: time.Hour, Logger: logged.logger()})
		defer c.Close()
		scrapeOnce(t, c, time.Minute)
		time.AfterFunc(time.Second, c.Cancel)
		for _, want := range []time.Duration{time.Second, 0} {
			read, took := scrapeOnce(t, c, time.Hour)
			wantReason(t, read, reason.Timeout)
			if took != want {
				t.Errorf("the scrape took %s, want %s", took, want)
			}
		}
		synctest.Wait()
		wantLatest(t, c, begun, 2, "", 2)
		wantLines(t, "the end", logged.take(t, "debug", "info", "warn", "error"))
	})
}
