package simulator_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/collector/simulator"
)

// answered is a job as an answer shows it.
type answered struct {
	ID            string            `json:"id"`
	CreatedAt     string            `json:"createdAt"`
	UpdatedAt     string            `json:"updatedAt"`
	CompletedAt   *string           `json:"completed_at"`
	OverallStatus string            `json:"overall_status"`
	Detailed      map[string]string `json:"detailed_status"`
	KeyRings      []string          `json:"key_rings"`
	Organizations []string          `json:"organizations"`
	Abort         bool              `json:"abort"`
}

func TestJobsLookLikeTheExamples(t *testing.T) {
	a := simulator.New(simulator.Options{})
	for name, example := range map[string][]byte{
		simulator.GoogleKeys:        simulator.GoogleKeysExample(),
		simulator.AzureCertificates: simulator.AzureCertificatesExample(),
	} {
		var want struct {
			Resources []map[string]any `json:"resources"`
		}
		if err := json.Unmarshal(example, &want); err != nil {
			t.Fatal(err)
		}
		l := a.List(name)
		j := insert(t, l, simulator.Job{Scopes: []string{"a::b", "c::d"}})
		if _, finished := want.Resources[0]["completed_at"]; finished {
			l.Complete(j.ID, j.CreatedAt.Add(time.Second))
		}
		j, _ = l.Get(j.ID)
		var got map[string]any
		if err := json.Unmarshal(l.JSON(j), &got); err != nil {
			t.Fatal(err)
		}
		for field, value := range want.Resources[0] {
			if reflect.TypeOf(got[field]) != reflect.TypeOf(value) {
				t.Errorf("%s: %s is %v, in the example %v", name, field, got[field], value)
			}
			delete(got, field)
		}
		if len(got) > 0 {
			t.Errorf("%s: fields that the example has not: %v", name, got)
		}
		for _, field := range []string{"cloud", "sync_item"} {
			if v := want.Resources[0][field]; v != nil && v != map[string]string{"cloud": l.Kind().Cloud, "sync_item": l.Kind().SyncItem}[field] {
				t.Errorf("%s: %s is not %v", name, field, v)
			}
		}
	}
}

func TestStart(t *testing.T) {
	now := newClock()
	a := simulator.New(simulator.Options{Clock: now.Now, Kinds: simulator.AllKinds()})
	c := connect(t, a)
	got := ask[answered](c, http.MethodPost, googlePath, `{"key_rings":["ring \"ä\""]}`, http.StatusCreated)
	if got.CreatedAt != "2026-03-04T05:06:07.123456789Z" || got.OverallStatus != simulator.StatusInProgress || got.CompletedAt != nil {
		t.Errorf("answer %+v", got)
	}
	got = ask[answered](c, http.MethodGet, googlePath+"/"+got.ID, "", http.StatusOK)
	want := answered{
		ID: got.ID, CreatedAt: "2026-03-04T05:06:07.123456Z", UpdatedAt: "2026-03-04T05:06:07.123456Z", OverallStatus: "in_progress",
		Detailed: map[string]string{`ring "ä"`: "in_progress"}, KeyRings: []string{`ring "ä"`},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, path := range []string{"/api/v1/cckm/sfdc/keys/synchronization-jobs", "/api/v1/cckm/sfdc/certificates/synchronization-jobs"} {
		got = ask[answered](c, http.MethodPost, path, `{"organization_ids":["o"]}`, http.StatusCreated)
		if !cmp.Equal(got.Organizations, []string{"o"}) {
			t.Errorf("%s: %+v", path, got)
		}
	}
	if got = ask[answered](c, http.MethodPost, googlePath, `{"synchronize_all":true}`, http.StatusCreated); len(got.KeyRings) != 0 {
		t.Errorf("everything: %+v", got)
	}
	c.refused(http.MethodPost, googlePath, `{}`, http.StatusUnprocessableEntity, 15)
	c.refused(http.MethodPost, googlePath, `{"key_rings":"one"}`, http.StatusBadRequest, 15)
	c.refused(http.MethodPost, googlePath, `{"synchronize_all":"yes"}`, http.StatusBadRequest, 15)
	c.refused(http.MethodPost, googlePath, `[]`, http.StatusBadRequest, 15)
}

func TestCancel(t *testing.T) {
	now := newClock()
	a := simulator.New(simulator.Options{Clock: now.Now})
	c := connect(t, a)
	for path, list := range map[string]string{googlePath: simulator.GoogleKeys, azurePath: simulator.AzureCertificates} {
		l := a.List(list)
		j := insert(t, l, simulator.Job{Scopes: []string{"a::b"}})
		now.Move(time.Second)
		got := ask[answered](c, http.MethodPost, path+"/"+j.ID+"/cancel", "", http.StatusOK)
		if !got.Abort || got.OverallStatus != simulator.StatusInProgress {
			t.Errorf("%s: answer %+v", path, got)
		}
		got = ask[answered](c, http.MethodGet, path+"/"+j.ID, "", http.StatusOK)
		if list == simulator.GoogleKeys {
			if !got.Abort || got.OverallStatus != simulator.StatusCompleted || got.CompletedAt == nil || got.Detailed["a::b"] != "in_progress" {
				t.Errorf("%s: %+v", path, got)
			}
			c.refused(http.MethodPost, path+"/"+j.ID+"/cancel", "", http.StatusBadRequest, 15)
		} else if !got.Abort || got.OverallStatus != simulator.StatusInProgress {
			t.Errorf("%s: %+v", path, got)
		}
		if err := l.SetHistory(1, simulator.HistoryShape{}); err != nil {
			t.Fatal(err)
		}
		c.refused(http.MethodPost, path+"/"+l.HistoryJob(0).ID+"/cancel", "", http.StatusBadRequest, 15)
		c.refused(http.MethodPost, path+"/x/cancel", "", http.StatusNotFound, 16)
	}
}

func TestPathsAndMethods(t *testing.T) {
	a := simulator.New(simulator.Options{})
	j := insert(t, a.List(simulator.GoogleKeys), simulator.Job{})
	c := connect(t, a)
	for _, path := range []string{
		"/", "/api/v1/", "/api/v2/cckm/google/synchronization-jobs", "/api/v1/cckm/azure/synchronization-jobs",
		googlePath + "/x", googlePath + "/" + j.ID + "/cancel/x", "/api/v1/cckm/google/synchronization-jobsx",
	} {
		if got := c.refused(http.MethodGet, path, "", http.StatusNotFound, 16); got.CodeDesc != "NCERRResourceNotFound: Resource not found" {
			t.Errorf("%s: %+v", path, got)
		}
	}
	for _, path := range []string{googlePath, googlePath + "/" + j.ID, googlePath + "/" + j.ID + "/cancel"} {
		if status, _ := c.do(http.MethodDelete, path, ""); status != http.StatusMethodNotAllowed {
			t.Errorf("DELETE %s: status %d", path, status)
		}
	}
	for _, kind := range simulator.AllKinds() {
		a.Register(kind)
		c.page("/api/v1/"+kind.Path, 0, 1, "")
		a.Unregister(kind.Name)
		c.refused(http.MethodGet, "/api/v1/"+kind.Path, "", http.StatusNotFound, 16)
	}
}

func TestFixtures(t *testing.T) {
	a := simulator.New(simulator.Options{})
	c := connect(t, a)
	for path, body := range map[string][]byte{googlePath: simulator.GoogleKeysExample(), azurePath: simulator.AzureCertificatesExample(), "/api/v1/some/where": []byte("not JSON")} {
		a.SetFixture(path, body)
		if status, got := c.do(http.MethodGet, path+"?skip=5&limit=1", ""); status != http.StatusOK || !cmp.Equal(got, body) {
			t.Errorf("%s: status %d: %s", path, status, got)
		}
	}
	token := c.token
	c.token = ""
	c.refused(http.MethodGet, googlePath, "", http.StatusUnauthorized, 5)
	c.token = token
	a.SetFixture("cckm/google/synchronization-jobs", nil)
	if p := c.page(googlePath, 0, 10, ""); p.Total != 0 {
		t.Errorf("without its fixture the list has %d jobs", p.Total)
	}
	var example page
	if err := json.Unmarshal(simulator.AzureCertificatesExample(), &example); err != nil || example.Total != 2 || len(example.Resources) != 2 {
		t.Errorf("the example: %+v, %v", example, err)
	}
}

// TestExamples holds that each list has an example, whose fields are those that the list's jobs have.
func TestExamples(t *testing.T) {
	files, err := os.ReadDir("fixtures")
	if err != nil {
		t.Fatal(err)
	}
	if want := len(simulator.AllKinds()); len(files) != want {
		t.Errorf("%d examples, want %d", len(files), want)
	}
	seen := make(map[string]bool)
	for _, kind := range simulator.AllKinds() {
		body, ok := simulator.Example(kind.Name)
		if !ok {
			t.Errorf("%s has no example", kind.Name)
			continue
		}
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
			id := fmt.Sprint(job["id"])
			if seen[id] || !uuid().MatchString(id) || !strings.HasSuffix(fmt.Sprint(job["uri"]), ":cckm:synchronize:"+id) {
				t.Errorf("%s: the id %s comes twice or is none: %v", kind.Name, id, job["uri"])
			}
			seen[id] = true
			if _, over := job["completed_at"]; over != slices.Contains([]any{"completed", "failed", "error"}, job["overall_status"]) {
				t.Errorf("%s: job %s is %v, and has completed_at: %t", kind.Name, id, job["overall_status"], over)
			}
			if cloud, ok := job["cloud"]; ok && cloud != kind.Cloud {
				t.Errorf("%s: cloud %v, want %s", kind.Name, cloud, kind.Cloud)
			}
		}
		want := []string{"abort", "account", "application", "createdAt", "detailed_status", "devAccount", "id", "overall_status", "updatedAt", "uri", kind.ScopeField}
		for _, field := range append(want, kind.StartField) {
			if field != "" && !fields[field] {
				t.Errorf("%s: no job has %s", kind.Name, field)
			}
			delete(fields, field)
		}
		for _, field := range []string{"cloud", "completed_at", "sync_item"} {
			delete(fields, field)
		}
		if len(fields) > 0 {
			t.Errorf("%s: fields that nobody knows: %v", kind.Name, fields)
		}
	}
	if _, ok := simulator.Example("nothing"); ok {
		t.Error("a list that there is not has an example")
	}
}

// uuid matches an id.
func uuid() *regexp.Regexp {
	return regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
}

func TestJobList(t *testing.T) {
	now := newClock()
	l := simulator.New(simulator.Options{Clock: now.Now}).List(simulator.AzureCertificates)
	j := insert(t, l, simulator.Job{Scopes: []string{"v::s", "w::s"}})
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(j.ID) {
		t.Errorf("id %q", j.ID)
	}
	if _, err := l.Insert(simulator.Job{ID: j.ID}); !errors.Is(err, simulator.ErrDuplicateID) {
		t.Errorf("the same id again: %v", err)
	}
	if err := l.SetHistory(5, simulator.HistoryShape{}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Insert(simulator.Job{ID: l.HistoryJob(2).ID}); !errors.Is(err, simulator.ErrDuplicateID) {
		t.Errorf("an id of the history: %v", err)
	}
	older := insert(t, l, simulator.Job{CreatedAt: j.CreatedAt.Add(-time.Hour)})
	at := now.Now().Add(time.Minute)
	if !l.Fail(j.ID, at, map[string]string{"w::s": "out of order"}) || l.Fail("x", at, nil) {
		t.Error("Fail does not say whether the job is there")
	}
	got, _ := l.Get(j.ID)
	kind := l.Kind()
	wantDetail := map[string]string{kind.DetailKey("v::s"): "vault synchronized successfully", kind.DetailKey("w::s"): "out of order"}
	if got.OverallStatus != simulator.StatusFailed || !cmp.Equal(got.DetailedStatus, wantDetail) || !got.CompletedAt.Equal(at.Truncate(time.Microsecond)) {
		t.Errorf("failed job %+v", got)
	}
	if s := l.Snapshot(); len(s) != 2 || s[0].ID != older.ID || l.Len() != 7 {
		t.Errorf("snapshot %+v", s)
	}
	l.Update(j.ID, func(j *simulator.Job) { j.ID, j.CreatedAt = "changed", older.CreatedAt.Add(-time.Hour) })
	if s := l.Snapshot(); s[0].ID != j.ID {
		t.Error("the job did not move, or its id changed")
	}
	if !l.Abort(older.ID, at) || !l.Remove(older.ID) || l.Remove(older.ID) || l.Abort(older.ID, at) {
		t.Error("Remove or Abort does not say whether the job is there")
	}
	raw := insert(t, l, simulator.Job{Raw: []byte(`{"odd":true}`)})
	if string(l.JSON(raw)) != `{"odd":true}` {
		t.Errorf("raw job %s", l.JSON(raw))
	}
}

func TestSnapshotsAreCopies(t *testing.T) {
	l := simulator.New(simulator.Options{}).List(simulator.GoogleKeys)
	scopes := []string{"a"}
	j := insert(t, l, simulator.Job{Scopes: scopes})
	scopes[0] = "changed"
	j.DetailedStatus["a"] = "changed"
	l.Snapshot()[0].Scopes[0] = "changed"
	if got := l.Snapshot()[0]; got.Scopes[0] != "a" || got.DetailedStatus["a"] != "in_progress" {
		t.Errorf("the list was changed from outside: %+v", got)
	}
}
