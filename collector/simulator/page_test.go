package simulator_test

import (
	"cmp"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/collector/simulator"
)

// TestPages checks that the pages of a list are the whole list in its order, with each filter.
func TestPages(t *testing.T) {
	now := newClock()
	a := simulator.New(simulator.Options{Clock: now.Now})
	c := connect(t, a)
	for name, path := range map[string]string{simulator.GoogleKeys: googlePath, simulator.AzureCertificates: azurePath} {
		l := a.List(name)
		l.SetHistory(230, simulator.HistoryShape{FailOneIn: 4, AbortOneIn: 5})
		for i, status := range []string{simulator.StatusInProgress, simulator.StatusFailed, "paused", simulator.StatusCompleted} {
			// Two of them are among the history.
			l.Put(simulator.Job{OverallStatus: status, CreatedAt: now.Now().Add(time.Duration(-100*i) * time.Minute), Scopes: []string{"a::b", "ä\"\n::b"}})
		}
		newest := l.Jobs()
		if !slices.IsSortedFunc(newest, func(a, b simulator.Job) int { return b.CreatedAt.Compare(a.CreatedAt) }) || len(newest) != 234 || l.Len() != 234 {
			t.Fatalf("%s: %d jobs, not from the newest to the oldest", name, len(newest))
		}
		for _, statuses := range [][]string{nil, {"completed"}, {"failed", "in_progress"}, {"paused"}, {"unknown"}} {
			var want []shown
			for _, j := range newest {
				if statuses == nil || slices.Contains(statuses, j.OverallStatus) {
					want = append(want, show(l.Kind(), j))
				}
			}
			query := "&" + url.Values{"overall_status": statuses}.Encode()
			for _, limit := range []int{1, 41, 1000} {
				l.SetBehaviour(simulator.ListBehaviour{})
				if diff := gocmp.Diff(want, c.all(path, limit, query)); diff != "" {
					t.Fatalf("%s, newest first, %v: %s", name, statuses, diff)
				}
				l.SetBehaviour(simulator.ListBehaviour{Order: simulator.OldestFirst, MaxLimit: 50})
				got := c.all(path, limit, query)
				slices.Reverse(got)
				if diff := gocmp.Diff(want, got); diff != "" {
					t.Fatalf("%s, oldest first, %v: %s", name, statuses, diff)
				}
				l.SetBehaviour(simulator.ListBehaviour{Order: simulator.NoOrder})
				got = c.all(path, limit, query)
				byAge := func(a, b shown) int { return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ID, a.ID)) }
				oldest := func(a, b shown) int { return byAge(b, a) }
				if len(got) > 10 && (slices.IsSortedFunc(got, byAge) || slices.IsSortedFunc(got, oldest)) {
					t.Errorf("%s: no order is an order", name)
				}
				slices.SortFunc(got, byAge)
				if diff := gocmp.Diff(want, got); diff != "" {
					t.Fatalf("%s, no order, %v: %s", name, statuses, diff)
				}
			}
		}
	}
}

// TestJobsKeepTheirOrder adds, changes and removes jobs of a list without order.
func TestJobsKeepTheirOrder(t *testing.T) {
	a := simulator.New(simulator.Options{})
	l := a.List(simulator.GoogleKeys)
	l.SetHistory(60, simulator.HistoryShape{})
	l.SetBehaviour(simulator.ListBehaviour{Order: simulator.NoOrder})
	before := l.Jobs()
	added := l.Put(simulator.Job{Scopes: []string{"s"}})
	if l.Len() != 61 || added.OverallStatus != simulator.StatusInProgress || added.DetailedStatus["s"] != "in_progress" {
		t.Errorf("%d jobs, added %+v", l.Len(), added)
	}
	moved := added
	moved.CreatedAt = moved.CreatedAt.Add(-time.Hour)
	l.Put(moved)
	at := time.Now()
	if !l.Complete(added.ID, at) || l.Len() != 61 || l.Complete(before[0].ID, at) {
		t.Error("Complete does not report whether there is a job")
	}
	i := slices.IndexFunc(l.Jobs(), func(j simulator.Job) bool { return j.ID == added.ID })
	if j := l.Jobs()[i]; !j.CompletedAt.Equal(at) || j.OverallStatus != simulator.StatusCompleted || !j.CreatedAt.Equal(moved.CreatedAt) ||
		j.DetailedStatus["s"] != "key ring synchronized successfully" || moved.DetailedStatus["s"] != "in_progress" {
		t.Errorf("completed job %+v", j)
	}
	if !l.Remove(added.ID) || l.Remove(added.ID) {
		t.Error("Remove does not report whether there was a job")
	}
	if diff := gocmp.Diff(before, l.Jobs()); diff != "" {
		t.Error(diff)
	}
}

func TestLimits(t *testing.T) {
	a := simulator.New(simulator.Options{})
	l := a.List(simulator.GoogleKeys)
	l.SetHistory(30, simulator.HistoryShape{})
	c := connect(t, a)
	if p := ask[page](c, http.MethodGet, googlePath+"/", "", http.StatusOK); p.Skip != 0 || p.Limit != 10 || p.Total != 30 || len(p.Resources) != 10 {
		t.Errorf("by default: skip %d, limit %d, total %d, %d jobs", p.Skip, p.Limit, p.Total, len(p.Resources))
	}
	if p := c.page(googlePath, 31, 5, ""); p.Total != 30 || p.Resources == nil || len(p.Resources) != 0 {
		t.Errorf("after the end: %+v", p)
	}
	for query, status := range map[string]int{
		"skip=x": http.StatusBadRequest, "limit=1.5": http.StatusBadRequest,
		"skip=-1": http.StatusUnprocessableEntity, "limit=-1": http.StatusUnprocessableEntity,
	} {
		c.refused(http.MethodGet, googlePath+"?"+query, "", status, 15)
	}
	l.SetBehaviour(simulator.ListBehaviour{MaxLimit: 7})
	if p := c.page(googlePath, 3, 1000, ""); p.Limit != 7 || len(p.Resources) != 7 {
		t.Errorf("reduced: limit %d, %d jobs", p.Limit, len(p.Resources))
	}
	l.SetBehaviour(simulator.ListBehaviour{RefuseLimitAbove: 100})
	c.page(googlePath, 0, 100, "")
	c.refused(http.MethodGet, googlePath+"?limit=101", "", http.StatusUnprocessableEntity, 15)
}

func TestPathsAndMethods(t *testing.T) {
	a := simulator.New(simulator.Options{})
	c := connect(t, a)
	for _, path := range []string{"/", "/api/v1/", "/api/v2/cckm/google/synchronization-jobs", googlePath + "/x", googlePath + "x"} {
		c.refused(http.MethodGet, path, "", http.StatusNotFound, 16)
	}
	c.refused(http.MethodPost, googlePath, "{}", http.StatusMethodNotAllowed, 1)
	for _, kind := range simulator.AllKinds() {
		a.Register(kind)
		c.page("/api/v1/"+kind.Path, 0, 1, "")
		a.Unregister(kind.Name)
		c.refused(http.MethodGet, "/api/v1/"+kind.Path, "", http.StatusNotFound, 16)
	}
}

// TestHistory checks the jobs of every list's history.
func TestHistory(t *testing.T) {
	now := newClock()
	a := simulator.New(simulator.Options{Clock: now.Now, Kinds: simulator.AllKinds()})
	seen := make(map[simulator.UUID]bool)
	for _, kind := range simulator.AllKinds() {
		l := a.List(kind.Name)
		last := l.Put(simulator.Job{CreatedAt: now.Now().Add(-time.Hour), Scopes: []string{"s"}}).CreatedAt
		l.SetHistory(10, simulator.HistoryShape{})
		l.SetHistory(2000, simulator.HistoryShape{}) // It replaces the first one.
		var failed, aborted, completed int
		for _, j := range l.Jobs()[1:] {
			if seen[j.ID] || !j.CreatedAt.Before(last) {
				t.Fatalf("%s: job %s was created at %v, before %v", kind.Name, j.ID, j.CreatedAt, last)
			}
			seen[j.ID], last = true, j.CreatedAt
			if took := j.CompletedAt.Sub(j.CreatedAt); took < 2*time.Second || took > 45*time.Second || !j.UpdatedAt.After(j.CompletedAt) {
				t.Fatalf("%s: job %s took %v", kind.Name, j.ID, took)
			}
			for _, scope := range j.Scopes {
				if j.DetailedStatus[kind.DetailKey(scope)] == "" {
					t.Fatalf("%s: job %s has no text for %s", kind.Name, j.ID, scope)
				}
			}
			switch {
			case j.OverallStatus == simulator.StatusFailed:
				failed++
			case j.Abort:
				aborted++
			default:
				completed++
			}
		}
		if failed == 0 || aborted == 0 || completed < 1800 || failed+aborted+completed != 2000 {
			t.Errorf("%s: %d failed, %d aborted, %d completed", kind.Name, failed, aborted, completed)
		}
	}
}

// BenchmarkHistory makes a history of a million jobs.
func BenchmarkHistory(b *testing.B) {
	l := simulator.New(simulator.Options{}).List(simulator.AzureCertificates)
	b.ReportAllocs()
	for b.Loop() {
		l.SetHistory(1_000_000, simulator.HistoryShape{})
	}
}

// BenchmarkPage makes a page of a thousand jobs of a million, and one of the jobs that run.
func BenchmarkPage(b *testing.B) {
	a := simulator.New(simulator.Options{})
	a.List(simulator.AzureCertificates).SetHistory(1_000_000, simulator.HistoryShape{})
	c := connect(b, a)
	for _, query := range []string{"?skip=500000&limit=1000", "?limit=1000&overall_status=in_progress"} {
		for _, coding := range []string{"identity", "gzip"} {
			b.Run(query+" "+coding, func(b *testing.B) {
				req := c.request(http.MethodGet, azurePath+query, "")
				req.Header.Set("Accept-Encoding", coding)
				for b.Loop() {
					a.ServeHTTP(httptest.NewRecorder(), req)
				}
			})
		}
	}
}
