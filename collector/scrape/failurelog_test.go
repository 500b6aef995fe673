package scrape_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// morning returns a minute of the morning on which the jobs of these tests run.
func morning(minute int) time.Time { return time.Date(2026, time.May, 17, 9, minute, 0, 0, time.UTC) }

// ended returns a job that was created and finished in these minutes, with one text for each scope.
func ended(id, status string, created, finished int, text string, scopes ...string) syncjob.Job {
	job := syncjob.Job{ID: id, OverallStatus: status, CreatedAt: morning(created), CompletedAt: morning(finished), Scopes: scopes}
	for _, scope := range scopes {
		job.Details = append(job.Details, syncjob.Detail{Key: scope, Text: text})
	}
	return job
}

func aborted(job syncjob.Job) syncjob.Job {
	job.Abort = true
	return job
}

// says returns a reader whose reads return these summaries in turn, and then the last one forever.
func says(summaries ...*syncjob.Summary) *fakeReader {
	return &fakeReader{read: func(_ context.Context, number int64) (*syncjob.Summary, error) {
		return summaries[min(int(number), len(summaries))-1], nil
	}}
}

// summed returns the summary of a list of Google keys that has these jobs.
func summed(jobs ...syncjob.Job) *syncjob.Summary {
	s := syncjob.NewSummarizer(syncjob.Lists()[0])
	for i := range jobs {
		_ = s.Add(&jobs[i], morning(0))
	}
	return s.Summary(morning(0))
}

const (
	done   = "key ring synchronized successfully"
	denied = "failed: 403 Forbidden"
)

// TestFailuresAreLoggedOnce checks what is logged of failed jobs. Each step is a read of the jobs of all
// steps up to it, except those that are gone.
func TestFailuresAreLoggedOnce(t *testing.T) {
	warn := func(scope, job string) line { return line{"level": "warn", "scope": scope, "job": job} }
	info := func(scope, job string) line { return line{"level": "info", "scope": scope, "job": job} }
	type step struct {
		jobs []syncjob.Job
		gone []string
		want []line
	}
	for name, steps := range map[string][]step{
		"a failure and its recovery": {
			{jobs: []syncjob.Job{ended("1", "completed", 0, 1, done, "r")}},
			{jobs: []syncjob.Job{ended("2", "failed", 2, 4, denied, "r")}, want: []line{{
				"level": "warn", "during": "read", "list": "google-keys", "scope": "r", "job": "2", "text": denied,
				"msg": "job failed", "scopes": nil, "others": nil,
			}}},
			{},
			{jobs: []syncjob.Job{{ID: "3", OverallStatus: "in_progress", CreatedAt: morning(5), Scopes: []string{"r"}}}},
			{gone: []string{"3"}, jobs: []syncjob.Job{ended("3", "completed", 5, 64, done, "r")}, want: []line{{
				"level": "info", "during": "read", "list": "google-keys", "scope": "r", "job": "3", "failing": "1h0m0s",
			}}},
			{jobs: []syncjob.Job{ended("4", "completed", 65, 66, done, "r")}},
		},
		"one that was there at the start": {
			{jobs: []syncjob.Job{ended("1", "failed", 0, 1, denied, "r")}, want: []line{warn("r", "1")}},
			{},
		},
		"another failure is another job, and the recovery is of both": {
			{jobs: []syncjob.Job{ended("1", "failed", 0, 1, denied, "r")}, want: []line{warn("r", "1")}},
			{jobs: []syncjob.Job{ended("2", "failed", 30, 31, denied, "r")}, want: []line{warn("r", "2")}},
			{jobs: []syncjob.Job{ended("3", "completed", 60, 61, done, "r")}, want: []line{{"level": "info", "job": "3", "failing": "1h0m0s"}}},
			{jobs: []syncjob.Job{ended("4", "failed", 62, 63, denied, "r")}, want: []line{warn("r", "4")}},
		},
		"an aborted job and one of unknown status are neither": {
			{jobs: []syncjob.Job{aborted(ended("1", "completed", 0, 1, "", "a")), ended("2", "failed", 0, 1, denied, "b", "c")}, want: []line{warn("b", "2")}},
			{jobs: []syncjob.Job{aborted(ended("3", "completed", 2, 3, "", "b")), ended("4", "paused", 2, 3, "", "c")}, want: []line{{"status": "paused"}}},
			{jobs: []syncjob.Job{ended("5", "completed", 4, 5, done, "a", "b", "c")}, want: []line{
				{"level": "info", "scope": "b", "job": "5", "scopes": 2.0, "others": `["c"]`, "failing": "4m0s"},
			}},
		},
		"one job ends failures of different times": {
			{jobs: []syncjob.Job{ended("1", "failed", 0, 10, denied, "a"), ended("2", "failed", 0, 5, denied, "b")}, want: []line{warn("b", "2"), warn("a", "1")}},
			{jobs: []syncjob.Job{ended("3", "completed", 14, 15, done, "a", "b")}, want: []line{{"level": "info", "scope": "a", "job": "3", "failing": "10m0s"}}},
		},
		"only some of a job's scopes": {
			{jobs: []syncjob.Job{{
				ID: "1", OverallStatus: "failed", CreatedAt: morning(0), CompletedAt: morning(1), Scopes: []string{"a", "b", "c"},
				Details: []syncjob.Detail{{Key: "a", Text: done}, {Key: "b", Text: denied}, {Key: "c", Text: "timed out"}},
			}}, want: []line{{"level": "warn", "scope": "b", "scopes": 2.0, "others": `["c"]`, "job": "1", "text": denied}}},
		},
		"a job without times": {
			{jobs: []syncjob.Job{{ID: "1", OverallStatus: "failed", Scopes: []string{"r"}}}, want: []line{
				{"level": "warn", "scope": "r", "job": "1", "text": ""},
			}},
			{},
			{jobs: []syncjob.Job{ended("2", "completed", 0, 1, done, "r")}, want: []line{info("r", "2")}},
		},
		"a scope that is gone is forgotten": {
			{jobs: []syncjob.Job{ended("1", "failed", 0, 1, denied, "a"), ended("2", "failed", 0, 1, denied, "b")}, want: []line{warn("a", "1"), warn("b", "2")}},
			{gone: []string{"1"}},
			{jobs: []syncjob.Job{ended("3", "completed", 2, 3, done, "a")}},
		},
		"an older failure that is the newest again was logged": {
			{jobs: []syncjob.Job{ended("1", "failed", 0, 1, denied, "r")}, want: []line{warn("r", "1")}},
			{jobs: []syncjob.Job{ended("2", "failed", 2, 3, denied, "r")}, want: []line{warn("r", "2")}},
			{gone: []string{"2"}},
			{jobs: []syncjob.Job{ended("3", "failed", 4, 5, denied, "r")}, want: []line{warn("r", "3")}},
		},
		"a failure before a success, between two reads, is not logged": {
			{jobs: []syncjob.Job{ended("1", "completed", 0, 1, done, "r")}},
			{jobs: []syncjob.Job{ended("2", "failed", 2, 3, denied, "r"), ended("3", "completed", 4, 5, done, "r")}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			summaries := make([]*syncjob.Summary, 0, len(steps))
			var jobs []syncjob.Job
			for _, step := range steps {
				jobs = slices.DeleteFunc(slices.Clone(jobs), func(j syncjob.Job) bool { return slices.Contains(step.gone, j.ID) })
				jobs = append(jobs, step.jobs...)
				summaries = append(summaries, summed(jobs...))
			}
			var logged logbook
			c := scrape.New(sourceOf(says(summaries...)), scrape.Options{Timeout: time.Minute, Logger: logged.logger()})
			defer c.Close()
			for i, step := range steps {
				c.Read(t.Context())
				wantLines(t, fmt.Sprintf("read %d", i+1), logged.take(t, "info", "warn", "error"), step.want...)
			}
			c.Read(t.Context())
			wantLines(t, "a last read, of the same summary", logged.take(t, "info", "warn", "error"))
		})
	}
}

// TestManyFailures checks that many failures at the same time do not fill the log: the newest ones are
// logged, and one line counts the others. The same is true for their recovery.
func TestManyFailures(t *testing.T) {
	const most = 50
	for _, n := range []int{most, most + 1, 500} {
		broken, fixed := make([]syncjob.Job, 0, n), make([]syncjob.Job, 0, n)
		for i := range n {
			id, scope := fmt.Sprintf("%04d", i), fmt.Sprintf("r%04d", i)
			broken = append(broken, ended(id, "failed", i, i+1, denied, scope))
			fixed = append(fixed, ended(id+"x", "completed", n+i, n+i+1, done, scope))
		}
		slices.Reverse(broken)
		var logged logbook
		c := scrape.New(sourceOf(says(summed(broken...), summed(append(fixed, broken...)...))), scrape.Options{Timeout: time.Minute, Logger: logged.logger()})
		for _, want := range []struct{ level, suffix string }{{"warn", ""}, {"info", "x"}} {
			c.Read(t.Context())
			lines := logged.take(t, "info", "warn")
			if more := n - most; more > 0 {
				wantLines(t, "the summary", lines[:1], line{"level": want.level, "list": "google-keys", "jobs": float64(more)})
				if hint, _ := lines[0]["hint"].(string); want.level == "warn" &&
					!strings.Contains(hint, `cckm_sync_scope_last_result{cloud="google",item="key",result="failed"} == 1`) {
					t.Errorf("hint=%s", hint)
				}
				lines = lines[1:]
			}
			if len(lines) != most {
				t.Fatalf("%d %s lines, want %d", len(lines), want.level, most)
			}
			for i := range most {
				wantLines(t, "a job", lines[i:i+1], line{"level": want.level, "job": fmt.Sprintf("%04d%s", n-most+i, want.suffix)})
			}
		}
		c.Close()
	}
}

// TestFailureOfManyScopes checks that a job that failed for many scopes is one line, which names some of them.
func TestFailureOfManyScopes(t *testing.T) {
	scopes := make([]string, 200)
	for i := range scopes {
		scopes[i] = fmt.Sprintf("r%03d", i)
	}
	others := scopes[1:11]
	var logged logbook
	c := scrape.New(sourceOf(says(summed(ended("1", "failed", 0, 1, denied, scopes...)))), scrape.Options{Timeout: time.Minute, Logger: logged.logger()})
	defer c.Close()
	c.Read(t.Context())
	wantLines(t, "the job", logged.take(t, "info", "warn"), line{"scope": "r000", "scopes": 200.0, "others": fmt.Sprintf("%q", others)})
}

// TestLoggedNamesAreCut checks that the length of a line about a job is bounded, although quotes in names
// are escaped twice.
func TestLoggedNamesAreCut(t *testing.T) {
	for char, most := range map[string]int{"x": 1500, `"`: 4000} {
		scopes := make([]string, 11)
		for i := range scopes {
			scopes[i] = fmt.Sprintf("r%03d%s", i, strings.Repeat(char, 508))
		}
		var logged logbook
		job := ended(strings.Repeat(char, 512), "failed", 0, 1, denied+": "+strings.Repeat(char, 400), scopes...)
		c := scrape.New(sourceOf(says(summed(job))), scrape.Options{Timeout: time.Minute, Logger: logged.logger()})
		c.Read(t.Context())
		c.Close()
		size := logged.lines.Len()
		lines := logged.take(t, "warn")
		if len(lines) != 1 || size > most {
			t.Fatalf("%d lines in %d bytes, want one of at most %d: %v", len(lines), size, most, lines)
		}
		if scope, _ := lines[0]["scope"].(string); !strings.HasPrefix(scope, "r000"+char) || !strings.HasSuffix(scope, "…") {
			t.Errorf("scope=%s", scope)
		}
	}
}

// TestOverlappingReads checks that a read that its scraper has left, and that ends after a newer one, is
// not logged.
func TestOverlappingReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := ended("1", "failed", 0, 1, denied, "r")
		reader := &fakeReader{read: func(_ context.Context, number int64) (*syncjob.Summary, error) {
			if number == 1 {
				advance(10 * time.Second)
				return summed(broken), nil
			}
			return summed(broken, ended("2", "completed", 2, 3, done, "r")), nil
		}}
		var logged logbook
		c := scrape.New(sourceOf(reader), scrape.Options{Timeout: time.Minute, Logger: logged.logger()})
		defer c.Close()
		read, _ := scrapeOnce(t, c, 2*time.Second)
		wantReason(t, read, reason.Timeout)
		if read, _ = scrapeOnce(t, c, 2*time.Second); read.Err != nil {
			t.Fatal(read.Err)
		}
		advance(time.Minute)
		wantLines(t, "both", logged.take(t, "info", "warn"))
	})
}

// TestFailuresOfOneVaultInTwoSpellings checks that a vault whose name is spelled differently in each job fails and
// recovers as one.
func TestFailuresOfOneVaultInTwoSpellings(t *testing.T) {
	azure := syncjob.Lists()[1]
	jobs := []syncjob.Job{ended("1", "failed", 0, 1, denied, "MyVault::S"), ended("2", "completed", 60, 61, done, "myvault::s")}
	s := syncjob.NewSummarizer(azure)
	summaries := make([]*syncjob.Summary, 0, len(jobs))
	for i := range jobs {
		if err := s.Add(&jobs[i], morning(61)); err != nil {
			t.Fatal(err)
		}
		summaries = append(summaries, s.Copy().Summary(morning(61)))
	}
	var logged logbook
	c := scrape.New([]scrape.Source{{List: azure, Reader: says(summaries...)}}, scrape.Options{Timeout: time.Minute, Logger: logged.logger()})
	defer c.Close()
	c.Read(t.Context())
	wantLines(t, "the failure", logged.take(t, "info", "warn"), line{"level": "warn", "scope": "MyVault::S", "job": "1"})
	c.Read(t.Context())
	wantLines(t, "the recovery", logged.take(t, "info", "warn"), line{"level": "info", "scope": "myvault::s", "job": "2", "failing": "1h0m0s"})
}
