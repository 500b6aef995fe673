package collector_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"cckm_sync_exporter/collector"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// format is an exposition format, and how a scraper asks for it.
type format struct{ name, accept string }

func formats() []format {
	return []format{
		{"text", "text/plain;version=0.0.4"},
		{"openmetrics", "application/openmetrics-text;version=1.0.0"},
		{"protobuf", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"},
	}
}

// answer handles a scrape with promhttp as the exporter does, and returns the status.
func answer(tb testing.TB, gatherer prometheus.TransactionalGatherer, accept string, body io.Writer) int {
	tb.Helper()
	request := httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "/metrics", http.NoBody)
	request.Header.Set("Accept", accept)
	w := &response{header: http.Header{}, body: body, status: http.StatusOK}
	promhttp.HandlerForTransactional(gatherer, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, EnableOpenMetrics: true,
	}).ServeHTTP(w, request)
	return w.status
}

// response is an http.ResponseWriter that passes the body on.
type response struct {
	header http.Header
	body   io.Writer
	status int
}

func (r *response) Header() http.Header            { return r.header }
func (r *response) Write(text []byte) (int, error) { return r.body.Write(text) }
func (r *response) WriteHeader(status int)         { r.status = status }

// TestExpositionEqualsConstMetrics checks that every format has exactly the bytes that const metrics
// through a registry would have, for random snapshots.
func TestExpositionEqualsConstMetrics(t *testing.T) {
	t.Parallel()
	forEachCase(t, 500, func(t *testing.T, rng *rand.Rand) {
		t.Helper()
		exposition := &collector.Exposition{ForgetScopesAfter: pick(rng, 0, time.Minute, time.Hour)}
		// Later scrapes reuse the memory of the first.
		for range 3 {
			snapshot, format := randomSnapshot(rng), pick(rng, formats()...)
			want, got := answers(t, newConstMetrics(snapshot, exposition.ForgetScopesAfter).gatherer(), format), answers(t, exposition.Of(snapshot), format)
			if want != got {
				t.Fatalf("%s: (-want +got)\n%s", format.name, cmp.Diff(want, got))
			}
		}
	})
}

// TestForgetByThisHostsClock checks that an appliance whose clock is a year ahead loses no scope.
func TestForgetByThisHostsClock(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	scope := func(name string, age time.Duration) syncjob.Scope {
		return syncjob.Scope{Name: name, Newest: syncjob.ScopeJob{ID: name, CreatedAt: time.Now().Add(-age)}}
	}
	summary := &syncjob.Summary{Scopes: []syncjob.Scope{scope("old", 91*day), scope("recent", 89*day)}}
	exposition := &collector.Exposition{ForgetScopesAfter: 90 * day, ClockOffset: func() time.Duration { return 365 * day }}
	body := answers(t, exposition.Of(&scrape.Snapshot{Lists: []scrape.ListRead{{List: syncjob.Lists()[0], Summary: summary}}}), formats()[0])
	if !strings.Contains(body, `"recent"`) || strings.Contains(body, `"old"`) {
		t.Errorf("want only the scope whose newest job is less than 90 days old:\n%s", body)
	}
}

// answers returns the body of an answer.
func answers(t *testing.T, gatherer prometheus.TransactionalGatherer, format format) string {
	t.Helper()
	var body strings.Builder
	if code := answer(t, gatherer, format.accept, &body); code != http.StatusOK {
		t.Errorf("%s: status %d", format.name, code)
	}
	return body.String()
}

// randomSnapshot returns a snapshot of some lists.
func randomSnapshot(rng *rand.Rand) *scrape.Snapshot {
	snapshot := &scrape.Snapshot{}
	lists := syncjob.Lists()
	rng.Shuffle(len(lists), func(i, j int) { lists[i], lists[j] = lists[j], lists[i] })
	for _, list := range lists[:1+rng.IntN(len(lists))] {
		read := scrape.ListRead{List: list, Took: time.Duration(rng.Int64N(int64(time.Minute))), Pages: rng.IntN(100)}
		if rng.IntN(4) == 0 {
			read.Err = reason.New(pick(rng, reason.All()...), errors.New("it went wrong"), "")
			if rng.IntN(4) == 0 {
				read.Err = errors.New("without a reason")
			}
		} else {
			read.Summary = &syncjob.Summary{Jobs: randomCounts(rng)}
			taken := map[string]bool{}
			for i := range rng.IntN(12) {
				if name := randomName(rng, i) + pick(rng, "", "", "\r\n\t ", `\"`, "\x00", "€𝄞", "\u2028", "\ufffd"); !taken[name] {
					taken[name] = true
					read.Summary.Scopes = append(read.Summary.Scopes, randomScope(rng, name))
				}
			}
			slices.SortFunc(read.Summary.Scopes, func(a, b syncjob.Scope) int { return strings.Compare(a.Name, b.Name) })
		}
		snapshot.Lists = append(snapshot.Lists, read)
	}
	return snapshot
}

// randomName returns an identifier, mostly of the forms that the clouds use.
func randomName(rng *rand.Rand, i int) string {
	return pick(rng, "projects/p/locations/global/keyRings/ring-", "vault::260ecbe7-777b-4d3c-84ea-88762049886", "123456789012/us-east-",
		"ocid1.vault.oc1.iad.b.", `back\slash "quoted"`, "two\nlines", "ключ", "a/b/", "::") + strconv.Itoa(i)
}

func randomScope(rng *rand.Rand, name string) syncjob.Scope {
	at := func() time.Time {
		if rng.IntN(6) == 0 {
			return time.Time{}
		}
		// Some are in the future, and most are not whole microseconds.
		return time.Now().Add(time.Duration(rng.Int64N(int64(2*time.Hour))) - 110*time.Minute)
	}
	statuses := syncjob.Statuses()
	scope := syncjob.Scope{
		Name: name, Jobs: randomCounts(rng), OldestInProgress: at(), LastSuccess: at(), LastFailure: at(),
		Newest: syncjob.ScopeJob{ID: "1", Status: pick(rng, statuses[:]...), CreatedAt: at()},
	}
	if rng.IntN(3) > 0 {
		scope.Last = &syncjob.ScopeJob{ID: "1", Status: pick(rng, syncjob.Results()...), CreatedAt: at(), FinishedAt: at()}
	}
	return scope
}

func randomCounts(rng *rand.Rand) (counts [syncjob.NumStatuses]int) {
	for i := range counts {
		counts[i] = pick(rng, 0, 1, rng.IntN(1_000_000))
	}
	return counts
}

// TestAges checks that ages are those of the scrape, not of the snapshot.
func TestAges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		snapshot := &scrape.Snapshot{Lists: []scrape.ListRead{{
			List: syncjob.Lists()[0],
			Summary: &syncjob.Summary{Scopes: []syncjob.Scope{{
				Name: "ring", Jobs: [syncjob.NumStatuses]int{syncjob.InProgress: 1},
				Newest:           syncjob.ScopeJob{ID: "2", CreatedAt: time.Now().Add(-time.Minute)},
				OldestInProgress: time.Now().Add(-time.Hour),
			}}},
		}}}
		gatherer := (&collector.Exposition{}).Of(snapshot)
		for _, passed := range []float64{0, 15, 30} {
			got := gauges(t, gatherer)
			for series, want := range map[string]float64{
				"cckm_sync_scope_job_age_seconds":                60 + passed,
				"cckm_sync_scope_in_progress_age_seconds":        3600 + passed,
				"cckm_sync_scope_last_job_timestamp_seconds":     got["cckm_sync_scope_last_job_timestamp_seconds"],
				"cckm_sync_scope_last_success_timestamp_seconds": 0,
			} {
				if got[series] != want {
					t.Errorf("after %v s, %s is %v, want %v", passed, series, got[series], want)
				}
			}
			advance(15 * time.Second)
		}
	})
}

// gauges returns the values of the families with exactly one series.
func gauges(t *testing.T, gatherer prometheus.TransactionalGatherer) map[string]float64 {
	t.Helper()
	families, done, err := gatherer.Gather()
	defer done()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		if len(family.GetMetric()) == 1 {
			values[family.GetName()] = family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return values
}

// TestScrapesAtOnce checks that concurrent scrapes of the same and of other snapshots do not share
// memory.
func TestScrapesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		exposition := &collector.Exposition{}
		var wait sync.WaitGroup
		for i := range 12 {
			snapshot, format := randomSnapshot(rand.New(rand.NewPCG(1, uint64(i/3)))), formats()[i%3] //nolint:gosec // The same at each run.
			want := answers(t, newConstMetrics(snapshot, 0).gatherer(), format)
			wait.Go(func() {
				for range 20 {
					if got := answers(t, exposition.Of(snapshot), format); got != want {
						t.Errorf("%s: (-want +got)\n%s", format.name, cmp.Diff(want, got))
					}
				}
			})
		}
		wait.Wait()
	})
}

// TestDone checks that gathered families do not change before their own done is called, even if
// another's is called twice.
func TestDone(t *testing.T) {
	t.Parallel()
	exposition := &collector.Exposition{}
	gather := func(scopes int) ([]*dto.MetricFamily, func()) {
		families, done, err := exposition.Of(manyScopes(scopes)).Gather()
		if err != nil {
			t.Fatal(err)
		}
		return families, done
	}
	_, done := gather(5)
	done()
	done()
	_, doneOne := gather(3)
	two, doneTwo := gather(4)
	before := fmt.Sprint(two)
	doneOne()
	three, doneThree := gather(5)
	if after := fmt.Sprint(two); after != before {
		t.Errorf("what was gathered changed: (-before +after)\n%s", cmp.Diff(before, after))
	}
	if fmt.Sprint(three) == before {
		t.Error("what was gathered next is the same")
	}
	doneTwo()
	doneThree()
}

// TestJoined checks which families and errors of each gatherer are kept.
func TestJoined(t *testing.T) {
	t.Parallel()
	open := 0
	gatherer := func(err error, names ...string) prometheus.TransactionalGatherer {
		return gathererFunc(func() (families []*dto.MetricFamily, _ func(), _ error) {
			open++
			for _, name := range names {
				families = append(families, &dto.MetricFamily{Name: &name})
			}
			return families, func() { open-- }, err
		})
	}
	broken := errors.New("a collector is broken")
	families, done, err := collector.Joined{gatherer(nil, "b", "d"), gatherer(broken, "a", "b", "c")}.Gather()
	names := make([]string, 0, len(families))
	for _, family := range families {
		names = append(names, family.GetName())
	}
	if got := strings.Join(names, ""); got != "abcd" {
		t.Errorf("got the families %s, want a to d by name", got)
	}
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "metric b was gathered twice") {
		t.Errorf("got the error %v", err)
	}
	if open != 2 {
		t.Errorf("%d gatherers are in use before done, want 2", open)
	}
	done()
	if open != 0 {
		t.Errorf("%d gatherers are in use after done", open)
	}
	if _, _, err := (collector.Joined{gatherer(nil, "a"), gatherer(nil)}).Gather(); err != nil {
		t.Errorf("got the error %v although everything succeeded", err)
	}
}

// gathererFunc is a prometheus.TransactionalGatherer.
type gathererFunc func() ([]*dto.MetricFamily, func(), error)

func (f gathererFunc) Gather() ([]*dto.MetricFamily, func(), error) { return f() }

// TestExpositionPanic checks that a summary that cannot be written fails its own list only.
func TestExpositionPanic(t *testing.T) {
	lists := syncjob.Lists()
	snapshot := &scrape.Snapshot{Lists: []scrape.ListRead{{List: lists[0], Summary: new(syncjob.Summary)}, {List: lists[1]}}}
	got := answers(t, new(collector.Exposition).Of(snapshot), formats()[0])
	for _, want := range []string{
		`cckm_sync_up{cloud="google",item="key"} 1`,
		`cckm_sync_scrape_error{cloud="azure",item="certificate",reason="other"} 1`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("want %s in\n%s", want, got)
		}
	}
}

// forEachCase runs a property on random cases, with a clock that stands still. A failure logs the
// seed of its case.
func forEachCase(t *testing.T, cases int, property func(t *testing.T, rng *rand.Rand)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		seed := rand.Uint64()                        //nolint:gosec // Cases have to come again with their seed.
		for number := range uint64(cases / rarity) { //nolint:gosec // It is small.
			property(t, rand.New(rand.NewPCG(seed, number))) //nolint:gosec // Cases have to come again with their seed.
			if t.Failed() {
				t.Fatalf("case %d of seed %d", number, seed)
			}
		}
	})
}

// pick returns one of several values.
func pick[T any](rng *rand.Rand, values ...T) T { return values[rng.IntN(len(values))] }

// advance moves the clock of a synctest bubble.
func advance(by time.Duration) {
	time.Sleep(by) //nolint:forbidigo // It moves the clock of the test, and takes no time.
}
