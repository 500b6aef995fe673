package scrape_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// TestBackground scrapes a list of 100 pages, while it changes, fails or is slow.
func TestBackground(t *testing.T) {
	for name, run := range map[string]func(*rig){
		"a long list comes up":                    longListComesUp,
		"a shrinking list comes up":               shrinkingListComesUp,
		"an outdated full read is not returned":   outdatedFullRead,
		"a scrape reports why a page fails":       failingPage,
		"a pair shares the full read":             pairSharesTheFullRead,
		"a failed proof hurries the due read":     failedProofHurries,
		"a failed due read does not delay others": failedProofAfterFailedDueRead,
		"a slow due read is no drift":             slowDueRead,
		"each scrape reads everything":            intervalZero,
		"a panic fails the list only":             panicInFullRead,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				run(newRig(t, newFakeAppliance(901, 10), func(o *scrape.ListOptions) {
					if name == "each scrape reads everything" {
						o.FullReadInterval = 0
					}
				}))
			})
		})
	}
}

// longListComesUp has a full read take longer than three scrapes. Each reports a timeout with the
// progress, and the next one joins the read. The first values that are exposed are current.
func longListComesUp(r *rig) {
	r.latency = 2 * time.Second
	for round := range 3 {
		read, took := r.scrape()
		wantReason(r.t, read, reason.Timeout)
		if took != scrapeTimeout || !strings.Contains(read.Err.Error(), "of about 100 pages") || read.Pages < 10 {
			r.t.Errorf("scrape %d took %s and read %d pages: %v", round, took, read.Pages, read.Err)
		}
		if running := r.start("in_progress"); round > 0 {
			r.set(running-1, "failed")
		}
		advance(scrapeInterval - took)
	}
	// It takes 52 seconds, and some for the end of the list, which has moved.
	read, _ := r.next()
	if read.Err != nil {
		read, _ = r.next()
	}
	r.wantNow("the last scrape", read)
	// A page overlaps with the next one, and the list has grown by three jobs.
	if n := r.sent(); n > 125 {
		r.t.Errorf("%d requests", n)
	}
	before := r.sent()
	if took := r.mustRead("a known list"); took > 3*r.latency || r.sent()-before > 8 {
		r.t.Errorf("a scrape of the known list took %s and %d requests", took, r.sent()-before)
	}
	r.wantFullReads(1)
}

// shrinkingListComesUp has the list lose jobs during each of its full reads, which take longer than a
// scrape. A scrape returns it when a read ends early enough.
func shrinkingListComesUp(r *rig) {
	r.latency = time.Second
	r.answer = func(number int, _ request) error {
		if number%11 == 0 {
			r.remove(5)
		}
		return nil
	}
	for range 150 {
		if read, _ := r.next(); read.Err == nil {
			return
		}
	}
	r.t.Error("no scrape of 150 returns the list")
}

// outdatedFullRead has the list change in a way that only a full read can find, after the full read
// that outlived its scrape. The next scrape reads the list again.
func outdatedFullRead(r *rig) {
	r.latency = time.Second
	read, _ := r.scrape()
	wantReason(r.t, read, reason.Timeout)
	r.settle()
	r.behave(func() { r.latency = 0 })
	r.start("failed")
	r.remove(400)
	advance(9 * time.Minute)
	r.mustRead("the next scrape")
	r.wantFullReads(2)
}

// failingPage has a page fail for a while. The scrape that waits reports why, and the full read
// continues.
func failingPage(r *rig) {
	r.latency = time.Second
	begun := time.Now()
	r.answer = func(int, request) error {
		if since := time.Since(begun); since > 5*time.Second && since < 12*time.Second {
			return server()
		}
		return nil
	}
	read, _ := r.next()
	wantReason(r.t, read, reason.Server)
	for range 3 {
		if read, _ = r.next(); read.Err == nil {
			break
		}
		wantReason(r.t, read, reason.Timeout)
	}
	r.wantNow("after the failure", read)
	r.wantFullReads(1)
}

// pairSharesTheFullRead has a pair of scrapers and a third one that hangs up, which is neither logged
// nor stored.
func pairSharesTheFullRead(r *rig) {
	r.latency = time.Second // 25 seconds in all.
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Hour)
	time.AfterFunc(3*time.Second, cancel)
	wantReason(r.t, r.scraper.Read(ctx).Lists[0], reason.Timeout)
	wantLines(r.t, "a scraper that hung up", r.log.take(r.t, "warn", "info", "error"))
	if latest := r.scraper.Latest()[0]; latest.Read != nil || latest.FullRead == nil {
		r.t.Errorf("after a scraper hung up: %+v", latest)
	}
	for _, up := range []bool{false, true} {
		second := make(chan scrape.ListRead, 1)
		go func() {
			advance(3 * time.Second)
			read, _ := r.scrape()
			second <- read
		}()
		for _, read := range []scrape.ListRead{first(r.scrape()), <-second} {
			if up {
				r.wantNow("one of the pair", read)
			} else {
				wantReason(r.t, read, reason.Timeout)
			}
		}
		advance(5 * time.Second)
	}
	r.wantFullReads(1)
}

func first(read scrape.ListRead, _ time.Duration) scrape.ListRead { return read }

// failedProofHurries has a proof fail while a due full read runs. The scrape joins the read, which
// then has the full concurrency.
func failedProofHurries(r *rig) {
	r.mustRead("at first")
	r.behave(func() { r.latency = 200 * time.Millisecond })
	advance(10 * time.Minute)
	r.mustRead("when the full read is due")
	advance(time.Second)
	r.remove(800)
	r.behave(func() { r.most[true] = 0 })
	r.mustRead("after a job was deleted")
	if r.most[true] != 4 {
		r.t.Errorf("%d pages in flight, want 4", r.most[true])
	}
	advance(scrapeInterval)
	r.mustRead("afterwards")
	r.wantFullReads(2)
}

// failedProofAfterFailedDueRead has a proof fail just after a due full read failed. The list is read
// again at once.
func failedProofAfterFailedDueRead(r *rig) {
	r.mustRead("at first")
	r.answer = func(_ int, q request) error {
		// An incremental read sends no such request.
		if q.skip > 0 && r.list.FullReadProgress() != nil {
			return reason.New(reason.Decode, errors.New("it went wrong"), "")
		}
		return nil
	}
	advance(10 * time.Minute)
	r.mustRead("when the full read is due")
	r.settle()
	r.behave(func() { r.answer = nil })
	r.remove(450)
	r.mustRead("after a job was deleted")
}

// slowDueRead has jobs start, finish and be deleted during a due full read that takes minutes, while
// scrapes continue: that is no drift. A change of a settled job is one, and the full read replaces the
// cache.
func slowDueRead(r *rig) {
	r.mustRead("at first")
	r.behave(func() { r.latency = time.Second })
	for round, change := range []func(jobs []fakeJob) []fakeJob{
		func(jobs []fakeJob) []fakeJob { return jobs },
		// The list is unknown until the full read is done, which lasts longer than a scrape.
		func(jobs []fakeJob) []fakeJob { return slices.Delete(jobs, 500, 501) },
		// Only the scope of a settled job changes.
		func(jobs []fakeJob) []fakeJob { jobs[700].scope = "another-ring"; return jobs },
	} {
		advance(10 * time.Minute)
		r.mustRead("when the full read is due")
		r.change(change)
		for r.list.FullReadProgress() != nil {
			running := r.start("in_progress")
			if read, _ := r.scrape(); round != 1 || read.Err == nil {
				r.wantNow("during the full read", read)
			}
			r.set(running, []string{"completed", "failed"}[running%2])
			advance(scrapeInterval)
		}
		r.mustRead("after the full read")
		advance(scrapeInterval)
		r.settle()
		r.mustRead("at the end")
		if want := round / 2; r.reads.drifts != want {
			r.t.Errorf("round %d: %d drifts, want %d", round, r.reads.drifts, want)
		}
	}
	logged := slices.DeleteFunc(r.log.take(r.t, "warn"), func(l line) bool { return l["msg"] == "job failed" || l["reason"] != nil })
	wantLines(r.t, "the drift", logged, line{"msg": "the cache did not match a full read, which replaces it"})
	read, _ := r.scrape()
	if !slices.ContainsFunc(read.Summary.Scopes, func(s syncjob.Scope) bool { return s.Name == "another-ring" }) {
		r.t.Error("the full read did not replace the cache")
	}
}

// intervalZero has no cache: each scrape reads everything within its own deadline, and nothing runs in
// the background. The read lasts as long as one of several scrapers waits.
func intervalZero(r *rig) {
	for n := 1; n <= 3; n++ {
		r.mustRead("a scrape")
		r.wantFullReads(n)
	}
	r.latency = time.Second // 25 seconds in all.
	read, took := r.scrape()
	wantReason(r.t, read, reason.Timeout)
	sent := r.sent()
	advance(time.Minute)
	if r.list.FullReadProgress() != nil || took != scrapeTimeout || r.sent() != sent {
		r.t.Errorf("the read outlives its scrape of %s", took)
	}
	patient := make(chan scrape.ListRead, 1)
	go func() { patient <- first(scrapeOnce(r.t, r.scraper, 29*time.Second)) }()
	wantReason(r.t, first(scrapeOnce(r.t, r.scraper, 5*time.Second)), reason.Timeout)
	r.wantNow("the patient scraper", <-patient)
}

// panicInFullRead has a bug in a full read.
func panicInFullRead(r *rig) {
	r.reads.panicsOnFull = true
	wantReason(r.t, first(r.scrape()), reason.Other)
	r.reads.panicsOnFull = false
	r.mustRead("without the bug")
}

// TestScrapeReportsARetriedAttempt has the client retry a page for longer than a scrape. The scrape
// reports why the attempts fail.
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

// TestDueReadsTakeTurns checks that lists that share a limit do not have more full reads that are due
// at the same time, and that each gets its turn.
func TestDueReadsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lists, most = 5, 2
		due := make(chan struct{}, most)
		rigs, turns := make([]*rig, lists), map[int]bool{}
		for i := range rigs {
			rigs[i] = newRig(t, newFakeAppliance(901, 10), func(o *scrape.ListOptions) { o.DueReads = due })
			rigs[i].mustRead("at first")
			rigs[i].behave(func() { rigs[i].latency = 100 * time.Millisecond })
		}
		advance(10 * time.Minute)
		for range 10 {
			running := 0
			for i, r := range rigs {
				r.mustRead("a scrape")
				if r.list.FullReadProgress() != nil {
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

// TestDueReadIsGentle checks that no scrape of a known list waits for a full read that is due, and that
// it uses at most half of the concurrency.
func TestDueReadIsGentle(t *testing.T) {
	for _, concurrency := range []int{1, 3, 4} {
		t.Run(fmt.Sprintf("concurrency %d", concurrency), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// 41 pages.
				r := newRig(t, newFakeAppliance(6000, 150), func(o *scrape.ListOptions) { o.Concurrency = concurrency })
				r.mustRead("at first")
				r.behave(func() { r.latency = time.Second })
				advance(scrapeInterval)
				alone := r.mustRead("a known list")
				advance(10 * time.Minute)
				r.mustRead("when the full read is due")
				r.behave(func() { r.most[true] = 0 })
				scrapes := 0
				for advance(5 * time.Second); r.list.FullReadProgress() != nil; advance(5 * time.Second) {
					scrapes++
					r.start("completed")
					// Its requests may have to wait for a page in flight.
					if took := r.mustRead("during the full read"); took > 2*alone && concurrency > 1 {
						t.Errorf("a scrape took %s during a full read, and %s without", took, alone)
					}
				}
				if most := max(1, concurrency/2); scrapes == 0 || r.most[true] > most {
					t.Errorf("%d scrapes, and %d pages of the full read in flight, want at most %d", scrapes, r.most[true], most)
				}
				advance(scrapeInterval)
				// Both caches are brought up to date at the same time.
				if took := r.mustRead("the comparison"); took > 2*alone || r.reads.drifts != 0 {
					t.Errorf("the comparison took %s, %d drifts", took, r.reads.drifts)
				}
				r.wantFullReads(2)
			})
		})
	}
}

// TestFailedFullRead checks when and why a first full read fails for which no scrape waits any more.
func TestFailedFullRead(t *testing.T) {
	const s = time.Second
	failing := func(why reason.Reason) func(*rig) {
		return func(r *rig) {
			r.answer = func(_ int, q request) error {
				if q.skip > 400 {
					return reason.New(why, errors.New("it went wrong"), "")
				}
				return nil
			}
		}
	}
	hanging := func(from int) func(*rig) {
		return func(r *rig) { r.hang = func(q request) bool { return q.skip >= from } }
	}
	for name, test := range map[string]struct {
		setUp       func(*rig)
		pageTimeout time.Duration
		want        reason.Reason
		least, most time.Duration
	}{
		"no page arrives": {hanging(1), time.Hour, reason.Timeout, 120 * s, 122 * s},
		// The page that the read waits for may get its slot after others that hang as well.
		"a page hangs":         {hanging(1), 30 * s, reason.Timeout, 30 * s, 122 * s},
		"the first page hangs": {hanging(0), 30 * s, reason.Timeout, 30 * s, 31 * s},
		"retried":              {failing(reason.Server), 30 * s, reason.Server, 25 * s, 50 * s},
		"not retried":          {failing(reason.Decode), 30 * s, reason.Decode, 0, 20 * s},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newFakeAppliance(901, 10), func(o *scrape.ListOptions) { o.PageTimeout = test.pageTimeout })
				r.latency = time.Second
				test.setUp(r)
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

// TestImpatientScrapersDelayNoOther checks that a scrape that ends too early to judge the appliance neither
// starts a pause after a failed full read, nor makes the next incremental read send one request at first.
func TestImpatientScrapersDelayNoOther(t *testing.T) {
	for name, leave := range map[string]func(r *rig){
		"20 ms": func(r *rig) { scrapeOnce(r.t, r.scraper, 20*time.Millisecond) },
		"hangs up": func(r *rig) {
			ctx, cancel := context.WithTimeout(r.t.Context(), time.Hour)
			time.AfterFunc(500*time.Millisecond, cancel)
			r.scraper.Read(ctx)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newFakeAppliance(901, 10), nil)
				r.latency, r.answer = time.Second, func(int, request) error { return server() }
				leave(r)
				r.settle()
				r.behave(func() { r.latency, r.answer = 0, nil })
				r.mustRead("after a full read failed")
				r.behave(func() { r.latency = time.Second })
				alone := r.mustRead("a known list")
				leave(r)
				if took := r.mustRead("the next scrape"); took > alone {
					t.Errorf("a scrape took %s, and %s before", took, alone)
				}
			})
		})
	}
}

// TestPausesOfFirstReads checks the pauses between full reads of an unknown list that fail and take
// longer than a scrape, and that nothing is sent during the pauses, or without a scrape.
func TestPausesOfFirstReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newFakeAppliance(901, 10), func(o *scrape.ListOptions) { o.PageTimeout = 20 * time.Second })
		r.hang = func(request) bool { return true }
		begun := time.Now()
		var at []int
		for time.Since(begun) < 10*time.Minute {
			before, scraped := r.sent(), time.Since(begun)
			wantReason(t, first(scrapeOnce(t, r.scraper, time.Second)), reason.Timeout)
			if r.sent() > before {
				at = append(at, int(scraped.Seconds()))
			}
			advance(2*time.Second - (time.Since(begun) - scraped))
		}
		// Each read takes 20 seconds.
		if want := []int{0, 30, 70, 130, 210, 290, 370, 450, 530}; !slices.Equal(at, want) {
			t.Errorf("full reads began after %v seconds, want %v", at, want)
		}
		r.settle()
		before := r.sent()
		advance(24 * time.Hour)
		if r.sent() != before {
			t.Error("requests were sent without a scrape")
		}
		r.behave(func() { r.hang = nil })
		r.mustRead("when the appliance responds again")
	})
}

// TestPausesOfDueReads checks that a due full read that fails does not affect any scrape, and that it
// is retried after pauses that grow from 10 s to 5 minutes.
func TestPausesOfDueReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newFakeAppliance(40, 10), nil)
		r.mustRead("at first")
		advance(10 * time.Minute)
		var at []int
		begun := time.Now()
		r.behave(func() {
			r.answer = func(_ int, q request) error {
				// An incremental read does not request the second page.
				if q.skip == 9 && q.limit == 10 {
					at = append(at, int(time.Since(begun).Seconds()))
					return reason.New(reason.Decode, errors.New("it went wrong"), "")
				}
				return nil
			}
		})
		for range 30 * 60 {
			r.mustRead("while full reads fail")
			advance(time.Second)
		}
		if want := []int{0, 10, 30, 70, 150, 310, 610, 910, 1210, 1510}; !slices.Equal(at, want) {
			t.Errorf("full reads failed after %v seconds, want %v", at, want)
		}
		r.behave(func() { r.answer = nil })
		advance(5 * time.Minute)
		for range 2 {
			r.mustRead("when full reads succeed again")
			r.settle()
		}
		r.wantFullReads(2)
	})
}

// TestListWithoutCache checks that a list that cannot be cached is read completely by each scrape, and
// that a read that outlived its scrape is returned to the next one once.
func TestListWithoutCache(t *testing.T) {
	open := func(scope, text string) func(*fakeJob) {
		return func(job *fakeJob) { job.status, job.scope, job.text = "in_progress", scope, text }
	}
	for name, test := range map[string]struct {
		jobs   int
		change func(job *fakeJob)
	}{
		"no order": {901, func(job *fakeJob) {
			job.created = job.created.Add(time.Duration(job.number*7919%901) * time.Hour / 100)
		}},
		"too many open jobs":          {4500, open("ring", "")},
		"too many bytes of open jobs": {3200, open(strings.Repeat("r", 1000), strings.Repeat("x", 500))},
		"a job twice": {901, func(job *fakeJob) {
			if job.number == 300 {
				job.number = 600
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newFakeAppliance(test.jobs, test.jobs/20)
				for i := range a.jobs {
					test.change(&a.jobs[i])
				}
				r := newRig(t, a, nil)
				for n := 1; n <= 3; n++ {
					if read, _ := r.scrape(); read.Err != nil {
						t.Fatal(read.Err)
					}
					r.wantFullReads(n)
				}
				if name != "no order" {
					return
				}
				a.behave(func() { a.latency = 3 * time.Second }) // 21 pages take 18 s.
				slow, _ := r.next()
				wantReason(t, slow, reason.Timeout)
				r.settle()
				sent := a.sent()
				if took := r.mustRead("the next scrape"); took != 0 || a.sent() != sent {
					t.Errorf("the read that outlived its scrape is not returned to the next one: %s, %d requests", took, a.sent()-sent)
				}
				wantReason(t, first(r.scrape()), reason.Timeout)
			})
		})
	}
}

// TestCloseAtEveryStage checks that a scraper closes at once at any stage of a list. TestMain checks
// that no goroutine is left.
func TestCloseAtEveryStage(t *testing.T) {
	hang := func(r *rig) { r.hang = func(request) bool { return true } }
	due := func(r *rig) {
		r.latency = time.Second
		advance(10 * time.Minute)
		r.mustRead("when the full read is due")
	}
	for name, test := range map[string]struct {
		known bool
		// reach brings the list to the stage.
		reach func(r *rig)
	}{
		"before the first page":   {false, hang},
		"in a page":               {false, func(r *rig) { r.hang = func(q request) bool { return q.skip > 0 && !q.filtered } }},
		"in a retry pause":        {false, func(r *rig) { r.answer = func(int, request) error { return server() } }},
		"in an incremental read":  {true, hang},
		"in a due read":           {true, due},
		"in a comparison":         {true, func(r *rig) { due(r); r.settle(); r.latency = 5 * time.Second }},
		"without a read, unknown": {false, func(*rig) {}},
	} {
		for _, scraped := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, a scrape waits: %t", name, scraped), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, newFakeAppliance(901, 10), nil)
					if test.known {
						r.mustRead("at first")
					}
					test.reach(r)
					got := make(chan scrape.ListRead, 1)
					go func() { got <- first(scrapeOnce(t, r.scraper, 8*time.Second)) }()
					if !scraped {
						<-got
					}
					advance(time.Second)
					begun := time.Now()
					r.scraper.Close()
					if took := time.Since(begun); took > 10*time.Millisecond {
						t.Errorf("it took %s", took)
					}
					sent := r.sent()
					advance(time.Hour)
					if r.sent() != sent || r.list.FullReadProgress() != nil {
						t.Error("a read continues after Close")
					}
				})
			})
		}
	}
}

// TestLoadOfTheAppliance checks how many requests an hour of scrapes sends to an appliance that is
// down, slow, hanging, or recovers.
func TestLoadOfTheAppliance(t *testing.T) {
	// 100 pages.
	const jobs, pageSize, scrapes = 901, 10, int(time.Hour / scrapeInterval)
	down := func(int, request) error { return reason.New(reason.Network, errors.New("connection refused"), "") }
	hangs := func(request) bool { return true }
	for name, test := range map[string]struct {
		setUp func(r *rig)
		most  int
		// up is how many scrapes return the list at least.
		up int
	}{
		"healthy, 10 ms a page":           {func(r *rig) { r.latency = 10 * time.Millisecond }, 100 + 5*110 + 240*6, 240},
		"slow, 2 s a page":                {func(r *rig) { r.latency = 2 * time.Second }, 100 + 5*110 + 240*6, 230},
		"down: refused at once":           {func(r *rig) { r.answer = down }, scrapes, 0},
		"down: refused after 3 s":         {func(r *rig) { r.latency, r.answer = 3*time.Second, down }, scrapes, 0},
		"hanging":                         {func(r *rig) { r.hang = hangs }, 45, 0},
		"hanging from the second page on": {func(r *rig) { r.hang = func(q request) bool { return q.skip > 0 } }, 400, 0},
		"known, then down":                {func(r *rig) { r.mustRead("at first"); r.answer = down }, 100 + 240 + 2, 0},
		"known, then hanging":             {func(r *rig) { r.mustRead("at first"); r.hang = hangs }, 100 + 240 + 2, 0},
		"down for 30 minutes, then up": {func(r *rig) {
			r.answer = down
			time.AfterFunc(30*time.Minute, func() { r.behave(func() { r.answer = nil }) })
		}, 120 + 100 + 2*110 + 120*6, 119},
		"hanging for 30 minutes, then up": {func(r *rig) {
			r.hang = hangs
			time.AfterFunc(30*time.Minute, func() { r.behave(func() { r.hang = nil }) })
		}, 25 + 100 + 2*110 + 120*6, 110},
		"errors from the second page on": {func(r *rig) {
			r.answer = func(_ int, q request) error {
				if q.skip > 0 {
					return server()
				}
				return nil
			}
		}, 1400, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newFakeAppliance(jobs, pageSize), nil)
				test.setUp(r)
				before, up := r.sent(), 0
				for range scrapes {
					if read, _ := r.next(); read.Err == nil {
						up++
					}
				}
				if sent := r.sent() - before; sent > test.most || up < test.up {
					t.Errorf("%d requests an hour, want at most %d; %d scrapes returned the list, want at least %d", sent, test.most, up, test.up)
				}
			})
		})
	}
}

// TestPageSizeRecovers has the appliance reject six pages of a list. The next full read uses the
// configured page size again.
func TestPageSizeRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newFakeAppliance(3000, 1000), nil)
		r.answer = func(number int, _ request) error {
			if number <= 6 {
				return reason.New(reason.Other, &ciphertrust.APIError{Status: http.StatusConflict}, "")
			}
			return nil
		}
		r.mustRead("with a smaller page size")
		if n := r.sent(); n < 200 {
			t.Errorf("%d requests, want the page size to be reduced", n)
		}
		advance(10 * time.Minute)
		r.mustRead("when the full read is due")
		r.settle()
		r.mustRead("the comparison")
		if n := r.sent(); n > 240 {
			t.Errorf("%d requests in all, want the page size to be the configured one again", n)
		}
	})
}
