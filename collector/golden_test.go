package collector_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"

	"cckm_sync_exporter/collector"
	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/cmsim"
	"cckm_sync_exporter/collector/joblist"
	"cckm_sync_exporter/collector/syncjob"
)

// update rewrites the golden files: go test ./collector -run TestGolden -update.
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
		arrange func(*cmsim.Appliance)
	}{
		{
			// The example responses of the API's own documents.
			name: "documents",
			arrange: func(a *cmsim.Appliance) {
				a.SetFixture(google, cmsim.GoogleKeysExample())
				a.SetFixture(azure, cmsim.AzureCertificatesExample())
			},
		},
		{
			// Vaults that fail alone, jobs that were aborted, hang, or have a
			// status that nobody knows, and times that cannot be read.
			name: "troubles",
			arrange: func(a *cmsim.Appliance) {
				a.SetFixture(google, readFile(t, "troubles_google.json"))
				a.SetFixture(azure, readFile(t, "troubles_azure.json"))
			},
		},
		{
			// One list that the appliance does not have leaves the other whole.
			name: "list_missing",
			arrange: func(a *cmsim.Appliance) {
				a.Unregister(cmsim.AzureCertificates)
				a.SetFixture(google, cmsim.GoogleKeysExample())
			},
		},
		{name: "empty", arrange: func(*cmsim.Appliance) {}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			appliance := cmsim.New(cmsim.Options{})
			test.arrange(appliance)
			snapshot := readAppliance(t, appliance)
			for i := range snapshot.Lists {
				// How long a read took is another number in every run.
				snapshot.Lists[i].Took = 250 * time.Millisecond
			}
			got := expose(t, &collector.Exposition{}, snapshot, goldenTime())

			path := filepath.Join("testdata", test.name+".prom")
			if *update {
				if err := os.WriteFile(path, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(readFile(t, test.name+".prom")), string(got)); diff != "" {
				t.Errorf("the exposition differs from %s (-want +got):\n%s", path, diff)
			}
			problems, err := promlint.New(bytes.NewReader(got)).Lint()
			if err != nil {
				t.Fatal(err)
			}
			for _, problem := range problems {
				t.Errorf("promlint: %s: %s", problem.Metric, problem.Text)
			}
		})
	}
}

// TestForgetScopes holds the one setting of the exposition: a scope is left out
// when its newest job is older, and counts on in the list.
func TestForgetScopes(t *testing.T) {
	snapshot := &collector.Snapshot{Lists: []collector.ListRead{{
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

// readAppliance reads the default lists of a simulated appliance over real TLS.
func readAppliance(t *testing.T, appliance *cmsim.Appliance) *collector.Snapshot {
	t.Helper()
	server, err := appliance.StartTLS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	client, err := ciphertrust.New(ciphertrust.Config{
		URL:         server.URL,
		Credentials: ciphertrust.Credentials{Username: cmsim.DefaultUsername, Password: cmsim.DefaultPassword},
		TLS:         ciphertrust.TLSConfig{CA: string(server.CAPEM)},
	})
	if err != nil {
		t.Fatal(err)
	}
	var sources []collector.Source
	for _, list := range syncjob.Lists() {
		if list.Default {
			sources = append(sources, collector.Source{
				List: list, Reader: joblist.NewReader(list, client, joblist.Options{PageSize: 1000, Concurrency: 4}),
			})
		}
	}
	c := collector.New(sources, collector.Options{Timeout: time.Minute})
	t.Cleanup(func() {
		c.Close()
		if err := client.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return c.Read(t.Context())
}

// expose returns the text exposition of a snapshot as it is at the given time.
func expose(t *testing.T, exposition *collector.Exposition, snapshot *collector.Snapshot, at time.Time) []byte {
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
