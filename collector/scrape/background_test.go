package scrape_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// TestLongListComesUp has a list whose full read takes longer than three scrapes. Each scrape
// reports a timeout with how far the read is, and the next one joins it. The first values that
// are exposed are those of now.
func TestLongListComesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAppliance(901, 10)
		a.behave(func() { a.latency = 2 * time.Second })
		r := newRig(t, a, nil)
		for round, want := range []string{"of about 100 pages", "of about 100 pages", "of about 100 pages"} {
			read, took := r.scrape()
			wantReason(t, read, reason.Timeout)
			if took != scrapeTimeout {
				t.Errorf("scrape %d took %s", round, took)
			}
			if read.Err != nil && !strings.Contains(read.Err.Error(), want) {
				t.Errorf("scrape %d does not report the progress: %v", round, read.Err)
			}
			if n := read.Pages; n < 10 {
				t.Errorf("scrape %d reports %d pages", round, n)
			}
			running := a.start("in_progress")
			if round > 0 {
				a.set(running-1, "failed")
			}
			advance(scrapeInterval - took)
		}
		// It takes 52 seconds, and some for the end of the list, which has moved.
		read, took := r.scrape()
		if read.Err != nil {
			advance(scrapeInterval - took)
			read, took = r.scrape()
		}
		r.wantNow("the last scrape", read)
		if took >= scrapeTimeout {
			t.Errorf("the last scrape took %s", took)
		}
		if n := r.reads.of(scrape.KindFull); n != 1 {
			t.Errorf("%d full reads", n)
		}
		// A page overlaps with the next one, and the list has grown by three jobs.
		if n := a.sent(); n > 125 {
			t.Errorf("%d requests", n)
		}
		advance(scrapeInterval)
		before := a.sent()
		if took := r.mustRead("a known list"); took > 3*a.latency {
			t.Errorf("a scrape of the known list took %s", took)
		}
		if n := a.sent() - before; n > 8 {
			t.Errorf("a scrape of the known list took %d requests", n)
		}
	})
}

// TestOutdatedReadIsNotServed has a list change in a way that only a full read can find, after the
// full read that outlived its scrape: the next scrape reads the list again.
func TestOutdatedReadIsNotServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAppliance(901, 10)
		a.latency = time.Second
		r := newRig(t, a, nil)
		read, _ := r.scrape()
		wantReason(t, read, reason.Timeout)
		r.settle()
		a.behave(func() { a.latency = 0 })
		a.start("failed")
		a.remove(400)
		advance(9 * time.Minute)
		r.mustRead("the next scrape")
		if n := r.reads.of(scrape.KindFull); n != 2 {
			t.Errorf("%d full reads, want 2", n)
		}
	})
}

// TestReadThatBeganBeforeTheScrape has a job deleted during a due full read, before the scrape that
// joins it because its own proof fails. That scrape exports the list as it is.
func TestReadThatBeganBeforeTheScrape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAppliance(901, 10)
		r := newRig(t, a, nil)
		r.mustRead("the first scrape")
		advance(10 * time.Minute)
		a.behave(func() { a.latency = 50 * time.Millisecond })
		r.mustRead("the scrape that starts the due read")
		advance(2 * time.Second)
		a.remove(5)
		r.mustRead("the scrape after the change")
	})
}

// TestShrinkingLongListComesUp has a list lose jobs during each of its full reads, which take longer
// than a scrape: it comes up nevertheless, when a read ends early enough in a scrape.
func TestShrinkingLongListComesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAppliance(901, 10)
		a.latency = time.Second
		a.answer = func(number int, _ request) error {
			if number%11 == 0 {
				a.remove(5)
			}
			return nil
		}
		r := newRig(t, a, nil)
		for range 40 {
			if read, _ := r.next(); read.Err == nil {
				return
			}
		}
		t.Error("the list does not come up within 40 scrapes")
	})
}

// TestScrapeReportsTheReadsFailure has a page fail while a scrape waits: the scrape reports why,
// and the read goes on.
func TestScrapeReportsTheReadsFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAppliance(901, 10)
		a.behave(func() { a.latency = time.Second })
		r := newRig(t, a, nil)
		begun := time.Now()
		a.answer = func(int, request) error {
			if since := time.Since(begun); since > 5*time.Second && since < 12*time.Second {
				return server()
			}
			return nil
		}
		read, _ := r.next()
		wantReason(t, read, reason.Server)
		for range 3 {
			if read, _ = r.next(); read.Err == nil {
				break
			}
			wantReason(t, read, reason.Timeout)
		}
		r.wantNow("after the failure", read)
		if n := r.reads.of(scrape.KindFull); n != 1 {
			t.Errorf("%d full reads", n)
		}
	})
}

// TestScrapeReportsARetriedAttempt has the appliance's client retry a page for longer than a scrape:
// the scrape reports why the attempts fail, not that its time is up.
func TestScrapeReportsARetriedAttempt(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			_, _ = io.WriteString(w, `{"jwt":"a-token","duration":300}`)
			return
		}
		w.Header().Set("Retry-After", "20")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	t.Cleanup(server.Close)
	client, err := ciphertrust.New(ciphertrust.Config{
		URL: server.URL, Credentials: ciphertrust.Credentials{Username: "user", Password: "a-password"}, Retries: ciphertrust.DefaultRetries,
	})
	if err != nil {
		t.Fatal(err)
	}
	list := scrape.NewList(syncjob.Lists()[0], client, scrape.ListOptions{
		PageSize: 10, Concurrency: 4, FullReadInterval: time.Minute, FullReadTimeout: time.Minute, PageTimeout: 30 * time.Second,
	})
	t.Cleanup(list.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, _, err := list.Read(ctx); reason.Of(err) != reason.Server {
		t.Errorf("%v, want server", err)
	}
}

// TestPairSharesTheBackgroundRead has a pair of scrapers and a third one that hangs up. The pair
// shares one full read; nothing is logged or kept of the third.
func TestPairSharesTheBackgroundRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAppliance(901, 10)
		a.behave(func() { a.latency = time.Second }) // 25 seconds in all.
		r := newRig(t, a, nil)
		hangUp := func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			time.AfterFunc(3*time.Second, cancel)
			if read := r.scraper.Read(ctx).Lists[0]; read.Err == nil {
				t.Error("the scraper that hung up got a read")
			}
		}
		hangUp()
		if lines := r.log.take(t, "warn", "info", "error"); len(lines) > 0 {
			t.Errorf("a scraper that hung up is logged: %v", lines)
		}
		if latest := r.scraper.Latest()[0]; latest.Read != nil || latest.FullRead == nil {
			t.Errorf("after a scraper hung up: %+v", latest)
		}
		second := make(chan scrape.ListRead, 1)
		go func() {
			advance(5 * time.Second)
			read, took := scrapeOnce(t, r.scraper, scrapeTimeout)
			if took != scrapeTimeout {
				t.Errorf("the second of the pair took %s", took)
			}
			second <- read
		}()
		first, took := r.scrape()
		wantReason(t, first, reason.Timeout)
		if took != scrapeTimeout {
			t.Errorf("the first of the pair took %s", took)
		}
		wantReason(t, <-second, reason.Timeout)
		advance(5 * time.Second)
		go func() {
			read, _ := scrapeOnce(t, r.scraper, scrapeTimeout)
			second <- read
		}()
		r.mustRead("the first of the pair")
		r.wantNow("the second of the pair", <-second)
		if n := r.reads.of(scrape.KindFull); n != 1 {
			t.Errorf("%d full reads", n)
		}
	})
}

// TestDueReadsTakeTurns checks that lists that share a limit do not have more full reads that are due at
// the same time, and that each gets its turn.
func TestDueReadsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lists, most = 5, 2
		due := make(chan struct{}, most)
		all := make([]*scrape.List, 0, lists)
		for range lists {
			a := newFakeAppliance(901, 10)
			l := scrape.NewList(syncjob.Lists()[0], a, scrape.ListOptions{PageSize: 10, Concurrency: 4, FullReadInterval: 10 * time.Minute, DueReads: due})
			t.Cleanup(l.Close)
			if _, _, err := l.Read(t.Context()); err != nil {
				t.Fatal(err)
			}
			a.behave(func() { a.latency = 100 * time.Millisecond })
			all = append(all, l)
		}
		advance(10 * time.Minute)
		turns := map[int]bool{}
		for range 10 {
			running := 0
			for i, l := range all {
				if _, _, err := l.Read(t.Context()); err != nil {
					t.Fatal(err)
				}
				if l.FullRead() != nil {
					running++
					turns[i] = true
				}
			}
			if running > most {
				t.Errorf("%d full reads are in progress, want at most %d", running, most)
			}
			advance(scrapeInterval)
		}
		if len(turns) != lists {
			t.Errorf("%d of %d lists had a full read", len(turns), lists)
		}
	})
}

// TestDueReadIsGentle holds that no scrape of a known list waits for a full read that is due, and
// that it has at most half of the concurrency.
func TestDueReadIsGentle(t *testing.T) {
	for _, concurrency := range []int{1, 2, 3, 4, 8} {
		t.Run(fmt.Sprintf("concurrency %d", concurrency), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// 41 pages.
				a := newFakeAppliance(6000, 150)
				r := newRig(t, a, func(o *scrape.ListOptions) { o.Concurrency = concurrency })
				r.mustRead("at first")
				a.behave(func() { a.latency = time.Second })
				advance(scrapeInterval)
				alone := r.mustRead("a known list")
				advance(10 * time.Minute)
				r.mustRead("when the full read is due")
				a.behave(func() { a.most[true] = 0 })
				scrapes := 0
				for r.list.FullRead() != nil {
					advance(5 * time.Second)
					if r.list.FullRead() == nil {
						break
					}
					scrapes++
					a.start("completed")
					took := r.mustRead("during the full read")
					// Its requests may have to wait for a page in flight.
					if longest := 2 * alone; took > longest && concurrency > 1 {
						t.Errorf("a scrape took %s during a full read, and %s without", took, alone)
					}
				}
				if scrapes == 0 {
					t.Error("no scrape during the full read")
				}
				if most := max(1, concurrency/2); a.most[true] > most {
					t.Errorf("%d pages of the full read in flight, want at most %d", a.most[true], most)
				}
				advance(scrapeInterval)
				// Both caches are brought up to date side by side.
				if took := r.mustRead("the comparison"); took > 2*alone {
					t.Errorf("the comparison took %s", took)
				}
				if r.reads.of(scrape.KindFull) != 2 || r.reads.drifts != 0 {
					t.Errorf("%d full reads, %d drifts", r.reads.of(scrape.KindFull), r.reads.drifts)
				}
			})
		})
	}
}

// TestComparisonOnASlowAppliance has incremental reads that take more than half of a scrape: the
// comparison with a full read that was due fits into one scrape nevertheless.
func TestComparisonOnASlowAppliance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAppliance(2700, 30)
		r := newRig(t, a, nil)
		r.mustRead("at first")
		a.behave(func() { a.latency = 3 * time.Second })
		advance(10 * time.Minute)
		longest := time.Duration(0)
		for range 40 {
			a.start("completed")
			read, took := r.next()
			r.wantNow("a scrape", read)
			longest = max(longest, took)
		}
		if longest >= scrapeTimeout {
			t.Errorf("a scrape took %s", longest)
		}
		if n := r.reads.of(scrape.KindFull); n != 2 || r.list.FullRead() != nil {
			t.Errorf("%d full reads", n)
		}
	})
}

// TestFailedProofHurriesTheRead has a proof fail while a due full read runs: the scrape joins the
// read, which then has all of the concurrency.
func TestFailedProofHurriesTheRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAppliance(6000, 150)
		r := newRig(t, a, nil)
		r.mustRead("at first")
		a.behave(func() { a.latency = 200 * time.Millisecond })
		advance(10 * time.Minute)
		r.mustRead("when the full read is due")
		advance(time.Second)
		a.remove(5500)
		a.behave(func() { a.most[true] = 0 })
		r.mustRead("after a job was deleted")
		if a.most[true] != 4 {
			t.Errorf("%d pages in flight, want 4", a.most[true])
		}
		if n := r.reads.of(scrape.KindFull); n != 2 {
			t.Errorf("%d full reads, want 2: the scrape did not join", n)
		}
		advance(scrapeInterval)
		r.mustRead("afterwards")
		if r.reads.of(scrape.KindFull) != 2 || r.reads.of(scrape.KindIncremental) < 2 {
			t.Errorf("the list is not known: %v", r.reads.kinds)
		}
	})
}

// TestSlowDueReadIsNoDrift has jobs start, finish and be deleted during a due full read that takes
// minutes, while scrapes go on: nothing of that is a drift. A job that changed although it was
// settled is one, counted once, and the full read replaces the cache.
func TestSlowDueReadIsNoDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAppliance(901, 10)
		r := newRig(t, a, nil)
		r.mustRead("at first")
		a.behave(func() { a.latency = time.Second })
		for round := range 6 {
			advance(10 * time.Minute)
			r.mustRead("when the full read is due")
			if round == 5 {
				// Nothing but the scope of a settled job changes.
				a.change(func(jobs []fakeJob) []fakeJob { jobs[700].scope = "another-ring"; return jobs })
			}
			for change := 0; r.list.FullRead() != nil; change++ {
				running := a.start("in_progress")
				if change > 0 {
					a.set(running-1, []string{"completed", "failed"}[change%2])
				}
				if round == 4 && change == 1 {
					// The list is unknown until the read is done, which lasts longer than a scrape.
					a.remove(500)
				}
				if read, _ := r.scrape(); round != 4 || read.Err == nil {
					r.wantNow("during the full read", read)
				}
				advance(scrapeInterval)
			}
			for range 3 {
				r.mustRead("after the full read")
				advance(scrapeInterval)
			}
			r.settle()
			if want := round / 5; r.reads.drifts != want {
				t.Errorf("round %d: %d drifts, want %d", round, r.reads.drifts, want)
			}
		}
		drifted := 0
		for _, logged := range r.log.take(t, "warn") {
			if text, ok := logged["msg"].(string); ok && strings.Contains(text, "did not match a full read") {
				drifted++
			}
		}
		if drifted != 1 {
			t.Errorf("the drift is logged %d times", drifted)
		}
		found := false
		read, _ := r.scrape()
		for _, scope := range read.Summary.Scopes {
			found = found || scope.Name == "another-ring"
		}
		if !found {
			t.Error("the full read did not replace the cache")
		}
	})
}

// TestFailedFullRead holds after how long a first full read fails that no scrape waits for any
// more, and for which reason.
func TestFailedFullRead(t *testing.T) {
	second := func(q request) bool { return q.skip > 0 }
	failing := func(r reason.Reason) func(int, request) error {
		return func(_ int, q request) error {
			if q.skip > 400 {
				return reason.New(r, errors.New("it went wrong"), "")
			}
			return nil
		}
	}
	for _, test := range []struct {
		name         string
		answer       func(int, request) error
		hang         func(request) bool
		pageTimeout  time.Duration
		want         reason.Reason
		least, most  time.Duration
		withinScrape bool
	}{
		{name: "no page arrives", hang: second, pageTimeout: time.Hour, want: reason.Timeout, least: 2 * time.Minute, most: 2*time.Minute + 2*time.Second},
		// The page that the read waits for may get its slot after others that hang as well.
		{name: "a page hangs", hang: second, want: reason.Timeout, least: 30 * time.Second, most: 2*time.Minute + 2*time.Second},
		{name: "the first page hangs", hang: func(request) bool { return true }, want: reason.Timeout, least: 30 * time.Second, most: 31 * time.Second},
		{name: "500", answer: failing(reason.Server), want: reason.Server, least: 25 * time.Second, most: 50 * time.Second},
		{name: "network", answer: failing(reason.Network), want: reason.Network, least: 25 * time.Second, most: 50 * time.Second},
		{name: "auth", answer: failing(reason.Auth), want: reason.Auth, most: 20 * time.Second},
		{name: "forbidden", answer: failing(reason.Forbidden), want: reason.Forbidden, most: 20 * time.Second},
		{name: "not found", answer: failing(reason.NotFound), want: reason.NotFound, most: 20 * time.Second},
		{name: "decode", answer: failing(reason.Decode), want: reason.Decode, most: 20 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newFakeAppliance(901, 10)
				a.behave(func() { a.latency = time.Second })
				a.answer, a.hang = test.answer, test.hang
				r := newRig(t, a, func(o *scrape.ListOptions) {
					if test.pageTimeout > 0 {
						o.PageTimeout = test.pageTimeout
					}
				})
				begun := time.Now()
				r.scrape()
				r.settle()
				if took := time.Since(begun); took < test.least || took > test.most {
					t.Errorf("it failed after %s, want %s to %s", took, test.least, test.most)
				}
				read, took := r.scrape()
				wantReason(t, read, test.want)
				if took != 0 {
					t.Errorf("a scrape during the pause took %s", took)
				}
				logged := r.log.take(t, "warn")
				if len(logged) == 0 || logged[len(logged)-1]["reason"] != string(test.want) {
					t.Errorf("the log has %v", logged)
				}
			})
		})
	}
}

// TestPausesOfFirstReads holds when a list that is not known is read again after a full read
// failed that took longer than a scrape, and that nothing is sent during the pauses, or while
// nobody scrapes.
func TestPausesOfFirstReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAppliance(901, 10)
		a.hang = func(request) bool { return true }
		r := newRig(t, a, func(o *scrape.ListOptions) { o.PageTimeout = 20 * time.Second })
		begun := time.Now()
		var at []time.Duration
		for time.Since(begun) < 10*time.Minute {
			before := a.sent()
			scraped := time.Since(begun)
			read, _ := scrapeOnce(t, r.scraper, 900*time.Millisecond)
			wantReason(t, read, reason.Timeout)
			if n := a.sent() - before; n > 0 {
				at = append(at, scraped)
			}
			advance(time.Second - (time.Since(begun) - scraped))
		}
		// Each read takes 20 seconds.
		want := []int{0, 30, 70, 130, 210, 290, 370, 450, 530}
		if len(at) != len(want) {
			t.Fatalf("full reads began after %v", at)
		}
		for i, seconds := range want {
			if got := at[i] - time.Duration(seconds)*time.Second; got < 0 || got > time.Second {
				t.Errorf("full read %d began after %s, want %d s", i, at[i], seconds)
			}
		}
		r.settle()
		before := a.sent()
		advance(24 * time.Hour)
		if n := a.sent() - before; n != 0 {
			t.Errorf("%d requests were sent without a scrape", n)
		}
		a.behave(func() { a.hang = nil })
		r.mustRead("when the appliance answers again")
	})
}

// TestPausesOfDueReads holds that a full read that was due and has failed does not disturb any
// scrape, and that it is retried after pauses that grow from 10 s to 5 minutes.
func TestPausesOfDueReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAppliance(40, 10)
		r := newRig(t, a, nil)
		r.mustRead("at first")
		advance(10 * time.Minute)
		var at []time.Duration
		begun := time.Now()
		a.behave(func() {
			a.answer = func(_ int, q request) error {
				// An incremental read does not request the second page.
				if q.skip == 9 && q.limit == 10 {
					at = append(at, time.Since(begun))
					return reason.New(reason.Decode, errors.New("it went wrong"), "")
				}
				return nil
			}
		})
		for range 30 * 60 {
			r.mustRead("while full reads fail")
			advance(time.Second)
		}
		want := []int{0, 10, 30, 70, 150, 310, 610, 910, 1210, 1510}
		if len(at) != len(want) {
			t.Fatalf("full reads failed after %v", at)
		}
		for i, seconds := range want {
			if at[i] != time.Duration(seconds)*time.Second {
				t.Errorf("full read %d failed after %s, want %d s", i, at[i], seconds)
			}
		}
		a.behave(func() { a.answer = nil })
		advance(5 * time.Minute)
		for range 2 {
			r.mustRead("when full reads succeed again")
			r.settle()
		}
		if r.reads.of(scrape.KindFull) != 2 || r.reads.drifts != 0 {
			t.Errorf("%d full reads, %d drifts", r.reads.of(scrape.KindFull), r.reads.drifts)
		}
	})
}

// TestFailureWithinTheScrape holds that the next scrape reads a list again at once that failed
// while a scrape waited.
func TestFailureWithinTheScrape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAppliance(901, 10)
		a.answer = func(int, request) error { return server() }
		r := newRig(t, a, nil)
		for range 3 {
			before := a.sent()
			read, took := r.scrape()
			wantReason(t, read, reason.Server)
			if n := a.sent() - before; n != 1 || took != 0 {
				t.Errorf("%d requests in %s, want 1", n, took)
			}
		}
		a.behave(func() { a.answer = nil })
		r.mustRead("when the appliance answers again")
	})
}

// TestProofFailsAfterADueReadFailed holds that a list which has become unknown is read again at
// once, although a full read that was due has failed a moment before.
func TestProofFailsAfterADueReadFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAppliance(901, 10)
		r := newRig(t, a, nil)
		r.mustRead("at first")
		a.answer = func(_ int, q request) error {
			// Only a full read requests so many jobs there.
			if q.skip > 0 && r.list.FullRead() != nil {
				return reason.New(reason.Decode, errors.New("it went wrong"), "")
			}
			return nil
		}
		advance(10 * time.Minute)
		r.mustRead("when the full read is due")
		r.settle()
		a.behave(func() { a.answer = nil })
		a.remove(450)
		r.mustRead("after a job was deleted")
	})
}

// TestListWithoutCache holds that a list which cannot be cached is read completely by each scrape,
// and that a read that outlived its scrape serves the next one once.
func TestListWithoutCache(t *testing.T) {
	for _, test := range []struct {
		name   string
		jobs   int
		change func(jobs []fakeJob) []fakeJob
	}{
		{"no order", 901, func(jobs []fakeJob) []fakeJob {
			for i := range jobs {
				jobs[i].created = jobs[i].created.Add(time.Duration(i*7919%901) * time.Hour / 100)
			}
			return jobs
		}},
		{"too many open jobs", 4500, func(jobs []fakeJob) []fakeJob {
			for i := range jobs {
				jobs[i].status = "in_progress"
			}
			return jobs
		}},
		{"too many bytes of open jobs", 3200, func(jobs []fakeJob) []fakeJob {
			for i := range jobs {
				jobs[i].status, jobs[i].scope = "in_progress", strings.Repeat("r", 1000)
				jobs[i].text = strings.Repeat("x", 500)
			}
			return jobs
		}},
		{"a job twice", 901, func(jobs []fakeJob) []fakeJob { jobs[300] = jobs[600]; return jobs }},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newFakeAppliance(test.jobs, test.jobs/20)
				a.change(test.change)
				r := newRig(t, a, nil)
				read := func(when string) {
					t.Helper()
					got, _ := r.scrape()
					if got.Err != nil {
						t.Fatalf("%s: %v", when, got.Err)
					}
				}
				for n := 1; n <= 3; n++ {
					before := a.sent()
					read("a scrape")
					if full := r.reads.of(scrape.KindFull); full != n || a.sent()-before < 20 {
						t.Errorf("%d full reads in %d scrapes, %d requests", full, n, a.sent()-before)
					}
				}
				if test.name != "no order" {
					return
				}
				a.behave(func() { a.latency = 3 * time.Second }) // 21 pages take 18 s.
				slow, _ := r.next()
				wantReason(t, slow, reason.Timeout)
				r.settle()
				sent := a.sent()
				if took := r.mustRead("the next scrape"); took != 0 || a.sent() != sent {
					t.Errorf("the read that outlived its scrape does not serve the next one: %s, %d requests", took, a.sent()-sent)
				}
				again, took := r.scrape()
				wantReason(t, again, reason.Timeout)
				if took != scrapeTimeout || a.sent() == sent {
					t.Errorf("the read that outlived its scrape serves two")
				}
			})
		})
	}
}

// TestIntervalZero holds that each scrape reads everything within its own deadline, and that
// nothing runs in the background.
func TestIntervalZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAppliance(901, 10)
		r := newRig(t, a, func(o *scrape.ListOptions) { o.FullReadInterval = 0 })
		for n := 1; n <= 3; n++ {
			r.mustRead("a scrape")
			if r.reads.of(scrape.KindFull) != n || r.list.FullRead() != nil {
				t.Errorf("%d full reads in %d scrapes", r.reads.of(scrape.KindFull), n)
			}
			advance(scrapeInterval)
		}
		a.behave(func() { a.latency = 2 * time.Second })
		read, took := r.scrape()
		wantReason(t, read, reason.Timeout)
		sent := a.sent()
		synctest.Wait()
		if r.list.FullRead() != nil || took != scrapeTimeout {
			t.Errorf("the read outlives its scrape of %s", took)
		}
		advance(time.Minute)
		if a.sent() != sent {
			t.Error("requests are sent after the scrape has left")
		}
		// The read lasts as long as one of several scrapers waits, here for 25 s.
		a.behave(func() { a.latency = time.Second })
		patient := make(chan scrape.ListRead, 1)
		go func() {
			read, _ := scrapeOnce(t, r.scraper, 29*time.Second)
			patient <- read
		}()
		read, _ = scrapeOnce(t, r.scraper, 5*time.Second)
		wantReason(t, read, reason.Timeout)
		r.wantNow("the patient scraper", <-patient)
	})
}

// TestCloseAtEveryStage holds that a scraper is closed within a moment, wherever its list is.
// That no goroutine is left is for TestMain.
func TestCloseAtEveryStage(t *testing.T) {
	hangs := func(q request) bool { return q.skip > 0 && !q.filtered }
	for _, test := range []struct {
		name  string
		known bool
		// reach brings the list to the stage.
		reach func(r *rig)
	}{
		{"before the first page", false, func(r *rig) { r.hang = func(request) bool { return true } }},
		{"in a page", false, func(r *rig) { r.hang = hangs }},
		{"in a retry pause", false, func(r *rig) {
			r.answer = func(_ int, q request) error {
				if q.skip > 0 {
					return server()
				}
				return nil
			}
		}},
		{"in an incremental read", true, func(r *rig) { r.hang = func(request) bool { return true } }},
		{"in a due read", true, func(r *rig) {
			r.latency = time.Second
			advance(10 * time.Minute)
			r.mustRead("when the full read is due")
		}},
		{"in a comparison", true, func(r *rig) {
			advance(10 * time.Minute)
			r.mustRead("when the full read is due")
			r.settle()
			r.latency = 5 * time.Second
		}},
	} {
		for _, scraped := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, a scrape waits: %t", test.name, scraped), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, newFakeAppliance(901, 10), nil)
					if test.known {
						r.mustRead("at first")
					}
					test.reach(r)
					got := make(chan scrape.ListRead, 1)
					go func() {
						read, _ := scrapeOnce(t, r.scraper, 8*time.Second)
						got <- read
					}()
					if scraped {
						advance(7500 * time.Millisecond)
					} else {
						<-got
						advance(time.Second)
					}
					begun := time.Now()
					if scraped {
						r.scraper.Cancel()
						<-got
					}
					r.scraper.Close()
					if took := time.Since(begun); took > 10*time.Millisecond {
						t.Errorf("it took %s", took)
					}
					sent := r.sent()
					advance(time.Hour)
					if r.sent() != sent || r.list.FullRead() != nil {
						t.Error("something goes on after Close")
					}
				})
			})
		}
	}
}

// TestLoadOfTheAppliance holds how many requests an hour of scrapes sends to an appliance that is
// down, slow, hanging, or comes back. The old design began a full read at each scrape: 240 an hour.
func TestLoadOfTheAppliance(t *testing.T) {
	// 100 pages.
	const jobs, pageSize, scrapes = 901, 10, int(time.Hour / scrapeInterval)
	down := func(int, request) error { return reason.New(reason.Network, errors.New("connection refused"), "") }
	for _, test := range []struct {
		name  string
		setUp func(r *rig)
		most  int
		// up is how many scrapes get the list at least.
		up int
	}{
		{"healthy, 10 ms a page", func(r *rig) { r.latency = 10 * time.Millisecond }, 100 + 5*110 + 240*6, 240},
		{"slow, 2 s a page", func(r *rig) { r.latency = 2 * time.Second }, 100 + 5*110 + 240*6, 230},
		{"down: refused at once", func(r *rig) { r.answer = down }, scrapes, 0},
		{"down: refused after 3 s", func(r *rig) { r.latency, r.answer = 3*time.Second, down }, scrapes, 0},
		{"hanging", func(r *rig) { r.hang = func(request) bool { return true } }, 45, 0},
		{"hanging from the second page on", func(r *rig) { r.hang = func(q request) bool { return q.skip > 0 } }, 400, 0},
		{"500 from the second page on", func(r *rig) {
			r.answer = func(_ int, q request) error {
				if q.skip > 0 {
					return server()
				}
				return nil
			}
		}, 1400, 0},
		{"known, then down", func(r *rig) { r.mustRead("at first"); r.answer = down }, 100 + 240 + 2, 0},
		{"known, then hanging", func(r *rig) { r.mustRead("at first"); r.hang = func(request) bool { return true } }, 100 + 240 + 2, 0},
		{"down for 30 minutes, then back", func(r *rig) {
			begun := time.Now()
			r.answer = func(n int, q request) error {
				if time.Since(begun) < 30*time.Minute {
					return down(n, q)
				}
				return nil
			}
		}, 120 + 100 + 2*110 + 120*6, 119},
		{"hanging for 30 minutes, then back", func(r *rig) {
			begun := time.Now()
			r.hang = func(request) bool { return time.Since(begun) < 30*time.Minute }
		}, 25 + 100 + 2*110 + 120*6, 110},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newFakeAppliance(jobs, pageSize), nil)
				test.setUp(r)
				before, up := r.sent(), 0
				for range scrapes {
					if read, _ := r.next(); read.Err == nil {
						up++
					}
				}
				sent := r.sent() - before
				t.Logf("%-36s %5d requests, %d of %d scrapes up, %d full reads", test.name, sent, up, scrapes, r.reads.of(scrape.KindFull))
				if sent > test.most {
					t.Errorf("%d requests an hour, want at most %d", sent, test.most)
				}
				if up < test.up {
					t.Errorf("%d scrapes got the list, want at least %d", up, test.up)
				}
			})
		})
	}
}

// TestPageSizeRecovers has the appliance reject six pages of a list: the next full read has the
// configured page size again.
func TestPageSizeRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAppliance(3000, 1000)
		a.answer = func(number int, _ request) error {
			if number <= 6 {
				return reason.New(reason.Other, &ciphertrust.APIError{Status: http.StatusConflict}, "")
			}
			return nil
		}
		r := newRig(t, a, nil)
		r.mustRead("with a smaller page size")
		if n := a.sent(); n < 200 {
			t.Errorf("%d requests, want the page size to be reduced", n)
		}
		advance(10 * time.Minute)
		r.mustRead("when the full read is due")
		r.settle()
		before := a.sent()
		r.mustRead("the comparison")
		t.Logf("the comparison took %d requests", a.sent()-before)
		if n := a.sent(); n > 240 {
			t.Errorf("%d requests in all, want the page size to be the configured one again", n)
		}
	})
}

// TestPanicInTheBackground holds that a mistake of ours in a full read fails the list, and not the
// process.
func TestPanicInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newFakeAppliance(100, 10), nil)
		r.reads.panicsOnFull = true
		read, _ := r.scrape()
		wantReason(t, read, reason.Other)
		r.reads.panicsOnFull = false
		r.mustRead("without the mistake")
	})
}
