package syncjob_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/collector/syncjob"
)

// ring is the only scope of the jobs of most cases.
const ring = "projects/p/locations/l/keyRings/r"

// history has the fields of a scope about single jobs.
type history struct {
	Newest             syncjob.ScopeJob
	Last               *syncjob.ScopeJob
	OldestInProgress   time.Time
	OldestInProgressID string
	OldestText         string
	LastSuccess        time.Time
	LastFailure        time.Time
}

// TestScopeHistory checks which of a scope's jobs each field is about, in any order of the jobs.
func TestScopeHistory(t *testing.T) {
	t.Parallel()
	// running and ended return a job that was created, and finished, at these minutes; 0 is no time.
	minute := func(m int) time.Time {
		if m == 0 {
			return time.Time{}
		}
		return at(m)
	}
	running := func(id string, created int) syncjob.Job {
		return syncjob.Job{ID: id, OverallStatus: "in_progress", CreatedAt: minute(created), UpdatedAt: at(59)}
	}
	ended := func(id, status string, created, finished int) syncjob.Job {
		return syncjob.Job{ID: id, OverallStatus: status, CreatedAt: minute(created), CompletedAt: minute(finished)}
	}
	cancelled := ended("9", "completed", 8, 9)
	cancelled.Abort = true
	text := func(job syncjob.Job, text string) syncjob.Job {
		job.Details = []syncjob.Detail{{Key: ring, Text: text}}
		return job
	}
	for name, test := range map[string]struct {
		jobs []syncjob.Job
		want history
	}{
		"one that is done, by its completed_at": {
			[]syncjob.Job{{ID: "1", OverallStatus: "completed", CreatedAt: at(1), UpdatedAt: at(9), CompletedAt: at(2)}},
			history{
				Newest:      syncjob.ScopeJob{ID: "1", Status: completed, CreatedAt: at(1)},
				Last:        &syncjob.ScopeJob{ID: "1", Status: completed, CreatedAt: at(1), FinishedAt: at(2)},
				LastSuccess: at(2),
			},
		},
		"one that was canceled is neither a success nor a failure": {
			[]syncjob.Job{ended("1", "completed", 1, 2), ended("2", "error", 3, 4), cancelled},
			history{
				Newest:      syncjob.ScopeJob{ID: "9", Status: aborted, CreatedAt: at(8)},
				Last:        &syncjob.ScopeJob{ID: "9", Status: aborted, CreatedAt: at(8), FinishedAt: at(9)},
				LastSuccess: at(2), LastFailure: at(4),
			},
		},
		"one of unknown status has finished, by its updatedAt": {
			[]syncjob.Job{ended("1", "completed", 1, 2), {ID: "2", OverallStatus: "queued", CreatedAt: at(3), UpdatedAt: at(4)}},
			history{
				Newest:      syncjob.ScopeJob{ID: "2", Status: unknown, CreatedAt: at(3)},
				Last:        &syncjob.ScopeJob{ID: "2", Status: unknown, CreatedAt: at(3), FinishedAt: at(4)},
				LastSuccess: at(2),
			},
		},
		"two run at once": {
			[]syncjob.Job{running("1", 5), running("2", 3), ended("3", "failed", 4, 6)},
			history{
				Newest:           syncjob.ScopeJob{ID: "1", Status: inProgress, CreatedAt: at(5)},
				Last:             &syncjob.ScopeJob{ID: "3", Status: failed, CreatedAt: at(4), FinishedAt: at(6)},
				OldestInProgress: at(3), OldestInProgressID: "2", LastFailure: at(6),
			},
		},
		"the last to finish was not created last": {
			[]syncjob.Job{ended("1", "completed", 1, 9), ended("2", "failed", 2, 3)},
			history{
				Newest:      syncjob.ScopeJob{ID: "2", Status: failed, CreatedAt: at(2)},
				Last:        &syncjob.ScopeJob{ID: "1", Status: completed, CreatedAt: at(1), FinishedAt: at(9)},
				LastSuccess: at(9), LastFailure: at(3),
			},
		},
		"created at once: the higher id is newer": {
			[]syncjob.Job{ended("b", "failed", 1, 3), running("c", 1), ended("a", "completed", 1, 2)},
			history{
				Newest:           syncjob.ScopeJob{ID: "c", Status: inProgress, CreatedAt: at(1)},
				Last:             &syncjob.ScopeJob{ID: "b", Status: failed, CreatedAt: at(1), FinishedAt: at(3)},
				OldestInProgress: at(1), OldestInProgressID: "c", LastSuccess: at(2), LastFailure: at(3),
			},
		},
		"no createdAt is older than any": {
			[]syncjob.Job{ended("9", "failed", 0, 9), ended("1", "completed", 1, 2)},
			history{
				Newest:      syncjob.ScopeJob{ID: "1", Status: completed, CreatedAt: at(1)},
				Last:        &syncjob.ScopeJob{ID: "9", Status: failed, FinishedAt: at(9)},
				LastSuccess: at(2), LastFailure: at(9),
			},
		},
		"no finish time is older than any": {
			[]syncjob.Job{ended("9", "failed", 8, 0), ended("1", "completed", 1, 2)},
			history{
				Newest:      syncjob.ScopeJob{ID: "9", Status: failed, CreatedAt: at(8)},
				Last:        &syncjob.ScopeJob{ID: "1", Status: completed, CreatedAt: at(1), FinishedAt: at(2)},
				LastSuccess: at(2),
			},
		},
		"no times at all: by id": {
			[]syncjob.Job{ended("2", "failed", 0, 0), ended("1", "completed", 0, 0), running("3", 0)},
			history{
				Newest:             syncjob.ScopeJob{ID: "3", Status: inProgress},
				Last:               &syncjob.ScopeJob{ID: "2", Status: failed},
				OldestInProgressID: "3",
			},
		},
		"of two that run, one without createdAt": {
			[]syncjob.Job{running("1", 0), running("2", 4)},
			history{Newest: syncjob.ScopeJob{ID: "2", Status: inProgress, CreatedAt: at(4)}, OldestInProgress: at(4), OldestInProgressID: "2"},
		},
		"of two that run, none with createdAt": {
			[]syncjob.Job{running("2", 0), running("1", 0)},
			history{Newest: syncjob.ScopeJob{ID: "2", Status: inProgress}, OldestInProgressID: "1"},
		},
		"each job with its own text": {
			[]syncjob.Job{
				text(running("1", 1), "in_progress"), text(ended("2", "failed", 2, 9), "failed: 403"), text(running("3", 3), "In_Progress"),
			},
			history{
				Newest:           syncjob.ScopeJob{ID: "3", Status: inProgress, CreatedAt: at(3), Text: "In_Progress"},
				Last:             &syncjob.ScopeJob{ID: "2", Status: failed, CreatedAt: at(2), FinishedAt: at(9), Text: "failed: 403"},
				OldestInProgress: at(1), OldestInProgressID: "1", OldestText: "in_progress", LastFailure: at(9),
			},
		},
		"a scope that is done in a job that runs": {
			[]syncjob.Job{text(running("1", 1), "key ring synchronized successfully")},
			history{Newest: syncjob.ScopeJob{ID: "1", Status: completed, CreatedAt: at(1), Text: "key ring synchronized successfully"}},
		},
		"a scope that failed in a job that runs": {
			[]syncjob.Job{ended("0", "completed", 1, 2), text(running("1", 3), "failed")},
			history{
				Newest:      syncjob.ScopeJob{ID: "1", Status: failed, CreatedAt: at(3), Text: "failed"},
				Last:        &syncjob.ScopeJob{ID: "0", Status: completed, CreatedAt: at(1), FinishedAt: at(2)},
				LastSuccess: at(2),
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			jobs := test.jobs
			for i := range jobs {
				jobs[i].Scopes = []string{ring}
			}
			for i := range 2 * len(jobs) {
				// Every rotation, and every rotation of the reverse: of three jobs, every order.
				if i == len(jobs) {
					slices.Reverse(jobs)
				}
				jobs = append(jobs[1:], jobs[0])
				s := scope(t, summarize(t, "google-keys", jobs...), ring)
				s.Newest.FinishedAt = time.Time{} // Only that of the last job counts.
				got := history{s.Newest, s.Last, s.OldestInProgress, s.OldestInProgressID, s.OldestInProgressText, s.LastSuccess, s.LastFailure}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Fatalf("history (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// TestResults checks that a scope has the results of the ten jobs that finished last, by finish time and then
// by id.
func TestResults(t *testing.T) {
	t.Parallel()
	jobs := make([]syncjob.Job, 15)
	for i := range jobs {
		jobs[i] = syncjob.Job{ID: strconv.Itoa(i), OverallStatus: "completed", UpdatedAt: at(i), Scopes: []string{ring}}
	}
	jobs[12].OverallStatus = "in_progress"
	jobs[13].UpdatedAt = time.Time{}
	jobs[14].ID, jobs[14].OverallStatus, jobs[14].UpdatedAt = "a", "failed", at(9)
	rand.Shuffle(len(jobs), func(i, j int) { jobs[i], jobs[j] = jobs[j], jobs[i] }) //nolint:gosec // Any order.
	results := scope(t, summarize(t, "google-keys", jobs...), ring).Results
	want := []string{"11", "10", "a", "9", "8", "7", "6", "5", "4", "3"}
	for i, r := range results {
		if i >= len(want) || r.ID != want[i] || (r.Status == failed) != (r.ID == "a") {
			t.Errorf("result %d: %+v, want job %s", i, r, want[min(i, len(want)-1)])
		}
	}
	if len(results) != len(want) {
		t.Errorf("%d results, want %d", len(results), len(want))
	}
}

// TestDuration checks the duration of a job.
func TestDuration(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		last syncjob.ScopeJob
		took time.Duration
		ok   bool
	}{
		"both times":               {syncjob.ScopeJob{CreatedAt: at(1), FinishedAt: at(3)}, 2 * time.Minute, true},
		"finished before it began": {syncjob.ScopeJob{CreatedAt: at(3), FinishedAt: at(1)}, 0, true},
		"no createdAt":             {syncjob.ScopeJob{FinishedAt: at(3)}, 0, false},
		"no finish":                {syncjob.ScopeJob{CreatedAt: at(1)}, 0, false},
	} {
		if took, ok := test.last.Duration(); took != test.took || ok != test.ok {
			t.Errorf("%s: %s, %t, want %s, %t", name, took, ok, test.took, test.ok)
		}
	}
}

// TestJobIsNotKept checks that a job may be overwritten after it was added, as the decoder does.
func TestJobIsNotKept(t *testing.T) {
	t.Parallel()
	s := syncjob.NewSummarizer(list(t, "google-keys"))
	job := syncjob.Job{ID: "1", OverallStatus: "completed", CreatedAt: at(1), CompletedAt: at(2), Scopes: []string{"r"}, Details: []syncjob.Detail{{Key: "d"}}}
	add(t, s, &job, at(59))
	job.Scopes[0], job.Details[0].Key = "x", "y"
	job.ID, job.OverallStatus, job.CompletedAt = "2", "failed", at(9)
	summary := s.Summary(at(59))
	if diff := cmp.Diff([]string{"d", "r"}, names(summary)); diff != "" {
		t.Errorf("scopes (-want +got):\n%s", diff)
	}
	if r := scope(t, summary, "r"); r.Last.ID != "1" || r.Last.Status != completed || !r.LastSuccess.Equal(at(2)) {
		t.Errorf("the scope has become %+v, %+v", r, *r.Last)
	}
}

// TestReserve checks that the scopes of a reserved job count for the documented bound and for nothing else.
func TestReserve(t *testing.T) {
	t.Parallel()
	s := syncjob.NewSummarizer(list(t, "google-keys"))
	reserved := syncjob.Job{ID: "1", OverallStatus: "in_progress", CreatedAt: at(1)}
	const documented = 20_000
	for i := range documented {
		reserved.Details = append(reserved.Details, syncjob.Detail{Key: strconv.Itoa(i), Text: "skipped"})
	}
	if err := s.Reserve(&reserved); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&syncjob.Summary{}, s.Copy().Summary(at(59))); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	skipped := syncjob.Job{ID: "2", OverallStatus: "completed", CreatedAt: at(1), Details: reserved.Details[:1]}
	add(t, s, &skipped, at(59))
	summary := s.Copy().Summary(at(59))
	if got := scope(t, summary, "0"); len(summary.Scopes) != 1 || len(summary.UnknownTexts) != 1 || got.Jobs[syncjob.Unknown] != 1 {
		t.Errorf("got %+v, want one scope of one job with an unknown text", summary)
	}
	another := syncjob.Job{ID: "3", OverallStatus: "completed", Scopes: []string{"another"}}
	if err := s.Add(&another, at(59)); !errors.Is(err, syncjob.ErrTooManyScopes) {
		t.Errorf("got %v, want ErrTooManyScopes", err)
	}
}

// TestLongNames checks that the names of a list's scopes are bounded together.
func TestLongNames(t *testing.T) {
	t.Parallel()
	s := syncjob.NewSummarizer(list(t, "google-keys"))
	for i := range 4096 {
		job := syncjob.Job{ID: strconv.Itoa(i), OverallStatus: "completed", Scopes: []string{fmt.Sprintf("%01024d", i)}}
		add(t, s, &job, at(59))
	}
	another := syncjob.Job{ID: "another", OverallStatus: "completed", Scopes: []string{"another"}}
	if err := s.Copy().Add(&another, at(59)); !errors.Is(err, syncjob.ErrTooManyScopes) {
		t.Errorf("got %v, want ErrTooManyScopes", err)
	}
}

// TestOrderMeansNothing checks that a summary does not depend on the order of the jobs or of the entries of
// detailed_status, and that a Copy does not change it.
func TestOrderMeansNothing(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()                 //nolint:gosec // A failure is repeated by its seed.
	rng := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // The same.
	for range 500 {
		jobs := randomJobs(rng)
		want := summarize(t, "azure-certificates", jobs...)
		rng.Shuffle(len(jobs), func(i, j int) { jobs[i], jobs[j] = jobs[j], jobs[i] })
		s := syncjob.NewSummarizer(list(t, "azure-certificates"))
		for i := range jobs {
			job := jobs[i].Clone()
			rng.Shuffle(len(job.Details), func(i, j int) { job.Details[i], job.Details[j] = job.Details[j], job.Details[i] })
			add(t, s, &job, at(57+rng.IntN(3)))
			if rng.IntN(4) == 0 {
				before := s
				s = before.Copy()
				// Jobs that are added to the original later are not in the copy.
				add(t, before, &syncjob.Job{ID: "z", OverallStatus: "a new one", CreatedAt: at(59), CompletedAt: at(59), Scopes: []string{"a::s", "b::s"}}, at(59))
			}
		}
		if diff := cmp.Diff(want, s.Summary(at(59))); diff != "" {
			t.Fatalf("seed %d: (-in sequence +shuffled)\n%s\nof %+v", seed, diff, jobs)
		}
	}
}

// randomJobs returns jobs that share times, scopes and words.
func randomJobs(rng *rand.Rand) []syncjob.Job {
	pick := func(values ...string) string { return values[rng.IntN(len(values))] }
	when := func() time.Time {
		switch rng.IntN(10) {
		case 0, 1:
			return time.Time{}
		case 2:
			// Due at 9:58, or not at all.
			return at(58).Add(24*time.Hour + time.Duration(rng.IntN(3)))
		case 3:
			return at(59).AddDate(1, 0, rng.IntN(2))
		default:
			return at(rng.IntN(4))
		}
	}
	jobs := make([]syncjob.Job, rng.IntN(100))
	for i := range jobs {
		jobs[i] = syncjob.Job{
			ID: strconv.Itoa(i), OverallStatus: pick("in_progress", "In Progress", "completed", "failed", fmt.Sprintf("status %d", rng.IntN(30)), fmt.Sprintf("status %d", rng.IntN(30))), Abort: rng.IntN(5) == 0,
			CreatedAt: when(), UpdatedAt: when(), CompletedAt: when(), Scopes: []string{pick("a::s", "A::s", "b::s", "west/b::s")},
		}
		for _, region := range []string{"", "west/", "east/", "north/"}[:rng.IntN(5)] {
			jobs[i].Details = append(jobs[i].Details, syncjob.Detail{
				Key: region + pick("a::s", "b::s", "B::S"), Text: pick("", "in progress", "synchronized successfully", "failed", "failed: 403", "cancelled", "gone"),
			})
		}
	}
	return jobs
}
