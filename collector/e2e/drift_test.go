package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"

	"cckm_sync_exporter/collector"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// cached is a reader with a cache of a list of finished jobs.
type cached struct {
	*scrape.List
	kinds

	list   syncjob.List
	served *pagedList
	log    bytes.Buffer
}

// newCached returns a reader that has read its list once.
func newCached(t *testing.T, jobs int) *cached {
	t.Helper()
	leave2000()
	c := &cached{
		list:   syncjob.Lists()[0],
		served: &pagedList{rng: rand.New(rand.NewPCG(1, uint64(jobs)))}, //nolint:gosec // A test that repeats.
	}
	for i := range jobs {
		c.served.insert(finishedJob(i, "completed"))
	}
	c.List = scrape.NewList(c.list, c.served, scrape.ListOptions{
		PageSize: 20, Concurrency: 2, FullReadInterval: 10 * time.Minute, Observer: c, Logger: log.NewLogfmtLogger(&c.log),
	})
	t.Cleanup(c.Close)
	c.read(t, scrape.KindFull)
	return c
}

func finishedJob(number int, status string) record {
	created := time.Date(2021, time.December, 1, 0, number, 0, 0, time.UTC)
	id := fmt.Sprintf("job-%06d", number)
	return record{id: id, raw: json.RawMessage(fmt.Sprintf(
		`{"id":%q,"createdAt":%q,"updatedAt":%q,"completed_at":%[3]q,"overall_status":%q,"key_rings":["ring-%d"]}`,
		id, created.Format(time.RFC3339), created.Add(20*time.Second).Format(time.RFC3339), status, number%5))}
}

// read reads the list, and fails unless that is a read of the given kind, no full read continues in the
// background, and the exposition is the oracle's. It returns the number of requests.
func (c *cached) read(t *testing.T, kind string) (pages int) {
	t.Helper()
	full, incremental := c.full.Load(), c.incremental.Load()
	c.served.begin()
	summary, pages, err := c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	full, incremental = c.full.Load()-full, c.incremental.Load()-incremental
	if c.FullReadProgress() != nil {
		t.Error("a full read is in progress")
	}
	if kind == scrape.KindFull && (full != 1 || incremental != 0) || kind == scrape.KindIncremental && incremental != 1 {
		t.Errorf("%d full and %d incremental reads, want one %s read", full, incremental, kind)
	}
	c.served.mu.Lock()
	defer c.served.mu.Unlock()
	if diff := difference(t, &collector.Exposition{}, c.list, c.served.records, summary); diff != "" {
		t.Error(diff)
	}
	return pages
}

// readDue reads the list while a full read may be due, and waits for the full read.
func (c *cached) readDue(t *testing.T) {
	t.Helper()
	if _, _, err := c.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	settle(c.List)
}

// TestIncrementalReadsTakeFewRequests bounds the requests of a scrape of a list in which little changes,
// for any length of the list.
func TestIncrementalReadsTakeFewRequests(t *testing.T) {
	for _, jobs := range []int{50, 500, 2000} {
		synctest.Test(t, func(t *testing.T) {
			c := newCached(t, jobs)
			for i := range 4 {
				if pages := c.read(t, scrape.KindIncremental); pages > 6 {
					t.Errorf("%d jobs: %d requests", jobs, pages)
				}
				c.served.insert(finishedJob(jobs+i, "completed"))
			}
		})
	}
}

// TestKindsOfReads checks when a list that was read once has to be read completely again.
func TestKindsOfReads(t *testing.T) {
	const full, incremental = scrape.KindFull, scrape.KindIncremental
	// replace replaces a job between the ends of the list by another one with another status.
	replace := func(l *pagedList, at int) {
		other := strings.NewReplacer("job-", "other-", "completed\"", "failed\"").Replace(string(l.records[at].raw))
		l.records[at].raw = json.RawMessage(other)
	}
	for name, test := range map[string]struct {
		jobs int
		// before changes the list before a read.
		before func(l *pagedList, read int)
		want   []string
	}{
		"a list of one page is not cached": {20, func(*pagedList, int) {}, []string{full, full, full}},
		"a list that contains a job twice is not cached": {100, func(l *pagedList, read int) {
			if read == 0 {
				l.records = append(l.records, l.records[60])
			}
		}, []string{full, full, full}},
		"pages become smaller": {100, func(l *pagedList, read int) {
			for i := range 15 * (1 - read) {
				l.refused = 12
				l.insert(finishedJob(100+i, "completed"))
			}
		}, []string{full, incremental}},
		"a new job is in the list twice": {100, func(l *pagedList, _ int) {
			l.filter = ignoresFilter
			l.insert(finishedJob(100, "completed"))
			l.insert(finishedJob(100, "completed"))
		}, []string{full}},
		"a filter that matches nothing is soon not used": {
			100, func(l *pagedList, _ int) { l.filter = misreadsFilter },
			[]string{full, incremental, incremental, incremental},
		},
		"a filter that showed a change stays in use": {100, func(l *pagedList, read int) {
			if read%4 != 1 {
				replace(l, 40+read)
			}
		}, slices.Repeat([]string{full, incremental, full, full}, 4)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCached(t, test.jobs)
				for i, kind := range test.want {
					test.before(c.served, i)
					c.read(t, kind)
				}
			})
		})
	}
}

// TestFullReadInterval checks that a cached list is read completely when that is due, in the background.
func TestFullReadInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCached(t, 100)
		for range 3 {
			for range 9 {
				advance(time.Minute)
				c.read(t, scrape.KindIncremental)
			}
			advance(time.Minute)
			full := c.full.Load()
			c.readDue(t)
			if n := c.full.Load() - full; n != 1 {
				t.Errorf("%d full reads in the background, want 1", n)
			}
			c.read(t, scrape.KindIncremental)
		}
		if n := c.drifts.Load(); n != 0 {
			t.Errorf("%d drifts", n)
		}
	})
}

// TestHistoryDrift checks that a full read finds a finished job that has changed, that this is
// logged and counted, and that the full read replaces the cache.
func TestHistoryDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCached(t, 100)
		c.read(t, scrape.KindIncremental)
		for round := range int64(2) {
			// Only the key ring changes: no count shows it.
			changed := &c.served.records[50]
			changed.raw = json.RawMessage(strings.Replace(string(changed.raw), "ring-", "another-ring-", 1))
			advance(10 * time.Minute)
			c.readDue(t)
			c.read(t, scrape.KindIncremental)
			if n := c.drifts.Load(); n != round+1 {
				t.Errorf("%d drifts, want %d", n, round+1)
			}
			for range 3 {
				c.read(t, scrape.KindIncremental)
			}
		}
		if text := c.log.String(); !strings.Contains(text, "level=warn") || !strings.Contains(text, "did not match a full read") {
			t.Errorf("the log has %s", text)
		}
	})
}

// TestOtherTextsAreNoDrift changes the texts of finished jobs, but not their meaning.
func TestOtherTextsAreNoDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCached(t, 100)
		for i, r := range c.served.records {
			c.served.records[i].raw = json.RawMessage(regexp.MustCompile(`"key_rings":\["(.*)"\]`).ReplaceAll(
				r.raw, []byte(`$0,"detailed_status":{"$1":"key ring synchronized successfully"}`)))
		}
		advance(10 * time.Minute)
		c.readDue(t)
		c.read(t, scrape.KindIncremental)
		if n := c.drifts.Load(); n != 0 {
			t.Errorf("%d drifts", n)
		}
	})
}

// TestChangesAreNoDrift changes the list before every page of a full read in the background, and
// between the requests of the comparison: jobs start, end, and are deleted.
func TestChangesAreNoDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for after := range 24 {
			c := newCached(t, 100)
			advance(10 * time.Minute)
			pages, number := 0, 1000
			change := func() {
				pages++
				number++
				switch {
				case pages == after:
					c.served.records = c.served.records[:len(c.served.records)-1]
				case number%3 == 0:
					c.served.insert(finishedJob(number, "in_progress"))
				case number%3 == 1:
					c.served.records[0].raw = json.RawMessage(strings.Replace(string(c.served.records[0].raw), `"in_progress"`, `"failed"`, 1))
				}
			}
			for _, between := range []func(){change, change, change, nil} {
				c.served.between = between
				c.readDue(t)
			}
			c.read(t, scrape.KindIncremental)
			if n := c.drifts.Load(); n != 0 {
				t.Errorf("%d drifts, want 0", n)
			}
			c.Close()
		}
	})
}
