package syncjob_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/collector/syncjob"
)

// summaryAt returns the summary, at now, of jobs that were read at read.
func summaryAt(t *testing.T, read, now time.Time, jobs ...syncjob.Job) *syncjob.Summary {
	t.Helper()
	s := syncjob.NewSummarizer(list(t, "google-keys"))
	for i := range jobs {
		add(t, s, &jobs[i], read)
	}
	return s.Summary(now)
}

// TestFutureTimes checks that a time more than a day ahead counts as missing until it is due, in each of the
// series that need it.
func TestFutureTimes(t *testing.T) {
	t.Parallel()
	now, ahead := at(10), at(10).AddDate(1, 0, 0)
	due := ahead.Add(-24 * time.Hour)
	job := func(id, status string, created, updated, finished time.Time) syncjob.Job {
		return syncjob.Job{
			ID: id, OverallStatus: status, CreatedAt: created, UpdatedAt: updated, CompletedAt: finished, Scopes: []string{ring},
		}
	}
	success := job("9", "completed", ahead, ahead.Add(time.Minute), ahead.Add(time.Minute))
	failure := job("1", "failed", at(1), at(2), at(2))
	for name, test := range map[string]struct {
		jobs []syncjob.Job
		// The jobs are equal to these, now and when the last of the times is due.
		now, then []syncjob.Job
	}{
		"a success of a wrong clock, and a failure after it": {
			[]syncjob.Job{success, failure},
			[]syncjob.Job{job("9", "completed", time.Time{}, time.Time{}, time.Time{}), failure},
			[]syncjob.Job{success, failure},
		},
		"one that runs": {
			[]syncjob.Job{job("2", "in_progress", ahead, at(3), time.Time{}), job("1", "in_progress", at(2), at(3), time.Time{})},
			[]syncjob.Job{job("2", "in_progress", time.Time{}, at(3), time.Time{}), job("1", "in_progress", at(2), at(3), time.Time{})},
			[]syncjob.Job{job("2", "in_progress", ahead, at(3), time.Time{}), job("1", "in_progress", at(2), at(3), time.Time{})},
		},
		"the clock was wrong only at the start": {
			[]syncjob.Job{job("2", "failed", ahead, at(4), at(4)), failure},
			[]syncjob.Job{job("2", "failed", time.Time{}, at(4), at(4)), failure},
			[]syncjob.Job{job("2", "failed", ahead, at(4), at(4)), failure},
		},
		"the clock was wrong only at the end": {
			[]syncjob.Job{job("2", "completed", at(3), at(4), ahead), failure},
			[]syncjob.Job{job("2", "completed", at(3), at(4), time.Time{}), failure},
			[]syncjob.Job{job("2", "completed", at(3), at(4), ahead), failure},
		},
		"exactly a day ahead": {
			[]syncjob.Job{job("2", "completed", now.Add(24*time.Hour), now, now), failure},
			[]syncjob.Job{job("2", "completed", now.Add(24*time.Hour), now, now), failure},
			[]syncjob.Job{job("2", "completed", now.Add(24*time.Hour), now, now), failure},
		},
	} {
		got, want := summaryAt(t, now, now, test.jobs...), summaryAt(t, ahead, now, test.now...)
		if diff := cmp.Diff(want.Scopes, got.Scopes); diff != "" {
			t.Errorf("%s, now (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(want.Jobs, got.Jobs); diff != "" {
			t.Errorf("%s, jobs (-want +got):\n%s", name, diff)
		}
		then := due.Add(time.Minute)
		got, want = summaryAt(t, now, then, test.jobs...), summaryAt(t, then, then, test.then...)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s, when it is due (-want +got):\n%s", name, diff)
		}
		if got.Future != (syncjob.Future{}) || !got.ValidUntil.IsZero() {
			t.Errorf("%s, when it is due: %+v, valid until %s", name, got.Future, got.ValidUntil)
		}
	}
	summary := summaryAt(t, now, now, success, failure)
	s := scope(t, summary, ring)
	if s.Newest.ID != "1" || s.Last.ID != "1" || s.Last.Status != failed || !s.LastSuccess.IsZero() {
		t.Errorf("the job of a wrong clock counts: %+v, last %+v", s, s.Last)
	}
	if want := (syncjob.Future{Jobs: 1, ID: "9", At: ahead}); summary.Future != want || !summary.ValidUntil.Equal(due) {
		t.Errorf("got %+v, valid until %s, want %+v, %s", summary.Future, summary.ValidUntil, want, due)
	}
	if summary.Expired(due.Add(-1)) || !summary.Expired(due) || summaryAt(t, now, due, success, failure).Expired(due) {
		t.Error("the summary does not expire when the time is due")
	}
}

// TestManyFutureTimes checks that the number of kept jobs with such times is bounded: those that are due first are
// kept, and a summary that lacks a time that is due has expired.
func TestManyFutureTimes(t *testing.T) {
	t.Parallel()
	const jobs = 3000
	now, ahead := at(1), at(1).AddDate(1, 0, 0)
	all := syncjob.NewSummarizer(list(t, "google-keys"))
	for i := range jobs {
		// The last are due first.
		created := ahead.Add(time.Duration(jobs-i) * time.Second)
		add(t, all, &syncjob.Job{
			ID: fmt.Sprintf("%04d", i), OverallStatus: "in_progress", CreatedAt: created, Scopes: []string{ring},
			Details: []syncjob.Detail{{Key: ring, Text: strings.Repeat("x", syncjob.MaxText)}},
		}, now)
	}
	for _, test := range []struct {
		seconds  int
		expired  bool
		newestID string
	}{
		{-1, false, "2999"}, // Of those without a time, by id.
		{1, false, "2999"},
		{500, false, "2500"},
		{jobs, true, ""},
	} {
		then := ahead.Add(time.Duration(test.seconds)*time.Second - 24*time.Hour)
		summary := all.Copy().Summary(then)
		s := scope(t, summary, ring)
		if s.Jobs[inProgress] != jobs || summary.Jobs[inProgress] != jobs {
			t.Errorf("after %ds: %d jobs, want %d", test.seconds, s.Jobs[inProgress], jobs)
		}
		if want := jobs - max(0, test.seconds); !test.expired && summary.Future.Jobs != want {
			t.Errorf("after %ds: %d jobs have a time that is not due, want %d", test.seconds, summary.Future.Jobs, want)
		}
		if summary.Expired(then) != test.expired || !test.expired && s.Newest.ID != test.newestID {
			t.Errorf("after %ds: expired %t, newest %s, want %t, %s", test.seconds, summary.Expired(then), s.Newest.ID, test.expired, test.newestID)
		}
	}
}

// TestLabelOfTheNewestJob checks that a scope of Azure is labeled as its newest job spells it.
func TestLabelOfTheNewestJob(t *testing.T) {
	t.Parallel()
	older := syncjob.Job{ID: "1", OverallStatus: "completed", CreatedAt: at(1), Scopes: []string{"MyVault::S"}}
	newer := syncjob.Job{
		ID: "2", OverallStatus: "failed", CreatedAt: at(2), Scopes: []string{"myvault::S"},
		Details: []syncjob.Detail{{Key: "EastUS/MYVAULT::s", Text: "vault synchronized successfully"}},
	}
	for _, jobs := range [][]syncjob.Job{{older, newer}, {newer, older}} {
		summary := summarize(t, "azure-keys", jobs...)
		if got := names(summary); len(got) != 1 || got[0] != "myvault::S" {
			t.Fatalf("got the scopes %q, want one, as the newest job spells it", got)
		}
		if got := summary.Scopes[0].Jobs; got[completed] != 2 {
			t.Errorf("got %v, want two completed jobs", got)
		}
	}
}
