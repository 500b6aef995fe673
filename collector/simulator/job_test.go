package simulator_test

import (
	"encoding/json"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cckm_sync_exporter/collector/simulator"
)

// TestJobsLookLikeTheExamples compares the simulator's jobs with the documentation's, field by field.
func TestJobsLookLikeTheExamples(t *testing.T) {
	type anyPage struct {
		Resources []map[string]any `json:"resources"`
	}
	a := simulator.New(simulator.Options{})
	for path, example := range map[string][]byte{
		googlePath: simulator.GoogleKeysExample(),
		azurePath:  simulator.AzureCertificatesExample(),
	} {
		var want anyPage
		if err := json.Unmarshal(example, &want); err != nil {
			t.Fatal(err)
		}
		l := a.List(map[string]string{googlePath: simulator.GoogleKeys, azurePath: simulator.AzureCertificates}[path])
		j := l.Put(simulator.Job{Scopes: []string{"a::b", "c::d"}})
		if _, finished := want.Resources[0]["completed_at"]; finished {
			l.Complete(j.ID, j.CreatedAt.Add(time.Second))
		}
		got := ask[anyPage](connect(t, a), http.MethodGet, path, "", http.StatusOK).Resources[0]
		for field, value := range want.Resources[0] {
			if reflect.TypeOf(got[field]) != reflect.TypeOf(value) {
				t.Errorf("%s: %s is %v, in the example %v", path, field, got[field], value)
			}
			if slices.Contains([]string{"application", "cloud", "devAccount", "sync_item"}, field) && got[field] != value {
				t.Errorf("%s: %s is %v, in the example %v", path, field, got[field], value)
			}
			delete(got, field)
		}
		if len(got) > 0 {
			t.Errorf("%s: fields that the example does not have: %v", path, got)
		}
	}
}

// TestExamples checks that each list has an example, whose fields are those of the list's jobs.
func TestExamples(t *testing.T) {
	files, err := os.ReadDir("fixtures")
	if err != nil || len(files) != len(simulator.AllKinds()) {
		t.Errorf("%d examples, want %d: %v", len(files), len(simulator.AllKinds()), err)
	}
	uuid := regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	seen := make(map[string]bool)
	for _, kind := range simulator.AllKinds() {
		body, _ := simulator.Example(kind.Name)
		var example struct {
			Total     int              `json:"total"`
			Resources []map[string]any `json:"resources"`
		}
		if err := json.Unmarshal(body, &example); err != nil || example.Total != len(example.Resources) || example.Total == 0 {
			t.Errorf("%s: total %d, %d jobs, %v", kind.Name, example.Total, len(example.Resources), err)
		}
		fields := make(map[string]bool)
		for _, job := range example.Resources {
			for field := range job {
				fields[field] = true
			}
			id, _ := job["id"].(string)
			uri, _ := job["uri"].(string)
			if seen[id] || !uuid.MatchString(id) || !strings.HasSuffix(uri, ":cckm:synchronize:"+id) {
				t.Errorf("%s: the id %s is invalid or not unique: %s", kind.Name, id, uri)
			}
			seen[id] = true
			if _, ended := job["completed_at"]; ended != slices.Contains([]any{"completed", "failed", "error"}, job["overall_status"]) {
				t.Errorf("%s: job %s is %v, and has completed_at: %t", kind.Name, id, job["overall_status"], ended)
			}
			if cloud, ok := job["cloud"]; ok && cloud != kind.Cloud {
				t.Errorf("%s: cloud %v, want %s", kind.Name, cloud, kind.Cloud)
			}
		}
		for _, field := range []string{
			"abort", "account", "application", "createdAt", "detailed_status", "devAccount", "id", "overall_status", "updatedAt", "uri",
			kind.ScopeField, kind.StartField,
		} {
			if field != "" && !fields[field] {
				t.Errorf("%s: no job has %s", kind.Name, field)
			}
			delete(fields, field)
		}
		for _, field := range []string{"cloud", "completed_at", "sync_item"} {
			delete(fields, field)
		}
		if len(fields) > 0 {
			t.Errorf("%s: unknown fields: %v", kind.Name, fields)
		}
	}
}
