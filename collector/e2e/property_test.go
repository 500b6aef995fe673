package e2e_test

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
	"go.uber.org/goleak"

	"cckm_sync_exporter/collector"
	"cckm_sync_exporter/collector/e2e/oracle"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

// A failed test logs the flags that repeat it. If several pages are in flight, their order depends on the
// scheduler, so that it may take more than one run.
var (
	propertySeed = flag.Uint64("property.seed", 0, "seed of the property tests; 0 chooses one") //nolint:gochecknoglobals // A test's flag has no other place.
	propertyCase = flag.Int("property.case", -1, "the only case to run of each property")       //nolint:gochecknoglobals // A test's flag has no other place.
)

// forEachCase runs a property on random cases, in a bubble whose clock stands still.
func forEachCase(t *testing.T, cases int, property func(t *testing.T, rng *rand.Rand)) {
	t.Helper()
	const shards = 2
	seed := *propertySeed
	if seed == 0 {
		seed = rand.Uint64() //nolint:gosec // A case has to be repeatable.
	}
	if !livetest.Everything() {
		cases /= 4
	}
	cases = max(cases, *propertyCase+1)
	for shard := range shards {
		t.Run(strconv.Itoa(shard), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				leave2000()
				number := shard
				t.Cleanup(func() {
					if t.Failed() {
						t.Logf("repeat it with -property.seed=%d -property.case=%d", seed, number)
					}
				})
				for ; number < cases && !t.Failed(); number += shards {
					if *propertyCase < 0 || *propertyCase == number {
						property(t, rand.New(rand.NewPCG(seed, uint64(number)))) //nolint:gosec // A case has to be repeatable.
					}
				}
			})
		})
	}
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// advance moves the clock of a synctest bubble.
func advance(by time.Duration) {
	time.Sleep(by) //nolint:forbidigo // It moves the bubble's clock and takes no time.
}

// leave2000 moves a bubble's clock from the start of 2000, before which times count as missing, to about 2022.
func leave2000() {
	if time.Now().Year() <= 2000 {
		advance(22 * 365 * 24 * time.Hour)
	}
}

// TestReadEqualsOracle compares the exposition of a list with what the oracle computes from the complete
// list, for any order, pages and jobs, and again when the same reader reads the list after it has changed.
func TestReadEqualsOracle(t *testing.T) {
	t.Parallel()
	forEachCase(t, 2000, func(t *testing.T, rng *rand.Rand) {
		t.Helper()
		list := pick(rng, syncjob.Lists()...)
		jobs := newJobMaker(rng, list, time.Now())
		options := scrape.ListOptions{
			PageSize: 1 + rng.IntN(40), Concurrency: 1 + rng.IntN(4), FullReadInterval: pick(rng, 0, time.Hour, 1000*time.Hour),
		}
		served := &pagedList{rng: rng, order: order(rng.IntN(3)), short: rng.IntN(3) == 0}
		// A page that is shorter at the second request proves nothing.
		served.cut = !served.short && rng.IntN(3) == 0
		switch rng.IntN(4) {
		case 0:
			served.clamp = 1 + rng.IntN(6)
		case 1:
			// The API's default limit is always accepted.
			served.refused = 10 + rng.IntN(10)
		}
		for range pick(rng, 0, 1, 2, rng.IntN(30), rng.IntN(30), rng.IntN(30), 30+rng.IntN(60)) {
			served.insert(jobs.next())
		}
		exposition := &collector.Exposition{ForgetScopesAfter: pick(rng, 0, 0, time.Hour, 24*time.Hour)}
		reader := scrape.NewList(list, served, options)
		defer reader.Close()
		for range 1 + rng.IntN(3) {
			served.begin()
			summary, pages, err := reader.Read(t.Context())
			if err != nil {
				t.Fatalf("%s, with %+v: %v, after %d pages", served, options, err, pages)
			}
			if diff := difference(t, exposition, list, served.records, summary); diff != "" {
				t.Fatalf("%s, with %+v: %s", served, options, diff)
			}
			// A due full read may still be running in the background.
			synctest.Wait()
			changeAtRest(served, jobs)
			// Times that were too far in the future begin to count.
			advance(pick(rng, 0, 0, time.Hour, 30*time.Hour))
		}
	})
}

// changeAtRest changes a list between two reads: jobs start, change, end and disappear.
func changeAtRest(served *pagedList, jobs *jobMaker) {
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
		// A record appears twice.
		twice := pick(served.rng, served.records...)
		twice.open = false
		for i := range served.records {
			if served.records[i].id == twice.id {
				served.records[i].open = false
			}
		}
		served.records = slices.Insert(served.records, served.rng.IntN(len(served.records)+1), twice)
	}
}

// TestChangingList checks what a read of a list contains that changes between any two pages: every job that
// was in the list during the whole read, exactly once, and no job that never was in it. No read fails, as
// long as the list does not change faster than it is read.
func TestChangingList(t *testing.T) {
	t.Parallel()
	var still, moved atomic.Int64
	t.Cleanup(func() {
		t.Logf("%d reads of lists that did not change, %d of lists that did", still.Load(), moved.Load())
		// If hardly any list changed, the test would prove nothing.
		if *propertyCase < 0 && (still.Load() < 3 || moved.Load() < still.Load()) {
			t.Error("the cases are too similar")
		}
	})
	forEachCase(t, 10_000, func(t *testing.T, rng *rand.Rand) {
		t.Helper()
		list := syncjob.Lists()[0]
		served := &pagedList{rng: rng, order: order(rng.IntN(3)), short: rng.IntN(4) == 0, cut: rng.IntN(3) == 0}
		if rng.IntN(6) == 0 {
			served.clamp = 2 + rng.IntN(3)
		}
		made := 0
		insert := func() {
			made++
			served.insert(ownScopeJob(rng, made))
		}
		jobs := 3 + rng.IntN(40)
		if rng.IntN(50) == 0 {
			jobs = 300
		}
		for range jobs {
			insert()
		}
		options := scrape.ListOptions{
			PageSize: 3 + rng.IntN(8), Concurrency: 1 + rng.IntN(4), FullReadInterval: pick(rng, 0, time.Hour),
		}
		inserts, removes := rng.IntN(4) > 0, rng.IntN(4) > 0
		served.between = changes(rng, served, insert, inserts, removes)
		if jobs == 300 {
			// The list gets a job at every third page.
			pages := 0
			served.between = func() {
				pages++
				if pages%3 == 0 {
					insert()
					served.remember()
				}
			}
		}
		served.begin()
		reader := scrape.NewList(list, served, options)
		defer reader.Close()
		summary, pages, err := reader.Read(t.Context())
		if err != nil {
			t.Fatalf("%s, with %+v, %d pages: %v\nits versions were\n%s", served, options, pages, err, describe(served.versions))
		}
		if most := 3*len(served.versions[0]) + 50; pages > most {
			t.Errorf("%d pages, want no more than %d", pages, most)
		}
		if problem := contentProblem(summary, served.versions); problem != "" {
			t.Fatalf("%s, with %+v: %s: the read got\n  %q\nof\n%s", served, options, problem, scopeNames(summary), describe(served.versions))
		}
		if len(served.versions) == 1 {
			still.Add(1)
			return
		}
		moved.Add(1)
	})
}

// contentProblem returns what is wrong with a read of a list that had these versions during the read. Each
// job has its own scope.
func contentProblem(summary *syncjob.Summary, versions [][]record) string {
	seen, always := map[string]bool{}, map[string]int{}
	for _, version := range versions {
		for _, r := range version {
			seen[r.id] = true
			always[r.id]++
		}
	}
	read := map[string]bool{}
	for i := range summary.Scopes {
		scope := &summary.Scopes[i]
		read[scope.Name] = true
		jobs := 0
		for _, n := range scope.Jobs {
			jobs += n
		}
		switch {
		case jobs != 1:
			return fmt.Sprintf("%s is counted %d times", scope.Name, jobs)
		case !seen[scope.Name]:
			return scope.Name + " never was in the list"
		}
	}
	for id, n := range always {
		if n == len(versions) && !read[id] {
			return id + " was in the list all the time and is missing"
		}
	}
	jobs := 0
	for _, n := range summary.Jobs {
		jobs += n
	}
	if jobs != len(summary.Scopes) {
		return fmt.Sprintf("%d jobs of %d scopes", jobs, len(summary.Scopes))
	}
	return ""
}

// changes returns a function that changes a list between two pages: jobs start, are deleted anywhere, and
// finish.
func changes(rng *rand.Rand, served *pagedList, insert func(), inserts, removes bool) func() {
	oneIn, left := 1+rng.IntN(8), 1+rng.IntN(12)
	return func() {
		if left == 0 || rng.IntN(oneIn) != 0 {
			return
		}
		left--
		for range rng.IntN(3) {
			if inserts {
				insert()
			}
		}
		for range rng.IntN(3) {
			if removes {
				served.remove()
			}
		}
		for i, r := range served.records {
			if rng.IntN(5) == 0 {
				served.records = slices.Clone(served.records)
				served.records[i].raw = json.RawMessage(strings.Replace(string(r.raw), `"in_progress"`, `"completed"`, 1))
			}
		}
		served.remember()
	}
}

// ownScopeJob returns a job with its own scope, so that the exposition shows which jobs were read.
func ownScopeJob(rng *rand.Rand, number int) record {
	id := fmt.Sprintf("%04x-%03d", rng.IntN(1<<16), number)
	return record{id: id, raw: json.RawMessage(fmt.Sprintf(
		`{"id":%q,"createdAt":"2021-12-26T00:%02d:00.000001Z","updatedAt":"2021-12-26T01:00:00Z","overall_status":%q,"key_rings":[%q]}`,
		id, number%60, pick(rng, "in_progress", "completed", "failed"), id))}
}

func scopeNames(summary *syncjob.Summary) []string {
	names := make([]string, 0, len(summary.Scopes))
	for i := range summary.Scopes {
		names = append(names, summary.Scopes[i].Name)
	}
	slices.Sort(names)
	return names
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

// difference returns how the exposition and the texts of a list differ from what the oracle computes from its
// records, or "".
func difference(t *testing.T, exposition *collector.Exposition, list syncjob.List, records []record, summary *syncjob.Summary) string {
	t.Helper()
	series, texts, err := oracle.Compute(oracleList(list), raws(records), time.Now(), exposition.ForgetScopesAfter)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]oracle.Texts)
	for i := range summary.Scopes {
		s := &summary.Scopes[i]
		of := oracle.Texts{
			Newest: oracle.Text{ID: s.Newest.ID, Text: s.Newest.Text},
			Oldest: oracle.Text{ID: s.OldestInProgressID, Text: s.OldestInProgressText},
		}
		if s.Last != nil {
			of.Last = oracle.Text{ID: s.Last.ID, Text: s.Last.Text}
		}
		for _, r := range s.Results {
			at := &r.FinishedAt
			if at.IsZero() {
				at = nil
			}
			of.Results += oracle.Result(r.ID, r.Status.String(), at)
		}
		got[s.Name] = of
	}
	exposed := exposed(t, exposition, list, summary)
	// A float64 holds a current time to within a quarter of a microsecond.
	near := func(a, b float64) bool { return math.Abs(a-b) < 1e-6 }
	if maps.EqualFunc(series, exposed, near) && maps.Equal(texts, got) {
		return ""
	}
	return fmt.Sprintf("(-want +got)\n%s\n%s\nof %s", cmp.Diff(series, exposed, cmp.Comparer(near)), cmp.Diff(texts, got), raws(records))
}

// exposed returns the series of a list, except those that the oracle does not compute.
func exposed(t *testing.T, exposition *collector.Exposition, list syncjob.List, summary *syncjob.Summary) map[string]float64 {
	t.Helper()
	families, done, err := exposition.Of(&scrape.Snapshot{Lists: []scrape.ListRead{{List: list, Summary: summary}}}).Gather()
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

func oracleList(list syncjob.List) oracle.List {
	return oracle.List{
		Cloud: list.Cloud, Item: list.Item, Kind: list.Kind, ScopeFields: list.ScopeFields, RegionPrefix: list.Cloud == "azure",
	}
}
