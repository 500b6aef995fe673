package e2e_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cckm_sync_exporter/collector"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// kinds counts how lists were read.
type kinds struct{ full, incremental, drifts atomic.Int64 }

// ListRead implements scrape.Observer.
func (k *kinds) ListRead(_ syncjob.List, kind string) {
	if kind == scrape.KindIncremental {
		k.incremental.Add(1)
	} else {
		k.full.Add(1)
	}
}

// HistoryDrift implements scrape.Observer.
func (k *kinds) HistoryDrift(syncjob.List) { k.drifts.Add(1) }

// longLife is a list whose jobs start and end as those of an appliance do.
type longLife struct {
	*pagedList

	jobs    *jobMaker
	created time.Time
	// skew is the difference between the clocks of the appliance's nodes.
	skew time.Duration
	// calm means that no job is open.
	calm bool
}

// make returns the record of a job.
func (l *longLife) make(r record) record {
	made := l.jobs.make(r)
	for l.calm && made.open {
		made = l.jobs.make(r)
	}
	return made
}

// start inserts a new job at the end at which the list grows.
func (l *longLife) start() {
	l.created = l.created.Add(time.Duration(l.rng.Int64N(int64(time.Minute))) / 1000 * 1000)
	r := l.jobs.next()
	at := l.created
	if l.skew > 0 {
		at = at.Add(time.Duration(l.rng.Int64N(int64(l.skew))))
	}
	r.created = quote(at.Format("2006-01-02T15:04:05.000000Z"))
	if l.jobs.oneIn(15) {
		r.created = pick(l.rng, "", "null", `"yesterday"`)
	}
	l.insert(l.make(r))
}

// appear inserts a job that was created earlier, between the others.
func (l *longLife) appear() {
	r := l.jobs.next()
	at := l.rng.IntN(len(l.records) + 1)
	if at < len(l.records) {
		r.created = l.records[at].created
	}
	l.records = slices.Insert(l.records, at, l.make(r))
}

// purge removes the oldest jobs.
func (l *longLife) purge() {
	n := min(1+l.rng.IntN(3), len(l.records))
	if l.order == oldestFirst {
		l.records = slices.Delete(slices.Clone(l.records), 0, n)
	} else {
		l.records = slices.Clone(l.records[:len(l.records)-n])
	}
}

// goOn changes or ends some of the open jobs, at any position.
func (l *longLife) goOn() {
	for i, r := range l.records {
		if l.jobs.oneIn(3) {
			l.records[i] = l.jobs.later(r)
		}
	}
}

// swap replaces a job by another one, at other positions between the ends of the list, if the counts by
// status show it.
func (l *longLife) swap() {
	if l.filter != usesFilter || len(l.records) < 4 {
		return
	}
	gone, at := 1+l.rng.IntN(len(l.records)-2), 1+l.rng.IntN(len(l.records)-2)
	r := l.jobs.next()
	r.created = l.records[at].created
	r = l.make(r)
	// "error" is another word for "failed".
	word := func(r record) string { return strings.Replace(r.form(), "error", "failed", 1) }
	if word(r) != word(l.records[gone]) {
		l.records = slices.Insert(slices.Delete(slices.Clone(l.records), gone, gone+1), at, r)
	}
}

// move moves an old job to the end at which the list grows, and inserts another one.
func (l *longLife) move() {
	if len(l.records) < 2 {
		return
	}
	at := l.rng.IntN(len(l.records))
	moved := l.records[at]
	l.records = slices.Delete(slices.Clone(l.records), at, at+1)
	l.appear()
	l.insert(moved)
}

// live makes a random change.
func (l *longLife) live() {
	switch l.rng.IntN(18) {
	case 0:
	case 1, 2, 9, 10:
		l.start()
	case 3, 11:
		for range 1 + l.rng.IntN(12) {
			l.start()
		}
	case 4, 12:
		l.goOn()
	case 13:
		l.goOn()
		l.start()
	case 5:
		l.purge()
	case 6:
		// A deletion in the middle and a start at the same time.
		l.remove()
		l.start()
	case 7:
		// A purge and starts, so that there are as many jobs as before.
		before := len(l.records)
		l.purge()
		for len(l.records) < before {
			l.start()
		}
	case 17:
		l.move()
	case 15, 16:
		l.swap()
	case 14:
		// A purge, and jobs that appear late, so that there are as many as before.
		before := len(l.records)
		l.purge()
		for len(l.records) < before {
			l.appear()
		}
	case 8:
		l.appear()
		if l.jobs.oneIn(2) {
			l.start()
		}
	}
}

// TestHistoryEqualsOracle compares the exposition of a cached list at every step of its life with what the
// oracle computes from the complete list.
//
// One change is left out: a finished job that disappears while another one with the same status appears, both
// between the ends of the list. An incremental read cannot see it.
func TestHistoryEqualsOracle(t *testing.T) {
	t.Parallel()
	var all kinds
	var quiet atomic.Int64
	t.Cleanup(func() {
		t.Logf("%d full reads, %d incremental ones, of which %d found nothing new", all.full.Load(), all.incremental.Load(), quiet.Load())
		// If hardly any read were incremental, the test would prove nothing.
		if *propertyCase < 0 && (all.incremental.Load() < all.full.Load()/4 || all.full.Load() < all.incremental.Load()/10) {
			t.Error("the cases are too similar")
		}
		if n := all.drifts.Load(); n > 0 {
			t.Errorf("%d caches did not match a full read", n)
		}
	})
	forEachCase(t, 500, func(t *testing.T, rng *rand.Rand) {
		t.Helper()
		list := pick(rng, syncjob.Lists()...)
		life := &longLife{
			pagedList: &pagedList{rng: rng, order: order(max(0, rng.IntN(5)-2)), filter: filter(max(0, rng.IntN(7)-3))},
			jobs:      newJobMaker(rng, list, time.Now()),
			created:   time.Now().Add(-48 * time.Hour),
			calm:      rng.IntN(3) == 0,
			skew:      pick(rng, 0, 0, 0, 0, time.Second, time.Hour),
		}
		if rng.IntN(8) == 0 {
			life.clamp = 1 + rng.IntN(6)
		}
		life.cut = rng.IntN(4) == 0
		for range rng.IntN(60) {
			life.start()
		}
		options := scrape.ListOptions{
			PageSize: 2 + rng.IntN(15), Concurrency: 1 + rng.IntN(4), Observer: &all,
			// With the shortest one, each incremental read is compared with a full read.
			FullReadInterval: pick(rng, 10*time.Minute, 10*time.Minute, 10*time.Minute, time.Nanosecond),
		}
		reader := scrape.NewList(list, life, options)
		defer reader.Close()
		var before *syncjob.Summary
		for step := range 3 + rng.IntN(12) {
			life.begin()
			summary, pages, err := reader.Read(t.Context())
			if err != nil {
				t.Fatalf("step %d of %s, with %+v: %v, after %d pages", step, life, options, err, pages)
			}
			if summary == before {
				quiet.Add(1)
			}
			before = summary
			settle(reader)
			if diff := difference(t, &collector.Exposition{}, list, life.records, summary); diff != "" {
				t.Fatalf("step %d of %s, with %+v: %s", step, life, options, diff)
			}
			advance(time.Duration(rng.IntN(4)) * time.Minute)
			life.live()
		}
	})
}

// TestChangingHistory checks what TestChangingList does, for incremental reads of a list.
func TestChangingHistory(t *testing.T) {
	t.Parallel()
	var all kinds
	t.Cleanup(func() {
		t.Logf("%d full reads, %d incremental ones", all.full.Load(), all.incremental.Load())
		if *propertyCase < 0 && all.incremental.Load() < all.full.Load()/10 {
			t.Error("the cases are too similar")
		}
	})
	forEachCase(t, 500, func(t *testing.T, rng *rand.Rand) {
		t.Helper()
		list := syncjob.Lists()[0]
		served := &pagedList{rng: rng, order: order(rng.IntN(2)), filter: filter(max(0, rng.IntN(7)-3)), cut: rng.IntN(4) == 0}
		made := 0
		insert := func() {
			made++
			served.insert(ownScopeJob(rng, made))
		}
		for range 10 + rng.IntN(30) {
			insert()
		}
		options := scrape.ListOptions{
			PageSize: 2 + rng.IntN(8), Concurrency: 1 + rng.IntN(3), FullReadInterval: time.Hour, Observer: &all,
		}
		reader := scrape.NewList(list, served, options)
		defer reader.Close()
		for step := range 6 {
			served.between = nil
			if step > 0 && rng.IntN(3) > 0 {
				served.between = changes(rng, served, insert, true, rng.IntN(2) == 0)
			}
			served.begin()
			summary, _, err := reader.Read(t.Context())
			if err != nil {
				t.Fatalf("step %d of %s, with %+v: %v", step, served, options, err)
			}
			if problem := contentProblem(summary, served.versions); problem != "" {
				t.Fatalf("step %d of %s, with %+v: %s: the read got\n  %q\nof\n%s",
					step, served, options, problem, scopeNames(summary), describe(served.versions))
			}
			for range max(0, rng.IntN(16)-7) {
				insert()
			}
		}
	})
}
