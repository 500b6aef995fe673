package collector_test

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
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"

	"cckm_sync_exporter/collector"
	"cckm_sync_exporter/collector/joblist"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

// kept is a reader that keeps a history of a list of finished jobs.
type kept struct {
	*joblist.Reader
	kinds

	list   syncjob.List
	served *pagedList
	log    bytes.Buffer
}

// keeping returns a reader that has read the list for the first time.
func keeping(t *testing.T, jobs int) *kept {
	t.Helper()
	k := &kept{
		list:   syncjob.Lists()[0],
		served: &pagedList{rng: rand.New(rand.NewPCG(1, uint64(jobs)))}, //nolint:gosec // A test that repeats.
	}
	for i := range jobs {
		k.served.insert(finishedJob(i, "completed"))
	}
	k.Reader = joblist.NewReader(k.list, k.served, joblist.Options{
		PageSize: 20, Concurrency: 2, FullReadInterval: 10 * time.Minute, Observer: k, Logger: log.NewLogfmtLogger(&k.log),
	})
	k.read(t, joblist.KindFull)
	return k
}

func finishedJob(number int, status string) record {
	created := time.Date(1999, time.December, 1, 0, number, 0, 0, time.UTC)
	id := fmt.Sprintf("job-%06d", number)
	return record{id: id, raw: json.RawMessage(fmt.Sprintf(
		`{"id":%q,"createdAt":%q,"updatedAt":%q,"completed_at":%[3]q,"overall_status":%q,"key_rings":["ring-%d"]}`,
		id, created.Format(time.RFC3339), created.Add(20*time.Second).Format(time.RFC3339), status, number%5))}
}

// read reads the list, wants it to be read in the given way and what it says to
// be what the oracle says, and returns how many pages it took.
func (k *kept) read(t *testing.T, kind string) int {
	t.Helper()
	before := map[string]int64{joblist.KindFull: k.full.Load(), joblist.KindIncremental: k.incremental.Load()}
	k.served.begin()
	summary, pages, err := k.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	after := map[string]int64{joblist.KindFull: k.full.Load(), joblist.KindIncremental: k.incremental.Load()}
	before[kind]++
	for _, kind := range joblist.Kinds() {
		if after[kind] != before[kind] {
			t.Errorf("%d reads were %s, want %d", after[kind], kind, before[kind])
		}
	}
	got := exposed(t, &collector.Exposition{}, collector.ListRead{List: k.list, Summary: summary, Pages: pages})
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
				if pages := k.read(t, joblist.KindIncremental); pages > 6 {
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
			if pages := k.read(t, joblist.KindFull); pages != 1 {
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
			k.read(t, joblist.KindFull)
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
		k.read(t, joblist.KindFull)
		k.read(t, joblist.KindIncremental)
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
		k.read(t, joblist.KindFull)
	})
}

// TestMisreadFilter holds that a filter that lists nothing is soon no longer
// asked for, so that it does not keep the list from being kept.
func TestMisreadFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keeping(t, 100)
		k.served.filter = misreadsFilter
		k.read(t, joblist.KindFull)
		for range 3 {
			k.read(t, joblist.KindIncremental)
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
			k.read(t, joblist.KindFull)
			k.read(t, joblist.KindIncremental)
			swap(60 + i)
			k.read(t, joblist.KindFull)
			swap(70 + i)
			k.read(t, joblist.KindFull)
		}
	})
}

// TestFullReadInterval holds when a list is read whole again.
func TestFullReadInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keeping(t, 100)
		for range 3 {
			for range 9 {
				advance(time.Minute)
				k.read(t, joblist.KindIncremental)
			}
			advance(time.Minute)
			k.read(t, joblist.KindFull)
		}
		if n := k.drifts.Load(); n != 0 {
			t.Errorf("%d drifts", n)
		}
	})
}

// TestHistoryDrift holds that a finished job that changes all the same is found
// by the next full read, is told, and ends the keeping of a history.
func TestHistoryDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keeping(t, 100)
		k.read(t, joblist.KindIncremental)
		// Another vault, and everything else as before: no count tells.
		changed := &k.served.records[50]
		changed.raw = json.RawMessage(strings.Replace(string(changed.raw), "ring-", "another-ring-", 1))
		advance(10 * time.Minute)
		k.read(t, joblist.KindFull)
		if n := k.drifts.Load(); n != 1 {
			t.Errorf("%d drifts, want 1", n)
		}
		if text := k.log.String(); !strings.Contains(text, "level=warn") || !strings.Contains(text, "differs from a full read") {
			t.Errorf("the log has %s", text)
		}
		for range 3 {
			k.read(t, joblist.KindFull)
		}
	})
}

// TestOtherWordsAreNoDrift has the appliance say of settled jobs in other words
// what comes to the same: what is kept is good all the same.
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
		k.read(t, joblist.KindFull)
		k.read(t, joblist.KindIncremental)
		if n := k.drifts.Load(); n != 0 {
			t.Errorf("%d drifts", n)
		}
	})
}

// TestPurgeIsNoDrift holds that jobs that go while the list is compared with
// what was kept do not look like a mistake of the history.
func TestPurgeIsNoDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keeping(t, 100)
		advance(10 * time.Minute)
		increment := k.read(t, joblist.KindFull) - 6
		if increment < 1 {
			t.Fatalf("%d requests before the full read", increment)
		}
		for after := range 12 {
			advance(10 * time.Minute)
			pages, number := 0, 1000+after
			k.served.between = func() {
				pages++
				if pages == after {
					// As many come as go.
					k.served.records = k.served.records[:len(k.served.records)-1]
					k.served.insert(finishedJob(number, "completed"))
				}
			}
			k.read(t, joblist.KindFull)
			k.served.between = nil
			k.read(t, joblist.KindIncremental)
		}
		if n := k.drifts.Load(); n != 0 {
			t.Errorf("%d drifts, want 0", n)
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
	k.Reader = joblist.NewReader(k.list, list, joblist.Options{
		PageSize: 20, Concurrency: 2, FullReadInterval: 10 * time.Minute, Observer: k,
	})
	return k, list
}

// TestFailedAudit holds that what is proven is told although the full read that
// was due has failed, and that the full read is made up for soon.
func TestFailedAudit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, list := keepingFlaky(t)
		k.read(t, joblist.KindFull)
		list.fails = func(query url.Values) bool { return query.Get("limit") == "20" && !query.Has("overall_status") }
		advance(10 * time.Minute)
		k.served.insert(finishedJob(500, "failed"))
		k.read(t, joblist.KindIncremental)
		list.fails = nil
		k.read(t, joblist.KindIncremental)
		advance(time.Minute)
		k.read(t, joblist.KindFull)
	})
}

// TestFailedIncrement holds that an increment that the appliance does not
// answer fails for that reason, and that what was kept is of use afterwards.
func TestFailedIncrement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, list := keepingFlaky(t)
		k.read(t, joblist.KindFull)
		for request := range 5 {
			k.served.insert(finishedJob(500+request, "failed"))
			asked := -1
			list.fails = func(url.Values) bool { asked++; return asked == request }
			k.served.begin()
			if _, _, err := k.Read(t.Context()); reason.Of(err) != reason.Server {
				t.Errorf("request %d: %v, want reason server", request, err)
			}
			list.fails = nil
			k.read(t, joblist.KindIncremental)
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
