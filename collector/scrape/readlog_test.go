package scrape_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// TestReadLog checks that a failure is logged when it begins, changes and ends.
func TestReadLog(t *testing.T) {
	var logged bytes.Buffer
	now := failing(reason.Server)
	reader := &fakeReader{read: func(ctx context.Context, number int64) (*syncjob.Summary, error) { return now.read(ctx, number) }}
	c := scrape.New(sourceOf(reader), scrape.Options{Timeout: time.Second, Logger: log.NewLogfmtLogger(&logged)})
	defer c.Close()
	lines := func(what string, want ...string) {
		t.Helper()
		logged.Reset()
		c.Read(t.Context())
		var got []string
		for line := range strings.Lines(logged.String()) {
			if !strings.Contains(line, "level=debug") {
				got = append(got, line)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s: got %q, want %d lines", what, got, len(want))
			return
		}
		for i, line := range got {
			if !strings.Contains(line, want[i]) {
				t.Errorf("%s: got %q, want it to hold %q", what, line, want[i])
			}
		}
	}
	lines("the first failure", `level=warn during=read list=google-keys reason=server err="it went wrong" hint="mend it"`)
	lines("the same failure again")
	now = failing(reason.Timeout)
	lines("another failure", "reason=timeout")
	now = slow(0)
	lines("the recovery", "level=info during=read list=google-keys")
	lines("all well")
	now = &fakeReader{read: func(context.Context, int64) (*syncjob.Summary, error) {
		return &syncjob.Summary{UnknownStatuses: []string{"paused", "queued"}}, nil
	}}
	lines("unknown statuses", "status=paused", "status=queued")
	lines("the same statuses again")
}

// TestReadLogOfSlowList checks that a list that takes longer than its scraper waits is logged once,
// until it is read again, and that a shutdown in the middle of a read is not logged.
func TestReadLogOfSlowList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged logbook
		now := slow(time.Hour)
		reader := &fakeReader{read: func(ctx context.Context, number int64) (*syncjob.Summary, error) { return now.read(ctx, number) }}
		c := scrape.New(sourceOf(reader), scrape.Options{Timeout: 2 * time.Hour, Logger: logged.logger()})
		timeout := line{"level": "warn", "list": "google-keys", "reason": "timeout"}
		scrapeOnce(t, c, 10*time.Second)
		wantLines(t, "the first deadline", logged.take(t, "warn", "info"), timeout)
		for range 3 {
			scrapeOnce(t, c, 10*time.Second)
			wantLines(t, "another deadline", logged.take(t, "warn", "info"))
		}
		now = slow(time.Second)
		scrapeOnce(t, c, 10*time.Second)
		wantLines(t, "the recovery", logged.take(t, "warn", "info"), line{"level": "info", "list": "google-keys"})
		now = slow(time.Hour)
		time.AfterFunc(time.Second, c.Close)
		scrapeOnce(t, c, 10*time.Second)
		wantLines(t, "the end", logged.take(t, "warn", "info"))
	})
}

// TestImpatientScrapers checks that a scraper that hangs up, or that leaves less than a second, says
// nothing about the list: nothing is logged or kept, however often it comes.
func TestImpatientScrapers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged logbook
		begun := time.Now()
		c := scrape.New(sourceOf(slow(5*time.Second)), scrape.Options{Timeout: time.Hour, Logger: logged.logger()})
		defer c.Close()
		scrapeOnce(t, c, 10*time.Second)
		for range 10 {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			wantReason(t, c.Read(ctx).Lists[0], reason.Timeout)
			read, _ := scrapeOnce(t, c, time.Second-1)
			wantReason(t, read, reason.Timeout)
			synctest.Wait()
		}
		wantLines(t, "impatient scrapers", logged.take(t, "debug", "warn", "info"))
		wantLatest(t, c, begun, 5, "", 5)
		scrapeOnce(t, c, time.Second)
		wantLines(t, "a patient one", logged.take(t, "warn", "info"), line{"level": "warn", "reason": "timeout"})
	})
}

// TestReadLogOfPair has two scrapers, one of which has too short a timeout. That is logged once, and
// once when it is over.
func TestReadLogOfPair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged logbook
		c := scrape.New(sourceOf(slow(5*time.Second)), scrape.Options{Timeout: time.Hour, Logger: logged.logger()})
		defer c.Close()
		pair := func(patience time.Duration) {
			var wait sync.WaitGroup
			wait.Go(func() { scrapeOnce(t, c, patience) })
			wait.Go(func() { scrapeOnce(t, c, 10*time.Second) })
			wait.Wait()
		}
		pair(2 * time.Second)
		wantLines(t, "the first time", logged.take(t, "warn", "info"), line{"level": "warn", "list": "google-keys", "reason": "timeout"})
		for range 3 {
			pair(2 * time.Second)
			wantLines(t, "again", logged.take(t, "warn", "info"))
		}
		pair(8 * time.Second)
		wantLines(t, "the recovery", logged.take(t, "warn", "info"), line{"level": "info", "list": "google-keys"})
		pair(8 * time.Second)
		wantLines(t, "all well", logged.take(t, "warn", "info"))
	})
}

// TestJournalOfUnknownWords checks that statuses and texts that nobody knows are logged once each, and times of a
// wrong clock once until they are due.
func TestJournalOfUnknownWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leave2000()
		var logged logbook
		jobs := []syncjob.Job{
			{ID: "1", OverallStatus: "paused", Scopes: []string{"r"}},
			{ID: "2", OverallStatus: "completed", Details: []syncjob.Detail{{Key: "r", Text: "skipped"}, {Key: "s", Text: "in progress"}}},
			{ID: "3", OverallStatus: "in progress", CreatedAt: time.Now().AddDate(1, 0, 0), Scopes: []string{"r"}},
		}
		reader := &fakeReader{read: func(context.Context, int64) (*syncjob.Summary, error) {
			s := syncjob.NewSummarizer(syncjob.Lists()[0])
			for i := range jobs {
				if err := s.Add(&jobs[i], time.Now()); err != nil {
					return nil, err //nolint:wrapcheck // It fails the test.
				}
			}
			return s.Summary(time.Now()), nil
		}}
		c := scrape.New(sourceOf(reader), scrape.Options{Timeout: time.Minute, Logger: logged.logger()})
		defer c.Close()
		ahead := line{"level": "warn", "list": "google-keys", "job": "3", "jobs": 1.0, "time": jobs[2].CreatedAt.Format(time.RFC3339)}
		scrapeOnce(t, c, time.Second)
		wantLines(t, "first", logged.take(t, "warn", "info"), line{"level": "warn", "status": "paused"}, line{"level": "warn", "text": "skipped"}, ahead)
		scrapeOnce(t, c, time.Second)
		wantLines(t, "again", logged.take(t, "warn", "info"))
		advance(365 * 24 * time.Hour)
		scrapeOnce(t, c, time.Second)
		wantLines(t, "when it is due", logged.take(t, "warn", "info"))
		jobs[2].CreatedAt = time.Now().AddDate(0, 0, 2)
		ahead["time"] = jobs[2].CreatedAt.Format(time.RFC3339)
		scrapeOnce(t, c, time.Second)
		wantLines(t, "another", logged.take(t, "warn", "info"), ahead)
	})
}
