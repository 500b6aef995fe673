package collector_test

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"cckm_sync_exporter/collector"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/sources"
	"cckm_sync_exporter/collector/syncjob"
)

// recordsOf returns the records of a path; it is a sources.Getter.
type recordsOf map[string][]string

func (r recordsOf) Get(_ context.Context, path string, _ url.Values, read func(io.Reader) error) error {
	return read(strings.NewReader(fmt.Sprintf(`{"total":%d,"resources":[%s]}`, len(r[path]), strings.Join(r[path], ","))))
}

// withSources adds schedules and an inventory of the scopes of manyScopes, and of one more.
func withSources(tb testing.TB, snapshot *scrape.Snapshot) *scrape.Snapshot {
	tb.Helper()
	records := recordsOf{}
	for i := range snapshot.Lists[0].Summary.Scopes {
		records["cckm/google/key-rings"] = append(records["cckm/google/key-rings"],
			fmt.Sprintf(`{"id":"%d","name":%q,"createdAt":"2025-01-01T00:%02d:00Z"}`, i, snapshot.Lists[0].Summary.Scopes[i].Name, i%60))
	}
	records["cckm/google/key-rings"] = append(records["cckm/google/key-rings"], `{"id":"new","name":"a new ring \" with a quote"}`)
	for i, runAt := range []string{"0 2 * * *", "*/15 * * * *", "0 3 * * 0", "0 4 1 * *", "@daily", "nonsense"} {
		records["scheduler/job-configs"] = append(records["scheduler/job-configs"], fmt.Sprintf(
			`{"id":"%d","name":"s\\%d","run_at":%q,"createdAt":"2025-01-01T00:00:00Z","job_config_params":{"cloud_name":"gcp","synchronize_all":%t,"key_rings":["%d"]}}`,
			i, i%4, runAt, i < 2, i))
	}
	r := sources.New(records, sources.Options{Schedules: true, Inventory: true, Lists: []syncjob.List{snapshot.Lists[0].List}, PageSize: 1000})
	<-r.Start()
	r.Close()
	snapshot.Sources = r.State()
	for _, s := range snapshot.Sources.Sources {
		if s.Err != nil {
			tb.Fatal(s.Err)
		}
	}
	return snapshot
}

// TestExpositionOfSources checks that the series of schedules and inventories are valid, unique and in
// order: client_golang's own checks and order must not change them.
func TestExpositionOfSources(t *testing.T) {
	t.Parallel()
	// The clock stands still, so that ages are equal.
	synctest.Test(t, func(t *testing.T) {
		exposition := &collector.Exposition{}
		snapshot := withSources(t, manyScopes(7))
		checked := prometheus.Gatherers{prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
			families, _, err := exposition.Of(snapshot).Gather()
			return families, err
		})}
		for _, format := range formats() {
			want, got := answers(t, prometheus.ToTransactionalGatherer(checked), format), answers(t, exposition.Of(snapshot), format)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", format.name, diff)
			}
		}
	})
}

// TestRegisteredScopesAreNotForgotten checks that only scopes that the inventory does not know are omitted by their
// age.
func TestRegisteredScopesAreNotForgotten(t *testing.T) {
	t.Parallel()
	const name = `keyRings/ring-00000",status="completed"} 120`
	exposition := &collector.Exposition{ForgetScopesAfter: time.Nanosecond}
	snapshot := manyScopes(2)
	if body := answers(t, exposition.Of(snapshot), formats()[0]); strings.Contains(body, name) {
		t.Errorf("without an inventory, an old scope is kept:\n%s", body)
	}
	summary := withSources(t, snapshot).Lists[0].Summary
	summary.Scopes = append(summary.Scopes, syncjob.Scope{Name: "removed", Newest: syncjob.ScopeJob{ID: "1", CreatedAt: time.Now().Add(-time.Hour)}})
	if body := answers(t, exposition.Of(snapshot), formats()[0]); strings.Count(body, name) != 1 || strings.Contains(body, `"removed"`) {
		t.Errorf("want the registered scopes only:\n%s", body)
	}
}

// TestPanicOfSources checks that a state that cannot be written affects no series of a list.
func TestPanicOfSources(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		snapshot := manyScopes(3)
		want := answers(t, new(collector.Exposition).Of(snapshot), formats()[0])
		snapshot.Sources = new(sources.State)
		if diff := cmp.Diff(want, answers(t, new(collector.Exposition).Of(snapshot), formats()[0])); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// BenchmarkExpositionOfSources exports a list with and without schedules and an inventory.
//
//	go test ./collector -run '^$' -bench ExpositionOfSources -benchtime 1s
func BenchmarkExpositionOfSources(b *testing.B) {
	for _, scopes := range []int{10, 1000, 5000} {
		for name, snapshot := range map[string]*scrape.Snapshot{"off": manyScopes(scopes), "on": withSources(b, manyScopes(scopes))} {
			b.Run(fmt.Sprintf("scopes=%d/sources=%s", scopes, name), func(b *testing.B) {
				exposition := &collector.Exposition{}
				measureScrape(b, formats()[0].accept, func() prometheus.TransactionalGatherer { return exposition.Of(snapshot) })
			})
		}
	}
}
