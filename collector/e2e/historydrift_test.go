package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"

	"cckm_sync_exporter/collector"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// kept is a reader that keeps a history of a list of finished jobs.
type kept struct {
	*scrape.List
	kinds

	list   syncjob.List
	served *pagedList
	log    bytes.Buffer
}

// keeping returns a reader that has read the list for the first time.
func keeping(t *testing.T, jobs int) *kept {
	t.Helper()
	leave2000()
	k := &kept{
		list:   syncjob.Lists()[0],
		served: &pagedList{rng: rand.New(rand.NewPCG(1, uint64(jobs)))}, //nolint:gosec // A test that repeats.
	}
	for i := range jobs {
		k.served.insert(finishedJob(i, "completed"))
	}
	k.List = newList(t, k.list, k.served, scrape.ListOptions{
		PageSize: 20, Concurrency: 2, FullReadInterval: 10 * time.Minute, Observer: k, Logger: log.NewLogfmtLogger(&k.log),
	})
	k.read(t, scrape.KindFull)
	return k
}

func finishedJob(number int, status string) record {
	created := time.Date(2021, time.December, 1, 0, number, 0, 0, time.UTC)
	id := fmt.Sprintf("job-%06d", number)
	return record{id: id, raw: json.RawMessage(fmt.Sprintf(
		`{"id":%q,"createdAt":%q,"updatedAt":%q,"completed_at":%[3]q,"overall_status":%q,"key_rings":["ring-%d"]}`,
		id, created.Format(time.RFC3339), created.Add(20*time.Second).Format(time.RFC3339), status, number%5))}
}

// read reads the list, wants it to be read in the given way, without a full read in the
// background, and wants what the oracle makes of it. It returns how many pages were requested.
func (k *kept) read(t *testing.T, kind string) int {
	t.Helper()
	pages := k.readAlone(t, kind)
	if full := k.FullRead(); full != nil {
		t.Error("a full read is in progress")
	}
	return pages
}

// readDue reads the list incrementally when a full read is due, and waits until that has run in
// the background.
func (k *kept) readDue(t *testing.T) {
	t.Helper()
	full := k.full.Load()
	k.readAlone(t, scrape.KindIncremental)
	settle(k.List)
	if n := k.full.Load() - full; n != 1 {
		t.Errorf("%d full reads in the background, want 1", n)
	}
}

func (k *kept) readAlone(t *testing.T, kind string) int {
	t.Helper()
	before := map[string]int64{scrape.KindFull: k.full.Load(), scrape.KindIncremental: k.incremental.Load()}
	k.served.begin()
	summary, pages, err := k.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before[kind]++
	if kind == scrape.KindFull && k.full.Load() != before[kind] {
		t.Errorf("%d reads were full, want %d", k.full.Load(), before[kind])
	}
	if got := k.incremental.Load(); got != before[scrape.KindIncremental] {
		t.Errorf("%d reads were incremental, want %d", got, before[scrape.KindIncremental])
	}
	got := exposed(t, &collector.Exposition{}, scrape.ListRead{List: k.list, Summary: summary, Pages: pages})
	k.served.mu.Lock()
	defer k.served.mu.Unlock()
	if diff := difference(expected(t, k.list, raws(k.served.records), 0), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	return pages
}

// TestHistoryTakesFewRequests holds that a scrape of a list in which little
// changes takes a handful of requests, however long the list is.
func TestHistoryTakesFewRequests(t *testing.T) {
	for _, jobs := range []int{50, 500, 5000} {
		synctest.Test(t, func(t *testing.T) {
			k := keeping(t, jobs)
			for i := range 10 {
				if pages := k.read(t, scrape.KindIncremental); pages > 6 {
					t.Errorf("%d jobs: %d requests", jobs, pages)
				}
				k.served.insert(finishedJob(jobs+i, "completed"))
			}
		})
	}
}

// TestShortListIsReadWhole holds that no history is kept of a list of one page.
func TestShortListIsReadWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keeping(t, 20)
		for range 3 {
			if pages := k.read(t, scrape.KindFull); pages != 1 {
				t.Errorf("%d requests, want 1", pages)
			}
		}
	})
}

// TestRepeatedJobIsNotKept holds that no history is kept of a list that has a
// job twice.
func TestRepeatedJobIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keeping(t, 100)
		k.served.records = append(k.served.records, k.served.records[60])
		for range 3 {
			k.read(t, scrape.KindFull)
		}
	})
}

// TestSmallerLimit holds that an appliance which takes smaller pages than before
// is read all the same.
func TestSmallerLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keeping(t, 100)
		k.served.refused = 12
		for i := range 15 {
			k.served.insert(finishedJob(100+i, "completed"))
		}
		k.read(t, scrape.KindFull)
		k.read(t, scrape.KindIncremental)
	})
}

// TestNewJobTwice holds that a new job which the list has twice counts once.
func TestNewJobTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keeping(t, 100)
		k.served.filter = ignoresFilter
		twice := finishedJob(100, "completed")
		k.served.insert(twice)
		k.served.insert(twice)
		k.read(t, scrape.KindFull)
	})
}

// TestMisreadFilter holds that a filter that lists nothing is soon no longer
// asked for, so that it does not keep the list from being kept.
func TestMisreadFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keeping(t, 100)
		k.served.filter = misreadsFilter
		k.read(t, scrape.KindFull)
		for range 3 {
			k.read(t, scrape.KindIncremental)
		}
	})
}

// TestMiscountIsNoMisreadFilter holds that a filter goes on being heeded that
// has told of jobs which came and went between the ends of the list.
func TestMiscountIsNoMisreadFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keeping(t, 100)
		// Another job takes the place of the one that stands there.
		swap := func(at int) {
			other := strings.NewReplacer("job-", "other-", "completed\"", "failed\"").Replace(string(k.served.records[at].raw))
			k.served.records[at].raw = json.RawMessage(other)
		}
		for i := range 4 {
			swap(50 + i)
			k.read(t, scrape.KindFull)
			k.read(t, scrape.KindIncremental)
			swap(60 + i)
			k.read(t, scrape.KindFull)
			swap(70 + i)
			k.read(t, scrape.KindFull)
		}
	})
}

// TestFullReadInterval checks when a known list is read completely: in the background, while no
// scrape waits.
func TestFullReadInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keeping(t, 100)
		for range 3 {
			for range 9 {
				advance(time.Minute)
				k.read(t, scrape.KindIncremental)
			}
			advance(time.Minute)
			k.readDue(t)
			k.read(t, scrape.KindIncremental)
		}
		if n := k.drifts.Load(); n != 0 {
			t.Errorf("%d drifts", n)
		}
	})
}

// TestHistoryDrift checks that a full read finds a finished job that has changed, that this is
// logged and counted, and that the full read replaces the cache.
func TestHistoryDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keeping(t, 100)
		k.read(t, scrape.KindIncremental)
		for round := range int64(2) {
			// Another key ring, and everything else as before: no count shows it.
			changed := &k.served.records[50]
			changed.raw = json.RawMessage(strings.Replace(string(changed.raw), "ring-", "another-ring-", 1))
			advance(10 * time.Minute)
			if _, _, err := k.Read(t.Context()); err != nil {
				t.Fatal(err)
			}
			settle(k.List)
			k.read(t, scrape.KindIncremental)
			if n := k.drifts.Load(); n != round+1 {
				t.Errorf("%d drifts, want %d", n, round+1)
			}
			for range 3 {
				k.read(t, scrape.KindIncremental)
			}
		}
		if text := k.log.String(); !strings.Contains(text, "level=warn") || !strings.Contains(text, "did not match a full read") {
			t.Errorf("the log has %s", text)
		}
	})
}

// TestOtherWordsAreNoDrift has the appliance word settled jobs differently, with the same meaning:
// the cache is good.
func TestOtherWordsAreNoDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keeping(t, 100)
		for i := range k.served.records {
			job := finishedJob(i, "completed")
			var fields map[string]any
			if err := json.Unmarshal(job.raw, &fields); err != nil {
				t.Fatal(err)
			}
			fields["detailed_status"] = map[string]string{fmt.Sprintf("ring-%d", i%5): "key ring synchronized successfully"}
			raw, err := json.Marshal(fields)
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(k.served.records, func(r record) bool { return r.id == job.id })
			k.served.records[at].raw = raw
		}
		advance(10 * time.Minute)
		k.readDue(t)
		k.read(t, scrape.KindIncremental)
		if n := k.drifts.Load(); n != 0 {
			t.Errorf("%d drifts", n)
		}
	})
}

// TestChangesAreNoDrift changes the list before every page of a full read in the background, and
// between the requests of the comparison: jobs start, end, and are deleted.
func TestChangesAreNoDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for after := range 24 {
			k := keeping(t, 100)
			advance(10 * time.Minute)
			pages, number := 0, 1000
			change := func() {
				pages++
				number++
				switch {
				case pages == after:
					k.served.records = k.served.records[:len(k.served.records)-1]
				case number%3 == 0:
					k.served.insert(finishedJob(number, "in_progress"))
				case number%3 == 1:
					k.served.records[0].raw = json.RawMessage(strings.Replace(string(k.served.records[0].raw), `"in_progress"`, `"failed"`, 1))
				}
			}
			k.served.between = change
			for range 3 {
				if _, _, err := k.Read(t.Context()); err != nil {
					t.Fatal(err)
				}
				settle(k.List)
			}
			k.served.between = nil
			if _, _, err := k.Read(t.Context()); err != nil {
				t.Fatal(err)
			}
			settle(k.List)
			k.read(t, scrape.KindIncremental)
			if n := k.drifts.Load(); n != 0 {
				t.Errorf("%d drifts, want 0", n)
			}
			k.Close()
		}
	})
}

// flaky is a list whose pages fail once it is told to.
type flaky struct {
	*pagedList

	fails func(query url.Values) bool
}

// Get implements joblist.Getter.
func (f *flaky) Get(ctx context.Context, path string, query url.Values, read func(io.Reader) error) error {
	if f.fails != nil && f.fails(query) {
		return reason.New(reason.Server, errors.New("the appliance answered 503"), "")
	}
	return f.pagedList.Get(ctx, path, query, read)
}

// keepingFlaky returns a reader that has not read its list yet, which may fail.
func keepingFlaky(t *testing.T) (*kept, *flaky) {
	t.Helper()
	k := keeping(t, 100)
	list := &flaky{pagedList: k.served}
	k.List = newList(t, k.list, list, scrape.ListOptions{
		PageSize: 20, Concurrency: 2, FullReadInterval: 10 * time.Minute, Observer: k,
	})
	return k, list
}

// TestFailedIncrement holds that an increment that the appliance does not
// answer fails for that reason, and that what was kept is of use afterwards.
func TestFailedIncrement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, list := keepingFlaky(t)
		k.read(t, scrape.KindFull)
		for request := range 3 {
			k.served.insert(finishedJob(500+request, "failed"))
			var asked atomic.Int32 // The first requests are sent together.
			list.fails = func(url.Values) bool { return int(asked.Add(1)) == request+1 }
			k.served.begin()
			if _, _, err := k.Read(t.Context()); reason.Of(err) != reason.Server {
				t.Errorf("request %d: %v, want reason server", request, err)
			}
			list.fails = nil
			k.read(t, scrape.KindIncremental)
		}
	})
}

// TestReadsTakeTurns holds that a read that was given up and is still ending
// does not share what is kept with the next one.
func TestReadsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, list := keepingFlaky(t)
		hold := make(chan struct{})
		list.fails = func(url.Values) bool { <-hold; return false }
		first := make(chan error, 1)
		go func() {
			_, _, err := k.Read(t.Context())
			first <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, pages, err := k.Read(ctx); reason.Of(err) != reason.Timeout || pages != 0 {
			t.Errorf("%v after %d pages, want reason timeout after none", err, pages)
		}
		close(hold)
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
}

// TestFutureTimeIsDue checks that a job of a wrong clock does not count as the newest until its time comes within a
// day, and does from then on, although nothing of the list has changed and no full read is due.
func TestFutureTimeIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leave2000()
		k := &kept{list: syncjob.Lists()[0], served: &pagedList{rng: rand.New(rand.NewPCG(1, 1))}} //nolint:gosec // A test that repeats.
		ahead := time.Now().AddDate(1, 0, 0)
		wrong := finishedJob(0, "completed")
		wrong.raw = json.RawMessage(fmt.Sprintf(`{"id":"wrong","createdAt":%q,"updatedAt":%[1]q,"completed_at":%[1]q,"overall_status":"completed","key_rings":["ring-1"]}`,
			ahead.Format(time.RFC3339)))
		for i := range 30 {
			k.served.insert(finishedJob(i, "failed"))
		}
		k.served.insert(wrong)
		for i := range 30 {
			k.served.insert(finishedJob(30+i, "failed"))
		}
		k.List = newList(t, k.list, k.served, scrape.ListOptions{PageSize: 20, Concurrency: 2, FullReadInterval: 10_000 * time.Hour, Observer: k})
		newest := func() string {
			k.served.begin()
			summary, _, err := k.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return summary.Scopes[1].Newest.ID
		}
		k.read(t, scrape.KindFull)
		k.read(t, scrape.KindIncremental)
		if id := newest(); id != "job-000056" {
			t.Errorf("the newest job is %s", id)
		}
		advance(time.Until(ahead.Add(-24*time.Hour - time.Second)))
		if id := newest(); id != "job-000056" {
			t.Errorf("a second before the job is due, the newest is %s", id)
		}
		advance(2 * time.Second)
		if id := newest(); id != "wrong" {
			t.Errorf("when the job is due, the newest is %s", id)
		}
		k.read(t, scrape.KindIncremental)
	})
}
