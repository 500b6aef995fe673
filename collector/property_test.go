package collector_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/collector"
	"cckm_sync_exporter/collector/joblist"
	"cckm_sync_exporter/collector/oracle"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

// A failure says with which of these it can be had again. Where several pages are in flight, which
// comes first is the scheduler's, so that it may take more than one run.
var (
	propertySeed = flag.Uint64("property.seed", 0, "seed of the property tests; 0 chooses one") //nolint:gochecknoglobals // A test's flag has no other place.
	propertyCase = flag.Int("property.case", -1, "the only case to run of each property")       //nolint:gochecknoglobals // A test's flag has no other place.
	// The properties that a list's whole life takes part in have fewer cases than a developer may want to try.
	propertyTimes = flag.Int("property.times", 1, "how many times as many cases to run of each property") //nolint:gochecknoglobals // A test's flag has no other place.
)

// forEachCase runs a property on random cases, with a clock that stands still.
func forEachCase(t *testing.T, cases int, property func(t *testing.T, rng *rand.Rand)) {
	t.Helper()
	const shards = 2
	seed := *propertySeed
	if seed == 0 {
		seed = rand.Uint64() //nolint:gosec // Cases have to come again with their seed.
	}
	if testing.Short() {
		cases /= 10
	}
	cases = cases / rarity * *propertyTimes
	for shard := range shards {
		t.Run(strconv.Itoa(shard), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				number := shard
				t.Cleanup(func() {
					if t.Failed() {
						t.Logf("again with -property.seed=%d -property.case=%d", seed, number)
					}
				})
				for ; number < cases && !t.Failed(); number += shards {
					if *propertyCase < 0 || *propertyCase == number {
						property(t, rand.New(rand.NewPCG(seed, uint64(number)))) //nolint:gosec // Cases have to come again with their seed.
					}
				}
			})
		})
	}
}

// TestReadEqualsOracle holds that what is exposed of a list that keeps still is what the oracle makes
// of the whole of it, whatever its order, its pages and its jobs; and that it stays so when the same
// reader reads the list again after it has changed.
func TestReadEqualsOracle(t *testing.T) {
	t.Parallel()
	forEachCase(t, 2000, func(t *testing.T, rng *rand.Rand) {
		t.Helper()
		list := pick(rng, syncjob.Lists()...)
		jobs := newJobMaker(rng, list, time.Now())
		options := joblist.Options{
			PageSize: 1 + rng.IntN(40), Concurrency: 1 + rng.IntN(4), FullReadInterval: pick(rng, 0, time.Hour),
		}
		served := &pagedList{rng: rng, order: order(rng.IntN(3)), short: rng.IntN(3) == 0}
		// A page that is shorter when it is asked for again proves nothing.
		served.cut = !served.short && rng.IntN(3) == 0
		switch rng.IntN(4) {
		case 0:
			served.clamp = 1 + rng.IntN(6)
		case 1:
			// Nothing says that the API's default limit could be refused.
			served.refused = 10 + rng.IntN(10)
		}
		for range pick(rng, 0, 1, 2, rng.IntN(30), rng.IntN(30), rng.IntN(30), 30+rng.IntN(60)) {
			served.insert(jobs.next())
		}
		exposition := &collector.Exposition{ForgetScopesAfter: pick(rng, 0, 0, time.Hour, 24*time.Hour)}
		reader := joblist.NewReader(list, served, options)
		for range 1 + rng.IntN(3) {
			served.begin()
			summary, pages, err := reader.Read(t.Context())
			if err != nil {
				t.Fatalf("%s, with %+v: %v, after %d pages", served, options, err, pages)
			}
			got := exposed(t, exposition, collector.ListRead{List: list, Summary: summary, Pages: pages})
			want := expected(t, list, raws(served.records), exposition.ForgetScopesAfter)
			if diff := difference(want, got); diff != "" {
				t.Fatalf("%s, with %+v: (-want +got)\n%s\nof %s", served, options, diff, raws(served.records))
			}
			if diff := cmp.Diff(expectedWords(t, list, raws(served.records)), wordsOf(summary)); diff != "" {
				t.Fatalf("%s, with %+v: words (-want +got)\n%s\nof %s", served, options, diff, raws(served.records))
			}
			changeAtRest(served, jobs, options.Concurrency)
		}
	})
}

// changeAtRest changes a list between two reads: jobs start, go on, end, and go.
func changeAtRest(served *pagedList, jobs *jobMaker, concurrency int) {
	for range served.rng.IntN(4) {
		served.insert(jobs.next())
	}
	for range max(0, served.rng.IntN(6)-3) {
		served.remove()
	}
	for i, r := range served.records {
		if jobs.oneIn(3) {
			served.records[i] = jobs.later(r)
		}
	}
	if len(served.records) > 2 && served.clamp != 1 && jobs.oneIn(6) {
		// A record that comes twice; pages of one record make that look like a list that does not heed
		// skip. Which of two that differ comes first is certain only where pages come one after another.
		twice := pick(served.rng, served.records...)
		if concurrency == 1 {
			twice = jobs.make(twice)
		}
		twice.open = false
		for i := range served.records {
			if served.records[i].id == twice.id {
				served.records[i].open = false
			}
		}
		served.records = slices.Insert(served.records, served.rng.IntN(len(served.records)+1), twice)
	}
}

// TestChangingList holds that a read of a list which changes between two pages either fails with the
// reason inconsistent or gives one of the versions that the list has had since the read began.
//
// Under newest first and oldest first that must hold whatever is inserted, where new jobs stand, and
// deleted, anywhere, be it in one breath. Under no order, a reader that asks for each position once
// cannot see that one job goes and another comes before a seam of two pages, so that what it has read
// is old, while behind the seam the same happens, so that what it reads next is new. So there the list
// may only grow, or only shrink, or lose one job and get one; each of these must show or do no harm.
func TestChangingList(t *testing.T) {
	t.Parallel()
	var still, moved, failed atomic.Int64
	t.Cleanup(func() {
		t.Logf("%d reads of lists that kept still, %d of lists that changed, %d inconsistent", still.Load(), moved.Load(), failed.Load())
		// The property would be empty if hardly a read got through, or all of them.
		if few := int64(3); *propertyCase < 0 && (still.Load() < few || moved.Load() < few || failed.Load() < few) {
			t.Error("the cases are too much alike")
		}
	})
	forEachCase(t, 5000, func(t *testing.T, rng *rand.Rand) {
		t.Helper()
		list := syncjob.Lists()[0]
		served := &pagedList{rng: rng, order: order(rng.IntN(3)), short: rng.IntN(4) == 0, cut: rng.IntN(3) == 0}
		if rng.IntN(6) == 0 {
			served.clamp = 1 + rng.IntN(3)
		}
		made := 0
		insert := func() {
			made++
			served.insert(ownScopeJob(rng, made))
		}
		for range 3 + rng.IntN(14) {
			insert()
		}
		served.between = changes(rng, served, insert)
		served.begin()
		options := joblist.Options{
			PageSize: 2 + rng.IntN(6), Concurrency: 1 + rng.IntN(3), FullReadInterval: pick(rng, 0, time.Hour),
		}
		summary, pages, err := joblist.NewReader(list, served, options).Read(t.Context())
		if err != nil {
			if reason.Of(err) != reason.Inconsistent {
				t.Fatalf("%s, with %+v: %v, want reason inconsistent", served, options, err)
			}
			failed.Add(1)
			return
		}
		version := versionOf(summary, served.versions)
		if version < 0 {
			t.Fatalf("%s, with %+v: the read got\n  %q\nwhich the list never was:\n%s", served, options, scopeNames(summary), describe(served.versions))
		}
		if len(served.versions) == 1 {
			still.Add(1)
			return
		}
		moved.Add(1)
		got := exposed(t, &collector.Exposition{}, collector.ListRead{List: list, Summary: summary, Pages: pages})
		if diff := difference(expected(t, list, raws(served.versions[version]), 0), got); diff != "" {
			t.Fatalf("%s, with %+v: version %d (-want +got)\n%s", served, options, version, diff)
		}
	})
}

// changes returns what happens to a list between two pages.
func changes(rng *rand.Rand, served *pagedList, insert func()) func() {
	inserts, removes := math.MaxInt, math.MaxInt
	if served.order == unordered {
		switch rng.IntN(3) {
		case 0:
			removes = 0
		case 1:
			inserts = 0
		case 2:
			inserts, removes = 1, 1
		}
	}
	oneIn, left := 1+rng.IntN(8), 1+rng.IntN(8)
	return func() {
		// Several changes may come one after another between two pages, and each may be several at once.
		for ; left > 0 && rng.IntN(oneIn) == 0; left-- {
			mostly := pick(rng, 0, 1, 1, 2)
			for range min(inserts, mostly) {
				insert()
				inserts--
			}
			mostly = pick(rng, 0, 1, 1, 2)
			for range min(removes, mostly) {
				served.remove()
				removes--
			}
			served.remember()
		}
	}
}

// ownScopeJob returns a job whose scope no other job has, so that what is exposed tells which jobs were read.
func ownScopeJob(rng *rand.Rand, number int) record {
	id := fmt.Sprintf("%04x-%03d", rng.IntN(1<<16), number)
	return record{id: id, raw: json.RawMessage(fmt.Sprintf(
		`{"id":%q,"createdAt":"1999-12-31T23:%02d:00.000001Z","updatedAt":"1999-12-31T23:59:00Z","overall_status":%q,"key_rings":[%q]}`,
		id, number%60, pick(rng, "in_progress", "completed", "failed"), id))}
}

// versionOf returns which version of a list the summary is of, or -1.
func versionOf(summary *syncjob.Summary, versions [][]record) int {
	got := scopeNames(summary)
	return slices.IndexFunc(versions, func(version []record) bool { return slices.Equal(ids(version), got) })
}

func scopeNames(summary *syncjob.Summary) []string {
	names := make([]string, 0, len(summary.Scopes))
	for i := range summary.Scopes {
		names = append(names, summary.Scopes[i].Name)
	}
	slices.Sort(names)
	return names
}

func ids(records []record) []string {
	ids := make([]string, 0, len(records))
	for _, r := range records {
		ids = append(ids, r.id)
	}
	slices.Sort(ids)
	return ids
}

// describe returns the versions of a list, each in its order.
func describe(versions [][]record) string {
	var b strings.Builder
	for i, version := range versions {
		fmt.Fprintf(&b, "  %d:", i)
		for _, r := range version {
			b.WriteString(" " + r.id)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// exposed returns the series that are written of a list, but those of which the oracle knows nothing.
func exposed(t *testing.T, exposition *collector.Exposition, read collector.ListRead) map[string]float64 {
	t.Helper()
	families, done, err := exposition.Of(&collector.Snapshot{Lists: []collector.ListRead{read}}).Gather()
	defer done()
	if err != nil {
		t.Fatal(err)
	}
	series := make(map[string]float64)
	for _, family := range families {
		switch family.GetName() {
		case "cckm_sync_scrape_duration_seconds", "cckm_sync_scrape_pages":
			continue
		}
		for _, metric := range family.GetMetric() {
			labels := make(map[string]string)
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			series[oracle.Key(family.GetName(), labels)] = metric.GetGauge().GetValue()
		}
	}
	return series
}

// expected returns the series that the oracle expects at this moment.
func expected(t *testing.T, list syncjob.List, records []json.RawMessage, forgetAfter time.Duration) map[string]float64 {
	t.Helper()
	series, err := oracle.Series(oracleList(list), records, time.Now(), forgetAfter)
	if err != nil {
		t.Fatal(err)
	}
	return series
}

func oracleList(list syncjob.List) oracle.List {
	return oracle.List{
		Cloud: list.Cloud, Item: list.Item, Kind: list.Kind, ScopeFields: list.ScopeFields, RegionPrefix: list.Cloud == "azure",
	}
}

// expectedWords returns the jobs and texts that the oracle makes of a list.
func expectedWords(t *testing.T, list syncjob.List, records []json.RawMessage) map[string]oracle.Words {
	t.Helper()
	words, err := oracle.WordsOf(oracleList(list), records)
	if err != nil {
		t.Fatal(err)
	}
	return words
}

// wordsOf returns the jobs and texts that a summary has.
func wordsOf(summary *syncjob.Summary) map[string]oracle.Words {
	all := make(map[string]oracle.Words)
	for _, s := range summary.Scopes {
		words := oracle.Words{
			Newest: oracle.Word{ID: s.Newest.ID, Text: s.Newest.Text},
			Oldest: oracle.Word{ID: s.OldestInProgressID, Text: s.OldestInProgressText},
		}
		if s.Last != nil {
			words.Last = oracle.Word{ID: s.Last.ID, Text: s.Last.Text}
		}
		all[s.Name] = words
	}
	return all
}

// difference returns how two expositions differ, and nothing where they do not. A float64 of a time of
// today holds no more than a quarter of a microsecond.
func difference(want, got map[string]float64) string {
	same := func(key string, value float64) bool {
		other, ok := want[key]
		mine, also := got[key]
		return ok && also && math.Abs(other-mine) < 1e-6 && !math.IsNaN(value)
	}
	want, got = maps.Clone(want), maps.Clone(got)
	for key, value := range want {
		if same(key, value) {
			delete(want, key)
			delete(got, key)
		}
	}
	return cmp.Diff(want, got)
}
