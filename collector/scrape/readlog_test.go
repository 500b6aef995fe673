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

// TestReadLog checks that a failure is logged when it begins, changes and ends, and unknown statuses
// once. A list that takes longer than its scrapers wait fails. A shutdown during a read is not logged.
func TestReadLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged logbook
		var now *fakeReader
		reader := &fakeReader{read: func(ctx context.Context, number int64) (*syncjob.Summary, error) { return now.read(ctx, number) }}
		c := scrape.New(sourceOf(reader), scrape.Options{Timeout: time.Hour, Logger: logged.logger()})
		info := line{"level": "info", "during": "read", "list": "google-keys", "msg": "the list can be read again"}
		unknown := says(&syncjob.Summary{UnknownStatuses: []string{"paused", "queued"}})
		for _, step := range []struct {
			what   string
			reader *fakeReader
			want   []line
		}{
			{"a failure", failing(reason.Server), []line{{"level": "warn", "during": "read", "list": "google-keys", "reason": "server", "err": "it went wrong", "hint": "fix it"}}},
			{"the same failure", failing(reason.Server), nil},
			{"another failure", slow(time.Hour), []line{{"level": "warn", "reason": "timeout"}}},
			{"the same deadline", slow(time.Hour), nil},
			{"the recovery", slow(time.Second), []line{info}},
			{"a success", slow(time.Second), nil},
			{"unknown statuses", unknown, []line{{"level": "warn", "status": "paused"}, {"level": "warn", "status": "queued"}}},
			{"the same statuses", unknown, nil},
		} {
			now = step.reader
			scrapeOnce(t, c, 10*time.Second)
			wantLines(t, step.what, logged.take(t, "warn", "info"), step.want...)
		}
		now = slow(time.Hour)
		time.AfterFunc(time.Second, c.Close)
		scrapeOnce(t, c, 10*time.Second)
		wantLines(t, "the shutdown", logged.take(t, "warn", "info"))
	})
}

// TestImpatientScrapers checks that nothing is logged or stored of a scraper that hangs up, or whose
// timeout is less than a second.
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
		wantLines(t, "a success", logged.take(t, "warn", "info"))
	})
}

// TestUnknownValues checks that unknown statuses and texts are logged once each, and times in the future
// once until they have passed.
func TestUnknownValues(t *testing.T) {
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
		wantLines(t, "when it has passed", logged.take(t, "warn", "info"))
		jobs[2].CreatedAt = time.Now().AddDate(0, 0, 2)
		ahead["time"] = jobs[2].CreatedAt.Format(time.RFC3339)
		scrapeOnce(t, c, time.Second)
		wantLines(t, "another", logged.take(t, "warn", "info"), ahead)
	})
}
