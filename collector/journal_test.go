package collector_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"

	"cckm_sync_exporter/collector"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

// TestJournal holds that a failure is told when it begins, changes and ends.
func TestJournal(t *testing.T) {
	var logged bytes.Buffer
	now := failing(reason.Server)
	reader := &fakeReader{read: func(ctx context.Context, number int64) (*syncjob.Summary, error) { return now.read(ctx, number) }}
	c := collector.New(source(reader), collector.Options{Timeout: time.Second, Logger: log.NewLogfmtLogger(&logged)})
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
	lines("the first failure", `level=warn during=read list=google-keys reason=server err="it went wrong" todo="mend it"`)
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

// TestJournalOfSlowList holds that a list which takes longer than its scraper waits is told of once, until
// it is read again; and that the exporter's end in the middle of a read is not.
func TestJournalOfSlowList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged logbook
		now := slow(time.Hour)
		reader := &fakeReader{read: func(ctx context.Context, number int64) (*syncjob.Summary, error) { return now.read(ctx, number) }}
		c := collector.New(source(reader), collector.Options{Timeout: 2 * time.Hour, Logger: logged.logger()})
		timeout := line{"level": "warn", "list": "google-keys", "reason": "timeout"}
		scrape(t, c, 10*time.Second)
		wantLines(t, "the first deadline", logged.take(t, "warn", "info"), timeout)
		for range 3 {
			scrape(t, c, 10*time.Second)
			wantLines(t, "another deadline", logged.take(t, "warn", "info"))
		}
		now = slow(time.Second)
		scrape(t, c, 10*time.Second)
		wantLines(t, "the recovery", logged.take(t, "warn", "info"), line{"level": "info", "list": "google-keys"})
		now = slow(time.Hour)
		time.AfterFunc(time.Second, c.Close)
		scrape(t, c, 10*time.Second)
		wantLines(t, "the end", logged.take(t, "warn", "info"))
	})
}

// TestJournalOfHangUps holds that a scraper which hangs up says nothing about the list, as a user does who
// has seen enough; but that the second one in a row does, as a scraper does that does not tell its deadline.
func TestJournalOfHangUps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged logbook
		begun := time.Now()
		c := collector.New(source(slow(5*time.Second)), collector.Options{Timeout: time.Hour, Logger: logged.logger()})
		defer c.Close()
		hangUp := func() {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			wantReason(t, c.Read(ctx).Lists[0], reason.Timeout)
			synctest.Wait()
		}
		hangUp()
		wantLines(t, "one", logged.take(t, "debug", "warn", "info"))
		wantLatest(t, c, begun, -1, "", -1)
		scrape(t, c, 10*time.Second)
		hangUp()
		wantLines(t, "one after a read", logged.take(t, "debug", "warn", "info"))
		wantLatest(t, c, begun, 6, "", 6)
		hangUp()
		wantLines(t, "two in a row", logged.take(t, "warn", "info"), line{"level": "warn", "reason": "timeout"})
		wantLatest(t, c, begun, 8, reason.Timeout, 6)
		hangUp()
		wantLines(t, "three in a row", logged.take(t, "warn", "info"))
		scrape(t, c, 10*time.Second)
		wantLines(t, "the recovery", logged.take(t, "warn", "info"), line{"level": "info"})
	})
}

// TestJournalOfPair has a pair of scrapers, of which one is never patient enough: that is told once, and once
// that it is over.
func TestJournalOfPair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged logbook
		c := collector.New(source(slow(5*time.Second)), collector.Options{Timeout: time.Hour, Logger: logged.logger()})
		defer c.Close()
		pair := func(patience time.Duration) {
			var wait sync.WaitGroup
			wait.Go(func() { scrape(t, c, patience) })
			wait.Go(func() { scrape(t, c, 10*time.Second) })
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
