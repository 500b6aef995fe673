package web_test

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
	"cckm_sync_exporter/collector/web"
)

// slowList is a list whose only job was created when the test began, and whose reads take a while.
type slowList struct {
	created       time.Time
	takes         time.Duration
	reads, active atomic.Int64
}

// Read implements scrape.ListReader.
func (l *slowList) Read(ctx context.Context) (*syncjob.Summary, int, error) {
	l.reads.Add(1)
	l.active.Add(1)
	defer l.active.Add(-1)
	timer := time.NewTimer(l.takes)
	defer timer.Stop()
	select {
	case <-timer.C:
		scope := syncjob.Scope{Name: "ring", Newest: syncjob.Newest{ID: "1", CreatedAt: l.created}}
		return &syncjob.Summary{Scopes: []syncjob.Scope{scope}}, 1, nil
	case <-ctx.Done():
		return nil, 1, reason.New(reason.Timeout, context.Cause(ctx), "")
	}
}

// FullRead implements scrape.ListReader.
func (*slowList) FullRead() *scrape.FullReadProgress { return nil }

// Close implements scrape.ListReader.
func (*slowList) Close() {}

// TestPairOfServers has two Prometheus servers, and a third whose own timeout ends before any read does, scrape
// for half an hour. Each gets its answer in the time that it gives, whole or not, and a read that is kept for an
// interval grows older.
func TestPairOfServers(t *testing.T) {
	const interval = 15 * time.Second
	for minInterval, roundsPerRead := range map[time.Duration]int{0: 1, 12 * time.Second: 2} {
		t.Run(minInterval.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				list := &slowList{created: time.Now(), takes: 5 * time.Second}
				c := scrape.New([]scrape.Source{{List: syncjob.Lists()[0], Reader: list}},
					scrape.Options{Timeout: 30 * time.Second, MinInterval: minInterval})
				defer c.Close()
				h := handler(t, func(cfg *web.Config) { cfg.Reader = c })
				const rounds = 4 * 30
				for round := range rounds {
					begun, reads := time.Now(), round%roundsPerRead == 0
					var wait sync.WaitGroup
					for _, timeout := range []string{"10", "10", "2.5"} {
						wait.Go(func() {
							body := get(t, h, "/metrics", map[string]string{"X-Prometheus-Scrape-Timeout-Seconds": timeout}).Body.String()
							took, now := time.Since(begun), time.Since(list.created)
							switch {
							case !reads:
								wantAnswer(t, body, took, 0, now)
							case timeout == "10":
								wantAnswer(t, body, took, list.takes, now)
							default:
								wantTimeout(t, body, took, 2*time.Second)
							}
						})
					}
					wait.Wait()
					synctest.Wait()
					if n := list.active.Load(); n != 0 || t.Failed() {
						t.Fatalf("round %d: %d reads go on although nobody waits", round, n)
					}
					next := time.NewTimer(interval - time.Since(begun))
					<-next.C
				}
				if got := list.reads.Load(); got != int64(rounds/roundsPerRead) {
					t.Errorf("%d reads in %d rounds", got, rounds)
				}
			})
		})
	}
}

// wantAnswer wants a list that was read, and the age that its job has now.
func wantAnswer(t *testing.T, body string, took, want, age time.Duration) {
	t.Helper()
	if took != want {
		t.Errorf("answered after %s, want %s", took, want)
	}
	shown := regexp.MustCompile(`(?m)^cckm_sync_scope_job_age_seconds\{.*\} (\S+)$`).FindStringSubmatch(body)
	if shown == nil || !strings.Contains(body, `cckm_sync_up{cloud="google",item="key"} 1`) {
		t.Errorf("the list was not read:\n%s", body)
		return
	}
	if seconds, err := strconv.ParseFloat(shown[1], 64); err != nil || seconds != age.Seconds() {
		t.Errorf("the job's age is %s, want %v (%v)", shown[1], age.Seconds(), err)
	}
}

// wantTimeout wants a list that was not read in time, and nothing else of it.
func wantTimeout(t *testing.T, body string, took, want time.Duration) {
	t.Helper()
	if took != want {
		t.Errorf("given up after %s, want %s", took, want)
	}
	for _, line := range []string{`cckm_sync_up{cloud="google",item="key"} 0`, `cckm_sync_scrape_error{cloud="google",item="key",reason="timeout"} 1`} {
		if !strings.Contains(body, line) {
			t.Errorf("the answer lacks %s:\n%s", line, body)
		}
	}
	if strings.Contains(body, "cckm_sync_scope_") {
		t.Errorf("a list that was not read has scopes:\n%s", body)
	}
}
