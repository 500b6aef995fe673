package simulator_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/collector/simulator"
)

// newRandom returns a generator that gives the same numbers in every run.
func newRandom(seed uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // Nothing here is secret.
}

// fill gives a list a history and jobs, some of which are older than parts of the history.
func fill(t *testing.T, l *simulator.JobList, history, jobs int, random *rand.Rand, now time.Time) {
	t.Helper()
	if err := l.SetHistory(history, simulator.HistoryShape{Oldest: now.Add(-time.Duration(history) * time.Minute)}); err != nil {
		t.Fatal(err)
	}
	statuses := []string{simulator.StatusInProgress, simulator.StatusCompleted, simulator.StatusFailed}
	for range jobs {
		insert(t, l, simulator.Job{
			CreatedAt:     now.Add(time.Duration(random.IntN(2*history+60)-history) * 30 * time.Second),
			OverallStatus: statuses[random.IntN(len(statuses))],
			Scopes:        []string{fmt.Sprintf("scope-%d", random.IntN(3)), fmt.Sprintf("scope-%d", 3+random.IntN(3))},
		})
	}
}

// oracle recomputes a list, oldest first, from what the package exports.
func oracle(l *simulator.JobList) []simulator.Job {
	jobs := l.Snapshot()
	for i := range l.HistoryLen() {
		jobs = append(jobs, l.HistoryJob(i))
	}
	slices.SortFunc(jobs, func(a, b simulator.Job) int {
		if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
			return c
		}
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return jobs
}

// asJSON shows jobs as the list does.
func asJSON(l *simulator.JobList, jobs []simulator.Job) []json.RawMessage {
	out := make([]json.RawMessage, len(jobs))
	for i := range jobs {
		out[i] = l.JSON(jobs[i])
	}
	return out
}

func TestPagesJoinToTheWholeList(t *testing.T) {
	now := newClock()
	a := simulator.New(simulator.Options{Clock: now.Now, TokenLifetime: time.Hour})
	c := connect(t, a)
	random := newRandom(1)
	for _, name := range []string{simulator.GoogleKeys, simulator.AzureCertificates} {
		path := "/api/v1/" + a.List(name).Kind().Path
		for _, order := range []simulator.Order{simulator.NewestFirst, simulator.OldestFirst, simulator.NoOrder} {
			for _, size := range [][2]int{{0, 0}, {0, 1}, {1, 0}, {0, 57}, {64, 0}, {130, 41}} {
				kind := a.List(name).Kind()
				l := a.Register(kind) // A fresh list.
				fill(t, l, size[0], size[1], random, now.Now())
				b := l.Behaviour()
				b.Order, b.MaxLimit = order, random.IntN(2)*7
				l.SetBehaviour(b)

				got := c.all(path, 1+random.IntN(40), "")
				want := asJSON(l, oracle(l))
				switch order {
				case simulator.OldestFirst:
				case simulator.NewestFirst:
					slices.Reverse(want)
				case simulator.NoOrder:
					if len(got) > 10 && equalJSON(got, want) {
						t.Errorf("%s %v: no order is an order", name, size)
					}
					b.MaxLimit = 0
					l.SetBehaviour(b)
					if whole := c.all(path, 1000, ""); !equalJSON(got, whole) {
						t.Errorf("%s %v: the scattered order is not stable", name, size)
					}
					slices.SortFunc(got, slices.Compare)
					slices.SortFunc(want, slices.Compare)
				}
				if !equalJSON(got, want) {
					t.Errorf("%s, order %d, %v: the pages are not the list", name, order, size)
				}
				if l.Len() != size[0]+size[1] {
					t.Errorf("Len is %d", l.Len())
				}
			}
		}
	}
}

func TestNewJobDoesNotMoveScatteredOnes(t *testing.T) {
	now := newClock()
	a := simulator.New(simulator.Options{Clock: now.Now})
	l := a.List(simulator.GoogleKeys)
	fill(t, l, 40, 20, newRandom(2), now.Now())
	l.SetBehaviour(simulator.ListBehaviour{Order: simulator.NoOrder})
	c := connect(t, a)
	before := ids(t, c.all(googlePath, 100, ""))
	added := insert(t, l, simulator.Job{})
	after := ids(t, c.all(googlePath, 7, ""))
	after = slices.DeleteFunc(after, func(id string) bool { return id == added.ID })
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error(diff)
	}
}

func TestLimits(t *testing.T) {
	a := simulator.New(simulator.Options{})
	l := a.List(simulator.GoogleKeys)
	if err := l.SetHistory(30, simulator.HistoryShape{}); err != nil {
		t.Fatal(err)
	}
	c := connect(t, a)
	if p := ask[page](c, http.MethodGet, googlePath+"/", "", http.StatusOK); p.Skip != 0 || p.Limit != 10 || p.Total != 30 || len(p.Resources) != 10 {
		t.Errorf("by default: skip %d, limit %d, total %d, %d jobs", p.Skip, p.Limit, p.Total, len(p.Resources))
	}
	if p := c.page(googlePath, 31, 5, ""); p.Total != 30 || p.Resources == nil || len(p.Resources) != 0 {
		t.Errorf("beyond the end: %+v", p)
	}
	if p := c.page(googlePath, 0, 0, ""); p.Total != 30 || len(p.Resources) != 0 {
		t.Errorf("limit 0: %+v", p)
	}
	for query, status := range map[string]int{
		"skip=x": http.StatusBadRequest, "limit=1.5": http.StatusBadRequest, "sort=colour": http.StatusBadRequest,
		"skip=-1": http.StatusUnprocessableEntity, "limit=-1": http.StatusUnprocessableEntity,
	} {
		c.refused(http.MethodGet, googlePath+"?"+query, "", status, 15)
	}
	l.SetBehaviour(simulator.ListBehaviour{MaxLimit: 7})
	if p := c.page(googlePath, 3, 1000, ""); p.Limit != 7 || len(p.Resources) != 7 {
		t.Errorf("clamped: limit %d, %d jobs", p.Limit, len(p.Resources))
	}
	l.SetBehaviour(simulator.ListBehaviour{RefuseLimitAbove: 100})
	c.page(googlePath, 0, 100, "")
	c.refused(http.MethodGet, googlePath+"?limit=101", "", http.StatusUnprocessableEntity, 15)
}

func TestFilters(t *testing.T) {
	now := newClock()
	a := simulator.New(simulator.Options{Clock: now.Now})
	l := a.List(simulator.GoogleKeys)
	fill(t, l, 400, 60, newRandom(3), now.Now())
	c := connect(t, a)
	known := oracle(l)
	ring := l.HistoryJob(3).Scopes[0]
	for name, query := range map[string]url.Values{
		"in progress":       {"overall_status": {"in_progress"}},
		"failed":            {"overall_status": {"failed"}},
		"two statuses":      {"overall_status": {"failed", "in_progress"}},
		"unknown status":    {"overall_status": {"x"}},
		"a scope":           {"key_rings": {"scope-1"}},
		"two scopes":        {"key_rings": {"scope-1", ring}},
		"scope and status":  {"key_rings": {"scope-4", ring}, "overall_status": {"completed"}},
		"unknown scope":     {"key_rings": {"x"}},
		"an id":             {"id": {known[5].ID}},
		"ids":               {"id": {known[5].ID, l.HistoryJob(7).ID, l.Snapshot()[2].ID, "x"}},
		"unknown id":        {"id": {"00000000-0000-4000-8000-000000000000"}},
		"another's filter":  {"key_vaults": {"x"}},
		"id and its status": {"id": {l.HistoryJob(9).ID}, "overall_status": {l.HistoryJob(9).OverallStatus}},
	} {
		for _, order := range []simulator.Order{simulator.NewestFirst, simulator.OldestFirst, simulator.NoOrder} {
			l.SetBehaviour(simulator.ListBehaviour{Order: order})
			var want []string
			for _, j := range known {
				if matches(query, j) {
					want = append(want, j.ID)
				}
			}
			got := ids(t, c.all(googlePath, 33, query.Encode()))
			switch order {
			case simulator.OldestFirst:
			case simulator.NewestFirst:
				slices.Reverse(want)
			case simulator.NoOrder:
				slices.Sort(want)
				slices.Sort(got)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s, order %d: %d jobs, want %d", name, order, len(got), len(want))
			}
		}
	}
	l.SetBehaviour(simulator.ListBehaviour{IgnoreFilters: true})
	if p := c.page(googlePath, 0, 1, "overall_status=failed&id=x"); p.Total != len(known) {
		t.Errorf("ignored filters leave %d of %d jobs", p.Total, len(known))
	}
}

// matches is the plain meaning of the filters.
func matches(query url.Values, j simulator.Job) bool {
	if v := query["id"]; v != nil && !slices.Contains(v, j.ID) {
		return false
	}
	if v := query["overall_status"]; v != nil && !slices.Contains(v, j.OverallStatus) {
		return false
	}
	v := query["key_rings"]
	return v == nil || slices.ContainsFunc(j.Scopes, func(s string) bool { return slices.Contains(v, s) })
}

func TestSort(t *testing.T) {
	now := newClock()
	a := simulator.New(simulator.Options{Clock: now.Now})
	l := a.List(simulator.GoogleKeys)
	fill(t, l, 80, 50, newRandom(4), now.Now())
	l.SetBehaviour(simulator.ListBehaviour{Order: simulator.NoOrder})
	c := connect(t, a)
	known := oracle(l)
	for text, compare := range map[string]func(a, b simulator.Job) int{
		"createdAt":    func(simulator.Job, simulator.Job) int { return 0 },
		"-updatedAt":   func(a, b simulator.Job) int { return b.UpdatedAt.Compare(a.UpdatedAt) },
		"id":           func(a, b simulator.Job) int { return slices.Compare([]byte(a.ID), []byte(b.ID)) },
		"-id":          func(a, b simulator.Job) int { return slices.Compare([]byte(b.ID), []byte(a.ID)) },
		"-createdAt":   func(a, b simulator.Job) int { return b.CreatedAt.Compare(a.CreatedAt) },
		"completed_at": func(a, b simulator.Job) int { return a.CompletedAt.Compare(b.CompletedAt) },
		"overall_status,-createdAt": func(a, b simulator.Job) int {
			if c := slices.Compare([]byte(a.OverallStatus), []byte(b.OverallStatus)); c != 0 {
				return c
			}
			return b.CreatedAt.Compare(a.CreatedAt)
		},
	} {
		want := slices.Clone(known)
		if text == "-createdAt" {
			slices.Reverse(want)
		} else {
			slices.SortStableFunc(want, compare)
		}
		if got := c.all(googlePath, 17, "sort="+text); !equalJSON(got, asJSON(l, want)) {
			t.Errorf("sort=%s: wrong order", text)
		}
	}
	l.SetBehaviour(simulator.ListBehaviour{IgnoreSort: true})
	want := slices.Clone(known)
	slices.Reverse(want)
	if got := c.all(googlePath, 50, "sort=createdAt"); !equalJSON(got, asJSON(l, want)) {
		t.Error("an ignored sort sorts")
	}
	if !a.List(simulator.AzureCertificates).Behaviour().IgnoreSort {
		t.Error("Azure certificates sort, which is not documented")
	}
}
