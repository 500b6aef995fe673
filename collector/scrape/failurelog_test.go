package scrape_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

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
	// Each job has a line, and one with its id at level debug.
	with := func(short line, job string) []line { return []line{short, {"level": "debug", "job": job}} }
	warn := func(scope, job string) []line {
		return with(line{"level": "warn", "scope": scope, "msg": "job failed"}, job)
	}
	info := func(scope, job string) []line { return with(line{"level": "info", "scope": scope}, job) }
	type step struct {
		jobs []syncjob.Job
		gone []string
		want []line
	}
	for name, steps := range map[string][]step{
		"a failure and its recovery": {
			{jobs: []syncjob.Job{ended("1", "completed", 0, 1, done, "r")}},
			{jobs: []syncjob.Job{ended("2", "failed", 2, 4, denied, "r")}, want: []line{
				{"level": "warn", "list": "google-keys", "scope": "r", "text": denied, "msg": "job failed", "scopes": nil},
				{"level": "debug", "list": "google-keys", "job": "2", "text": denied, "others": nil},
			}},
			{},
			{jobs: []syncjob.Job{{ID: "3", OverallStatus: "in_progress", CreatedAt: morning(5), Scopes: []string{"r"}}}},
			{gone: []string{"3"}, jobs: []syncjob.Job{ended("3", "completed", 5, 64, done, "r")}, want: []line{
				{"level": "info", "list": "google-keys", "scope": "r", "failing": "1h0m0s"}, {"level": "debug", "job": "3"},
			}},
			{jobs: []syncjob.Job{ended("4", "completed", 65, 66, done, "r")}},
		},
		"one that was there at the start": {
			{jobs: []syncjob.Job{ended("1", "failed", 0, 1, denied, "r")}, want: warn("r", "1")},
			{},
		},
		"another failure is another job, and the recovery is of both": {
			{jobs: []syncjob.Job{ended("1", "failed", 0, 1, denied, "r")}, want: warn("r", "1")},
			{jobs: []syncjob.Job{ended("2", "failed", 30, 31, denied, "r")}, want: warn("r", "2")},
			{jobs: []syncjob.Job{ended("3", "completed", 60, 61, done, "r")}, want: with(line{"level": "info", "failing": "1h0m0s"}, "3")},
			{jobs: []syncjob.Job{ended("4", "failed", 62, 63, denied, "r")}, want: warn("r", "4")},
		},
		"an aborted job and one of unknown status are neither": {
			{jobs: []syncjob.Job{aborted(ended("1", "completed", 0, 1, "", "a")), ended("2", "failed", 0, 1, denied, "b", "c")}, want: warn("b", "2")},
			{jobs: []syncjob.Job{aborted(ended("3", "completed", 2, 3, "", "b")), ended("4", "paused", 2, 3, "", "c")}, want: []line{{"status": "paused"}}},
			{jobs: []syncjob.Job{ended("5", "completed", 4, 5, done, "a", "b", "c")}, want: []line{
				{"level": "info", "scope": "b", "scopes": 2.0, "failing": "4m0s"}, {"level": "debug", "job": "5", "others": `["c"]`},
			}},
		},
		"one job ends failures of different times": {
			{jobs: []syncjob.Job{ended("1", "failed", 0, 10, denied, "a"), ended("2", "failed", 0, 5, denied, "b")}, want: slices.Concat(warn("b", "2"), warn("a", "1"))},
			{jobs: []syncjob.Job{ended("3", "completed", 14, 15, done, "a", "b")}, want: with(line{"level": "info", "scope": "a", "failing": "10m0s"}, "3")},
		},
		"only some of a job's scopes": {
			{jobs: []syncjob.Job{{
				ID: "1", OverallStatus: "failed", CreatedAt: morning(0), CompletedAt: morning(1), Scopes: []string{"a", "b", "c"},
				Details: []syncjob.Detail{{Key: "a", Text: done}, {Key: "b", Text: denied}, {Key: "c", Text: "timed out"}},
			}}, want: []line{
				{"level": "warn", "scope": "b", "scopes": 2.0, "text": denied}, {"level": "debug", "others": `["c"]`, "job": "1"},
			}},
		},
		"a job without times": {
			{jobs: []syncjob.Job{{ID: "1", OverallStatus: "failed", Scopes: []string{"r"}}}, want: with(line{"level": "warn", "scope": "r", "text": ""}, "1")},
			{},
			{jobs: []syncjob.Job{ended("2", "completed", 0, 1, done, "r")}, want: info("r", "2")},
		},
		"a scope that is gone is forgotten": {
			{jobs: []syncjob.Job{ended("1", "failed", 0, 1, denied, "a"), ended("2", "failed", 0, 1, denied, "b")}, want: slices.Concat(warn("a", "1"), warn("b", "2"))},
			{gone: []string{"1"}},
			{jobs: []syncjob.Job{ended("3", "completed", 2, 3, done, "a")}},
		},
		"an older failure that is the newest again was logged": {
			{jobs: []syncjob.Job{ended("1", "failed", 0, 1, denied, "r")}, want: warn("r", "1")},
			{jobs: []syncjob.Job{ended("2", "failed", 2, 3, denied, "r")}, want: warn("r", "2")},
			{gone: []string{"2"}},
			{jobs: []syncjob.Job{ended("3", "failed", 4, 5, denied, "r")}, want: warn("r", "3")},
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
				wantLines(t, fmt.Sprintf("read %d", i+1), logged.take(t, "debug", "info", "warn", "error"), step.want...)
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
			lines := logged.take(t, "debug", "info", "warn")
			if more := n - most; more > 0 {
				wantLines(t, "the summary", lines[:1], line{"level": want.level, "list": "google-keys", "jobs": float64(more)})
				if hint, _ := lines[0]["hint"].(string); want.level == "warn" &&
					!strings.Contains(hint, `cckm_sync_scope_last_result{cloud="google",item="key",result="failed"} == 1`) {
					t.Errorf("hint=%s", hint)
				}
				lines = lines[1:]
			}
			if len(lines) != 2*most {
				t.Fatalf("%d %s lines, want %d", len(lines)/2, want.level, most)
			}
			for i := range most {
				wantLines(t, "a job", lines[2*i:2*i+2], line{"level": want.level}, line{"job": fmt.Sprintf("%04d%s", n-most+i, want.suffix)})
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
	wantLines(t, "the job", logged.take(t, "debug", "info", "warn"), line{"scope": "r000", "scopes": 200.0}, line{"others": fmt.Sprintf("%q", others)})
}

// TestLinesAboutJobsAreBounded checks the length of the lines about a job with the longest names, although
// quotes in names are escaped twice.
func TestLinesAboutJobsAreBounded(t *testing.T) {
	for char, most := range map[string][2]int{"x": {250, 1700}, `"`: {400, 4000}} {
		scopes := make([]string, 11)
		for i := range scopes {
			scopes[i] = fmt.Sprintf("r%03d%s", i, strings.Repeat(char, 508))
		}
		var logged logbook
		job := ended(strings.Repeat(char, 512), "failed", 0, 1, denied+": "+strings.Repeat(char, 400), scopes...)
		c := scrape.New(sourceOf(says(summed(job))), scrape.Options{Timeout: time.Minute, Logger: logged.logger()})
		c.Read(t.Context())
		c.Close()
		lines := slices.Collect(bytes.Lines(logged.lines.Bytes()))
		if len(lines) != 2 || len(lines[0]) > most[0] || len(lines[1]) > most[1] {
			t.Errorf("%d lines, want 2 of at most %v bytes:\n%s", len(lines), most, &logged.lines)
		}
	}
}

// TestLinesAboutJobsAreShort checks that a line with a usual name fits into 200 characters, and begins with
// the cause.
func TestLinesAboutJobsAreShort(t *testing.T) {
	for _, scope := range []string{
		"projects/acme-staging/locations/europe-west3/keyRings/payments", "acme-partner-vault::7a1c4f0e-52d6-4b8e-9a43-1f0d6c2b9e75",
	} {
		var logged bytes.Buffer
		logger := level.NewFilter(log.With(log.NewLogfmtLogger(&logged), "ts", "2026-05-17T09:00:00.123Z"), level.AllowInfo())
		job := ended("e7dfc2d6-14ea-4cb0-8c49-81d3c5f6b1a2", "failed", 0, 1,
			"[NCERRBadRequest: Bad HTTP request]: Error Listing Google Keys : Permission 'cloudkms.cryptoKeys.list' denied on resource", scope)
		c := scrape.New(sourceOf(says(summed(job))), scrape.Options{Timeout: time.Minute, Logger: logger})
		c.Read(t.Context())
		c.Close()
		const want = `list=google-keys text="Permission 'cloudkms.cryptoKeys.list' denied on…" scope=`
		if line := logged.String(); utf8.RuneCountInString(line) > 200 || strings.Count(line, "\n") != 1 || !strings.Contains(line, want+scope) {
			t.Errorf("%d characters, want at most 200 with %s%s:\n%s", utf8.RuneCountInString(line), want, scope, line)
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
	wantLines(t, "the failure", logged.take(t, "info", "warn"), line{"level": "warn", "scope": "MyVault::S"})
	c.Read(t.Context())
	wantLines(t, "the recovery", logged.take(t, "info", "warn"), line{"level": "info", "scope": "myvault::s", "failing": "1h0m0s"})
}
