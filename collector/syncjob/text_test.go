package syncjob_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/collector/syncjob"
)

// TestTextOfScope checks which text counts if a job names a vault more than once: one of the status that
// counts, in any order.
func TestTextOfScope(t *testing.T) {
	t.Parallel()
	const vault = "a::s"
	type entries = []syncjob.Detail
	for name, test := range map[string]struct {
		details entries
		status  syncjob.Status
		text    string
	}{
		"no detailed_status":        {nil, completed, ""},
		"another vault's":           {entries{{Key: "west/b::s", Text: "failed"}}, completed, ""},
		"its own":                   {entries{{Key: "west/a::s", Text: "vault synchronized successfully"}}, completed, "vault synchronized successfully"},
		"null":                      {entries{{Key: "west/a::s"}}, completed, ""},
		"the worse of two":          {entries{{Key: "west/a::s", Text: "vault synchronized successfully"}, {Key: "east/a::s", Text: "403 Forbidden"}}, failed, "403 Forbidden"},
		"the worst of three":        {entries{{Key: "west/a::s", Text: "cancelled"}, {Key: "east/a::s", Text: "timed out"}, {Key: "a::s", Text: "done"}}, failed, "timed out"},
		"in another case":           {entries{{Key: "West/A::S", Text: "timed out"}}, failed, "timed out"},
		"the first of two in order": {entries{{Key: "west/a::s", Text: "timed out"}, {Key: "east/a::s", Text: "403 Forbidden"}}, failed, "403 Forbidden"},
		"rather one than none":      {entries{{Key: "west/a::s"}, {Key: "east/a::s", Text: "vault synchronized successfully"}}, completed, "vault synchronized successfully"},
		"one that says nothing":     {entries{{Key: "west/a::s", Text: "in_progress"}}, completed, "in_progress"},
	} {
		for range 2 {
			got := scope(t, summarize(t, "azure-certificates", syncjob.Job{
				ID: "1", OverallStatus: "completed", CreatedAt: at(1), CompletedAt: at(2), Scopes: []string{vault}, Details: test.details,
			}), vault)
			if got.Last.Result != test.status || got.Last.Text != test.text || got.Newest.Text != test.text {
				t.Errorf("%s: %s, %q and %q, want %s, %q", name, got.Last.Result, got.Last.Text, got.Newest.Text, test.status, test.text)
			}
			slices.Reverse(test.details)
		}
	}
}

// TestOrderMeansNothing checks that a summary depends on nothing but the set of the jobs: not on their
// order, nor on that of the entries of detailed_status, nor on copies on the way.
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
				// What the original counts later is not in the copy.
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
