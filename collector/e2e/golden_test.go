package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"

	"cckm_sync_exporter/collector"
	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/collector/syncjob"
)

// update rewrites the golden files: go test ./collector/e2e -run TestGolden -update.
var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// goldenTime is when the golden expositions are collected.
func goldenTime() time.Time {
	return time.Date(2026, time.November, 21, 12, 0, 0, 0, time.UTC)
}

func TestGolden(t *testing.T) {
	const google, azure = "cckm/google/synchronization-jobs", "cckm/azure/certificates/synchronization-jobs"
	tests := []struct {
		name string
		// arrange prepares the appliance.
		arrange func(*simulator.Appliance)
	}{
		{
			// The example responses of the API's own documents.
			name: "documents",
			arrange: func(a *simulator.Appliance) {
				a.SetFixture(google, simulator.GoogleKeysExample())
				a.SetFixture(azure, simulator.AzureCertificatesExample())
			},
		},
		{
			// Vaults that fail alone, jobs that were aborted, hang, or have a
			// status that nobody knows, and times that cannot be read.
			name: "troubles",
			arrange: func(a *simulator.Appliance) {
				a.SetFixture(google, readFile(t, "troubles_google.json"))
				a.SetFixture(azure, readFile(t, "troubles_azure.json"))
			},
		},
		{
			// One list that the appliance does not have leaves the other whole.
			name: "list_missing",
			arrange: func(a *simulator.Appliance) {
				a.Unregister(simulator.AzureCertificates)
				a.SetFixture(google, simulator.GoogleKeysExample())
			},
		},
		{name: "empty", arrange: func(*simulator.Appliance) {}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			appliance := simulator.New(simulator.Options{})
			test.arrange(appliance)
			snapshot := readAppliance(t, appliance, defaultLists()...)
			wantGolden(t, test.name, snapshot)
		})
	}
}

// TestGoldenLists reads the example of each list, and holds what is exposed of it
// against its golden file and against the oracle.
func TestGoldenLists(t *testing.T) {
	for _, list := range syncjob.Lists() {
		t.Run(list.Name, func(t *testing.T) {
			appliance := simulator.New(simulator.Options{Kinds: simulator.AllKinds()})
			kind, _ := simulator.KindNamed(list.Name)
			example, ok := simulator.Example(list.Name)
			if !ok {
				t.Fatal("the list has no example in collector/simulator/fixtures")
			}
			appliance.SetFixture(kind.Path, example)
			snapshot := readAppliance(t, appliance, list)
			if err := snapshot.Lists[0].Err; err != nil {
				t.Fatal(err)
			}
			wantGolden(t, list.Name, snapshot)

			var page struct {
				Resources []json.RawMessage `json:"resources"`
			}
			if err := json.Unmarshal(example, &page); err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				advance(time.Until(goldenTime()))
				got := exposed(t, &collector.Exposition{}, snapshot.Lists[0])
				if diff := difference(expected(t, list, page.Resources, 0), got); diff != "" {
					t.Errorf("the exposition differs from the oracle's (-want +got):\n%s", diff)
				}
				wantEveryField(t, list, page.Resources, got)
			})
		})
	}
}

// wantEveryField holds that an example says something by each of the list's scope
// fields that detailed_status does not say as well, so that a field which is not
// read shows. The documentation's own examples, of the default lists, do not.
func wantEveryField(t *testing.T, list syncjob.List, records []json.RawMessage, got map[string]float64) {
	t.Helper()
	for _, field := range list.ScopeFields {
		without := list
		without.ScopeFields = slices.DeleteFunc(slices.Clone(list.ScopeFields), func(name string) bool { return name == field })
		if !list.Default && difference(expected(t, without, records, 0), got) == "" {
			t.Errorf("the example says nothing by %s", field)
		}
	}
}

// TestListsAgree holds the two tables of lists against each other: the
// exporter's, and the simulation's, which is written down apart from it.
func TestListsAgree(t *testing.T) {
	kinds := make(map[string]simulator.Kind)
	for _, kind := range simulator.AllKinds() {
		kinds[kind.Name] = kind
	}
	for _, list := range syncjob.Lists() {
		kind, ok := kinds[list.Name]
		if !ok {
			t.Errorf("the simulation has no list %s", list.Name)
			continue
		}
		delete(kinds, list.Name)
		if kind.Path != list.Path {
			t.Errorf("%s: the path is %s, and the simulation's %s", list.Name, list.Path, kind.Path)
		}
		fields := []string{kind.ScopeField}
		if kind.StartField != "" {
			fields = append(fields, kind.StartField)
		}
		if diff := cmp.Diff(fields, list.ScopeFields); diff != "" {
			t.Errorf("%s: the scope fields (-simulation +exporter):\n%s", list.Name, diff)
		}
		if prefixed := kind.Detail == simulator.DetailRegionScope; prefixed != list.RegionPrefixed {
			t.Errorf("%s: region prefixed %t, in the simulation %t", list.Name, list.RegionPrefixed, prefixed)
		}
	}
	for name := range kinds {
		t.Errorf("the exporter has no list %s", name)
	}
}

// wantGolden holds what is exposed of a snapshot against a golden file.
func wantGolden(t *testing.T, name string, snapshot *scrape.Snapshot) {
	t.Helper()
	for i := range snapshot.Lists {
		// How long a read took is another number in every run.
		snapshot.Lists[i].Took = 250 * time.Millisecond
	}
	got := expose(t, &collector.Exposition{}, snapshot, goldenTime())
	path := filepath.Join("testdata", name+".prom")
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(readFile(t, name+".prom")), string(got)); diff != "" {
		t.Errorf("the exposition differs from %s (-want +got):\n%s", path, diff)
	}
	problems, err := promlint.New(bytes.NewReader(got)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Errorf("promlint: %s: %s", problem.Metric, problem.Text)
	}
}

// TestForgetScopes holds the one setting of the exposition: a scope is left out
// when its newest job is older, and counts on in the list.
func TestForgetScopes(t *testing.T) {
	snapshot := &scrape.Snapshot{Lists: []scrape.ListRead{{
		List: syncjob.Lists()[0],
		Summary: &syncjob.Summary{
			Jobs: [syncjob.NumStatuses]int{syncjob.Completed: 2},
			Scopes: []syncjob.Scope{
				{Name: "gone", Newest: syncjob.Newest{ID: "1", CreatedAt: goldenTime().Add(-time.Hour - time.Second)}},
				{Name: "kept", Newest: syncjob.Newest{ID: "2", CreatedAt: goldenTime().Add(-time.Hour)}},
				{Name: "timeless", Newest: syncjob.Newest{ID: "3"}},
			},
		},
	}}}
	for forget, want := range map[time.Duration]map[string]bool{
		0:         {"gone": true, "kept": true, "timeless": true},
		time.Hour: {"gone": false, "kept": true, "timeless": true},
	} {
		got := string(expose(t, &collector.Exposition{ForgetScopesAfter: forget}, snapshot, goldenTime()))
		for scope, present := range want {
			if strings.Contains(got, `scope="`+scope+`"`) != present {
				t.Errorf("with %s, scope %s present: want %v in\n%s", forget, scope, present, got)
			}
		}
		if !strings.Contains(got, `cckm_sync_jobs{cloud="google",item="key",status="completed"} 2`) {
			t.Errorf("with %s, the list's own count is not 2 in\n%s", forget, got)
		}
	}
}

// defaultLists returns the lists that are read unless they are turned off.
func defaultLists() []syncjob.List {
	return slices.DeleteFunc(syncjob.Lists(), func(list syncjob.List) bool { return !list.Default })
}

// connect starts a simulated appliance, and returns a client of it over real TLS.
func connect(t *testing.T, appliance *simulator.Appliance) *ciphertrust.Client {
	t.Helper()
	server, err := appliance.StartTLS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	client, err := ciphertrust.New(ciphertrust.Config{
		URL:         server.URL,
		Credentials: ciphertrust.Credentials{Username: simulator.DefaultUsername, Password: simulator.DefaultPassword},
		TLS:         ciphertrust.TLSConfig{CA: string(server.CAPEM)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return client
}

// readAppliance reads lists of a simulated appliance over real TLS.
func readAppliance(t *testing.T, appliance *simulator.Appliance, lists ...syncjob.List) *scrape.Snapshot {
	t.Helper()
	client := connect(t, appliance)
	sources := make([]scrape.Source, 0, len(lists))
	for _, list := range lists {
		sources = append(sources, scrape.Source{
			List: list, Reader: scrape.NewList(list, client, scrape.ListOptions{PageSize: 1000, Concurrency: 4}),
		})
	}
	c := scrape.New(sources, scrape.Options{Timeout: time.Minute})
	t.Cleanup(c.Close)
	return c.Read(t.Context())
}

// expose returns the text exposition of a snapshot as it is at the given time.
func expose(t *testing.T, exposition *collector.Exposition, snapshot *scrape.Snapshot, at time.Time) []byte {
	t.Helper()
	var text bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		advance(time.Until(at))
		families, done, err := exposition.Of(snapshot).Gather()
		defer done()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
				t.Fatal(err)
			}
		}
	})
	return text.Bytes()
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}
