package simulator_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/collector/simulator"
)

func TestHistoryOfAMillionJobs(t *testing.T) {
	now := newClock()
	a := simulator.New(simulator.Options{Clock: now.Now})
	l := a.List(simulator.AzureCertificates)
	if err := l.SetHistory(simulator.MaxHistory, simulator.HistoryShape{}); err != nil {
		t.Fatal(err)
	}
	newest := insert(t, l, simulator.Job{Scopes: []string{"v::s"}})
	c := connect(t, a)
	for _, skip := range []int{0, 1, 500_000, 999_001} {
		p := c.page(azurePath, skip, 1000, "")
		if p.Total != simulator.MaxHistory+1 || len(p.Resources) != 1000 {
			t.Fatalf("skip %d: total %d, %d jobs", skip, p.Total, len(p.Resources))
		}
		for k, raw := range p.Resources {
			want := newest
			if position := skip + k; position > 0 {
				want = l.HistoryJob(simulator.MaxHistory - position)
			}
			if !bytes.Equal(raw, l.JSON(want)) {
				t.Fatalf("position %d holds %s, want %s", skip+k, raw, l.JSON(want))
			}
		}
	}
	j := l.HistoryJob(123_456)
	if p := c.page(azurePath, 0, 10, "id="+j.ID); p.Total != 1 || !bytes.Equal(p.Resources[0], l.JSON(j)) {
		t.Errorf("by id: %+v", p)
	}
	if got, ok := l.Get(j.ID); !ok || !cmp.Equal(got, j) {
		t.Errorf("Get: %s", cmp.Diff(j, got))
	}
	if p := c.page(azurePath, 0, 10, "overall_status=failed"); p.Total < 15_000 || p.Total > 25_000 {
		t.Errorf("%d failed jobs, want about one in fifty", p.Total)
	}
}

func TestHistoryJobs(t *testing.T) {
	now := newClock()
	a := simulator.New(simulator.Options{Clock: now.Now, Kinds: simulator.AllKinds()})
	seen := make(map[string]bool)
	for _, kind := range simulator.AllKinds() {
		l := a.List(kind.Name)
		if err := l.SetHistory(2000, simulator.HistoryShape{}); err != nil {
			t.Fatal(err)
		}
		var failed, aborted, completed int
		last := time.Time{}
		for i := range 2000 {
			j := l.HistoryJob(i)
			if seen[j.ID] {
				t.Fatalf("%s: two jobs of the id %s", kind.Name, j.ID)
			}
			seen[j.ID] = true
			if !j.CreatedAt.After(last) || !j.CreatedAt.Before(now.Now()) {
				t.Fatalf("%s: job %d was created at %v, after %v", kind.Name, i, j.CreatedAt, last)
			}
			last = j.CreatedAt
			if took := j.CompletedAt.Sub(j.CreatedAt); took < 2*time.Second || took > 45*time.Second || !j.UpdatedAt.After(j.CompletedAt) {
				t.Fatalf("%s: job %d took %v", kind.Name, i, took)
			}
			for _, scope := range j.Scopes {
				if j.DetailedStatus[kind.DetailKey(scope)] == "" {
					t.Fatalf("%s: job %d says nothing of %s", kind.Name, i, scope)
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
		if failed == 0 || aborted == 0 || completed < 1800 {
			t.Errorf("%s: %d failed, %d aborted, %d completed", kind.Name, failed, aborted, completed)
		}
	}
}

func TestGrowingHistoryKeepsItsJobs(t *testing.T) {
	l := simulator.New(simulator.Options{}).List(simulator.GoogleKeys)
	shape := simulator.HistoryShape{Oldest: time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC), Spacing: 3 * time.Second, FailOneIn: -1, AbortOneIn: -1}
	if err := l.SetHistory(10, shape); err != nil {
		t.Fatal(err)
	}
	before := l.HistoryJob(9)
	if err := l.SetHistory(1000, shape); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, l.HistoryJob(9)); diff != "" {
		t.Error(diff)
	}
	for i := range 1000 {
		if j := l.HistoryJob(i); j.OverallStatus != simulator.StatusCompleted || j.Abort {
			t.Fatalf("job %d is %+v", i, j)
		}
	}
}

func TestHistoryThatCannotBe(t *testing.T) {
	l := simulator.New(simulator.Options{}).List(simulator.GoogleKeys)
	for name, err := range map[string]error{
		"negative":     l.SetHistory(-1, simulator.HistoryShape{}),
		"too long":     l.SetHistory(simulator.MaxHistory+1, simulator.HistoryShape{}),
		"too close":    l.SetHistory(1, simulator.HistoryShape{Spacing: time.Microsecond}),
		"back in time": l.SetHistory(1, simulator.HistoryShape{Spacing: -time.Second}),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// BenchmarkPage makes a page of a thousand jobs, without a network.
func BenchmarkPage(b *testing.B) {
	a := simulator.New(simulator.Options{})
	if err := a.List(simulator.AzureCertificates).SetHistory(simulator.MaxHistory, simulator.HistoryShape{}); err != nil {
		b.Fatal(err)
	}
	login := httptest.NewRecorder()
	a.ServeHTTP(login, httptest.NewRequestWithContext(b.Context(), http.MethodPost, tokensPath, strings.NewReader(passwordLogin)))
	var got tokens
	if err := json.Unmarshal(login.Body.Bytes(), &got); err != nil {
		b.Fatal(err)
	}
	for _, coding := range []string{"identity", "gzip"} {
		b.Run(coding, func(b *testing.B) {
			req := httptest.NewRequestWithContext(b.Context(), http.MethodGet, azurePath+"?skip=500000&limit=1000", http.NoBody)
			req.Header.Set("Authorization", "Bearer "+got.JWT)
			req.Header.Set("Accept-Encoding", coding)
			for b.Loop() {
				a.ServeHTTP(httptest.NewRecorder(), req)
			}
		})
	}
}
