package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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
	"cckm_sync_exporter/collector/sources"
	"cckm_sync_exporter/collector/syncjob"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

// update rewrites the golden files: go test ./collector/e2e -run TestGolden -update.
var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// goldenTime is when the golden expositions are collected.
func goldenTime() time.Time {
	return time.Date(2026, time.November, 21, 12, 0, 0, 0, time.UTC)
}

func TestGolden(t *testing.T) {
	const google, azure = "cckm/google/synchronization-jobs", "cckm/azure/certificates/synchronization-jobs"
	for name, arrange := range map[string]func(*simulator.Appliance){
		// The example responses of the API's own documents.
		"documents": func(a *simulator.Appliance) {
			a.SetFixture(google, simulator.GoogleKeysExample())
			a.SetFixture(azure, simulator.AzureCertificatesExample())
		},
		// Jobs in which a single vault fails, that were aborted, that hang or have an unknown status, and
		// times that cannot be parsed.
		"troubles": func(a *simulator.Appliance) {
			a.SetFixture(google, readFile(t, "troubles_google.json"))
			a.SetFixture(azure, readFile(t, "troubles_azure.json"))
		},
		// A list that the appliance does not have does not affect the other.
		"list_missing": func(a *simulator.Appliance) {
			a.Unregister(simulator.AzureCertificates)
			a.SetFixture(google, simulator.GoogleKeysExample())
		},
		"empty": func(*simulator.Appliance) {},
	} {
		t.Run(name, func(t *testing.T) {
			appliance := simulator.New(simulator.Options{})
			arrange(appliance)
			defaults := slices.DeleteFunc(syncjob.Lists(), func(list syncjob.List) bool { return !list.Default })
			wantGolden(t, name, readAppliance(t, appliance, defaults...))
		})
	}
}

// TestGoldenLists reads the example of each list, and compares the exposition with its golden file and
// with the oracle.
func TestGoldenLists(t *testing.T) {
	if simulated, lists := len(simulator.AllKinds()), len(syncjob.Lists()); simulated != lists {
		t.Errorf("the simulator has %d lists and the exporter %d", simulated, lists)
	}
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
				records := make([]record, 0, len(page.Resources))
				for _, raw := range page.Resources {
					records = append(records, record{raw: raw})
				}
				summary := snapshot.Lists[0].Summary
				if diff := difference(t, &collector.Exposition{}, list, records, summary); diff != "" {
					t.Error(diff)
				}
				// A field that is not read must change the exposition. The examples of the default lists are the
				// documentation's, in which detailed_status has all scopes.
				for i := range list.ScopeFields {
					without := list
					without.ScopeFields = slices.Delete(slices.Clone(list.ScopeFields), i, i+1)
					if !list.Default && difference(t, &collector.Exposition{}, without, records, summary) == "" {
						t.Errorf("the example has the same series without %s", list.ScopeFields[i])
					}
				}
			})
		})
	}
}

// TestGoldenSources has schedules and inventories of the two default lists.
func TestGoldenSources(t *testing.T) {
	const vault, uuid = "v::260ecbe7-777b-4d3c-84ea-887620498867", "0b90e9b2-8f14-4f6a-b1d7-60a95e3c2718"
	created := goldenTime().Add(-30 * 24 * time.Hour)
	google, azure, sfdc := simulator.AllKinds()[0], simulator.AllKinds()[1], simulator.AllKinds()[8]
	kinds := []simulator.Kind{google, azure, sfdc}
	appliance := simulator.New(simulator.Options{Kinds: kinds, Clock: goldenTime})
	for i, scope := range []string{"projects/p/locations/global/keyRings/nightly", "projects/p/locations/global/keyRings/removed", vault, uuid} {
		at := goldenTime().Add(-time.Duration(10+i) * time.Hour)
		j := simulator.Job{CreatedAt: at, UpdatedAt: at, Scopes: []string{scope}, OverallStatus: simulator.StatusCompleted, CompletedAt: at.Add(time.Minute)}
		appliance.List(kinds[max(0, i-1)].Name).Put(j)
	}
	schedules := make([]simulator.Record, 0, 6)
	for i, s := range []simulator.Schedule{
		{Name: "nightly", RunAt: "0 2 * * *", Cloud: "gcp", Field: "key_rings", Containers: []string{"projects/p/locations/global/keyRings/nightly"}},
		{Name: "nightly", RunAt: "0 3 * * 1-5", Cloud: "AzureCloud", All: true, Items: []string{"certificate"}},
		{Name: "paused", RunAt: "0 * * * *", Cloud: "gcp", All: true, Disabled: true},
		{Name: "ended", RunAt: "30 1 * * *", Cloud: "gcp", All: true, EndDate: goldenTime().Add(-24 * time.Hour)},
		{Name: "odd", RunAt: "at night", Cloud: "gcp", All: true},
		{Name: "new", RunAt: "0 2 * * *", Cloud: "sfdc", All: true, StartDate: goldenTime().Add(48 * time.Hour)},
	} {
		s.ID, s.CreatedAt, s.UpdatedAt = strconv.Itoa(i)+"0e5a1b2-8f14-4f6a-b1d7-60a95e3c2718", created, created
		schedules = append(schedules, s.Record())
	}
	appliance.SetRecords(simulator.JobConfigsPath, schedules, simulator.ListBehaviour{})
	organization := sfdc.Container(uuid, created, created)
	organization["name"] = "Acme EU"
	for kind, records := range map[*simulator.Kind][]simulator.Record{
		&google: {google.Container("projects/p/locations/global/keyRings/nightly", created, created), google.Container("projects/p/locations/global/keyRings/fresh", created, created)},
		&azure:  {azure.Container(strings.ToUpper(vault), created, goldenTime().Add(-time.Hour))},
		&sfdc:   {organization},
	} {
		appliance.SetRecords(kind.InventoryPath(), records, simulator.ListBehaviour{})
	}
	names := []string{google.Name, azure.Name, sfdc.Name}
	lists := slices.DeleteFunc(syncjob.Lists(), func(list syncjob.List) bool { return !slices.Contains(names, list.Name) })
	wantGolden(t, "sources", readAll(t, appliance, true, lists...))
	// The scheduler is refused, and one inventory answers nonsense.
	appliance.RemoveRecords(simulator.JobConfigsPath)
	appliance.SetFixture(azure.InventoryPath(), []byte("<html>"))
	wantGolden(t, "sources_failing", readAll(t, appliance, true, lists...))
}

// wantGolden compares the exposition of a snapshot with a golden file.
func wantGolden(t *testing.T, name string, snapshot *scrape.Snapshot) {
	t.Helper()
	for i := range snapshot.Lists {
		// The duration of a read differs in each run.
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

// readAppliance reads lists of a simulated appliance over TLS.
func readAppliance(t *testing.T, appliance *simulator.Appliance, lists ...syncjob.List) *scrape.Snapshot {
	t.Helper()
	return readAll(t, appliance, false, lists...)
}

// readAll is readAppliance, with schedules and inventories if they are wanted.
func readAll(t *testing.T, appliance *simulator.Appliance, withSources bool, lists ...syncjob.List) *scrape.Snapshot {
	t.Helper()
	server := livetest.Serve(t, appliance)
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
	readers := make([]scrape.Source, 0, len(lists))
	for _, list := range lists {
		readers = append(readers, scrape.Source{
			List: list, Reader: scrape.NewList(list, client, scrape.ListOptions{PageSize: 1000, Concurrency: 4}),
		})
	}
	c := scrape.New(readers, scrape.Options{Timeout: time.Minute})
	t.Cleanup(c.Close)
	snapshot := c.Read(t.Context())
	if withSources {
		r := sources.New(client, sources.Options{Schedules: true, Inventory: true, Lists: lists, PageSize: 1000, Redact: client.Redact})
		defer r.Close()
		<-r.Start()
		snapshot.Sources = r.State()
	}
	return snapshot
}

// expose returns the text exposition of a snapshot at the given time.
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
