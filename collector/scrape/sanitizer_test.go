package scrape_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// says returns a reader whose reads say one after another what these summaries say, the last of them for ever.
func says(summaries ...*syncjob.Summary) *fakeReader {
	return &fakeReader{read: func(_ context.Context, number int64) (*syncjob.Summary, error) {
		return summaries[min(int(number), len(summaries))-1], nil
	}}
}

// summed returns what a list of Google keys says that has these jobs.
func summed(jobs ...syncjob.Job) *syncjob.Summary {
	s := syncjob.NewSummarizer(syncjob.Lists()[0])
	for i := range jobs {
		s.Add(&jobs[i], morning(0))
	}
	return s.Summary(morning(0))
}

// TestWordsAreShownWithoutSecrets holds that nobody gets to see what Hide takes out of the appliance's words,
// nor characters that control a terminal; and that a summary without such stays the very same one.
func TestWordsAreShownWithoutSecrets(t *testing.T) {
	created := time.Date(2026, time.May, 17, 9, 0, 0, 0, time.UTC)
	job := func(id, status, scope, text string) syncjob.Job {
		return syncjob.Job{
			ID: id, OverallStatus: status, CreatedAt: created, CompletedAt: created.Add(time.Minute),
			Scopes: []string{scope}, Details: []syncjob.Detail{{Key: scope, Text: text}},
		}
	}
	const id = "2f7c6f46-4b04-4f43-8b5d-000000000000"
	known := true
	hide := func(text string) string {
		if !known {
			return text
		}
		return strings.ReplaceAll(text, "hunter2", "<secret>")
	}
	clean := summed(job(id, "failed", "r", "403 Forbidden"), job("2", "in_progress", "r", "in_progress"))
	spoilt := summed(
		job(id, "failed", "a", "failed as hunter2"), job("hunter2", "in_progress", "b", "waits for hunter2"),
		job("3", "hunter2", "c", "red \x1b[31m, \u202eright to left\r\n"), job("4", "completed", "d", "vault hunter2 synchronized successfully"),
		job("5", "completed", "z", "in two\u2028lines, \xff"),
	)
	later := summed(job(id, "failed", "a", "failed as hunter2"), job("5", "failed", "b", "by now hunter2 is a word"))

	var logged logbook
	c := scrape.New(sourceOf(says(clean, clean, spoilt, spoilt, later)), scrape.Options{Timeout: time.Minute, Logger: logged.logger(), Redact: hide})
	defer c.Close()
	read := func() *syncjob.Summary {
		summary := c.Read(t.Context()).Lists[0].Summary
		if latest := c.Latest()[0]; latest.Read.Summary != summary || latest.Complete.Summary != summary {
			t.Error("what is kept is not what was read")
		}
		return summary
	}
	for range 2 {
		if read() != clean {
			t.Error("a summary that hides nothing has become another one")
		}
	}
	shown := read()
	if shown == spoilt || shown != read() {
		t.Error("a summary with secrets is not changed once")
	}
	got := map[string]string{"status": strings.Join(shown.UnknownStatuses, ","), "texts": strings.Join(shown.UnknownTexts, ",")}
	for _, s := range shown.Scopes {
		got[s.Name+" newest"], got[s.Name+" oldest"] = s.Newest.ID+" "+s.Newest.Text, s.OldestInProgressID+" "+s.OldestInProgressText
		if s.Last != nil {
			got[s.Name+" last"] = s.Last.ID + " " + s.Last.Text
		}
	}
	want := map[string]string{
		"status":   "<secret>",
		"texts":    "in two lines, \uFFFD,red  [31m,  right to left,waits for <secret>",
		"a newest": id + " failed as <secret>", "a last": id + " failed as <secret>", "a oldest": " ",
		"b newest": "<secret> waits for <secret>", "b oldest": "<secret> waits for <secret>",
		"c newest": "3 red  [31m,  right to left", "c last": "3 red  [31m,  right to left", "c oldest": " ",
		"d newest": "4 vault <secret> synchronized successfully", "d last": "4 vault <secret> synchronized successfully", "d oldest": " ",
		"z newest": "5 in two lines, \uFFFD", "z last": "5 in two lines, \uFFFD", "z oldest": " ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("words (-want +got):\n%s", diff)
	}
	if text := spoilt.Scopes[0].Last.Text; text != "failed as hunter2" {
		t.Errorf("the reader's own summary was changed: %q", text)
	}
	if shown.Jobs != spoilt.Jobs || shown.Scopes[0].Jobs != spoilt.Scopes[0].Jobs || !shown.Scopes[0].LastFailure.Equal(created.Add(time.Minute)) {
		t.Errorf("figures were changed: %+v", shown)
	}

	// What repeated a secret stays hidden for as long as it is there.
	known = false
	shown = read()
	if text := shown.Scopes[0].Last.Text; text != "failed as <secret>" {
		t.Errorf("a text that is still there now shows %q", text)
	}
	if text := shown.Scopes[1].Last.Text; text != "by now hunter2 is a word" {
		t.Errorf("a text that is new shows %q", text)
	}
	for _, one := range logged.take(t, "debug", "info", "warn", "error") {
		if one["scope"] == "b" || one["text"] == "by now hunter2 is a word" {
			continue // By then it was a word.
		}
		for key, value := range one {
			if text, ok := value.(string); ok && strings.Contains(text, "hunter2") {
				t.Errorf("the log shows %s=%s", key, text)
			}
		}
	}
}

// TestLongIDs checks that a job's id is cut even if nothing else in the summary has to change.
func TestLongIDs(t *testing.T) {
	long := syncjob.Job{ID: strings.Repeat("g", 2*syncjob.MaxText), OverallStatus: "failed", Scopes: []string{"r"}}
	c := scrape.New(sourceOf(says(summed(long))), scrape.Options{Timeout: time.Minute})
	defer c.Close()
	scope := c.Read(t.Context()).Lists[0].Summary.Scopes[0]
	if n := len(scope.Newest.ID); n != syncjob.MaxText {
		t.Errorf("the newest job's id has %d bytes", n)
	}
	if n := len(scope.Last.ID); n != syncjob.MaxText {
		t.Errorf("the last finished job's id has %d bytes", n)
	}
}

// TestNoSummary holds that a reader's mistake fails its list and nothing else.
func TestNoSummary(t *testing.T) {
	c := scrape.New(sourceOf(says(nil)), scrape.Options{Timeout: time.Minute})
	defer c.Close()
	wantReason(t, c.Read(t.Context()).Lists[0], reason.Other)
}
