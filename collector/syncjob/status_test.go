package syncjob_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cckm_sync_exporter/collector/syncjob"
)

// list returns the list with this name.
func list(t *testing.T, name string) syncjob.List {
	t.Helper()
	for _, l := range syncjob.Lists() {
		if l.Name == name {
			return l
		}
	}
	t.Fatalf("no list %s", name)
	return syncjob.List{}
}

// summarize returns the summary of a list with these jobs.
func summarize(t *testing.T, name string, jobs ...syncjob.Job) *syncjob.Summary {
	t.Helper()
	s := syncjob.NewSummarizer(list(t, name))
	for i := range jobs {
		add(t, s, &jobs[i], at(59))
	}
	return s.Summary(at(59))
}

// add adds a job to a summarizer.
func add(t *testing.T, s *syncjob.Summarizer, job *syncjob.Job, now time.Time) {
	t.Helper()
	if err := s.Add(job, now); err != nil {
		t.Fatal(err)
	}
}

// scope returns a scope of a summary.
func scope(t *testing.T, summary *syncjob.Summary, name string) syncjob.Scope {
	t.Helper()
	for i := range summary.Scopes {
		if summary.Scopes[i].Name == name {
			return summary.Scopes[i]
		}
	}
	t.Fatalf("no scope %q", name)
	return syncjob.Scope{}
}

// names returns the names of a summary's scopes, in its order.
func names(summary *syncjob.Summary) []string {
	names := make([]string, 0, len(summary.Scopes))
	for i := range summary.Scopes {
		names = append(names, summary.Scopes[i].Name)
	}
	return names
}

// at returns a time of one morning.
func at(minute int) time.Time {
	return time.Date(2022, time.May, 17, 9, minute, 0, 0, time.UTC)
}

const (
	inProgress = syncjob.InProgress
	completed  = syncjob.Completed
	failed     = syncjob.Failed
	aborted    = syncjob.Aborted
	unknown    = syncjob.Unknown
)

// TestJobStatus checks a job's own status, and the status of its scope if detailed_status does not
// mention it, for every status with and without a cancel.
func TestJobStatus(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		overall  string
		abort    bool
		want     syncjob.Status
		finished bool
	}{
		{"in_progress", false, inProgress, false},
		{"in_progress", true, inProgress, false},
		{"completed", false, completed, true},
		{"completed", true, aborted, true},
		{"failed", false, failed, true},
		{"failed", true, failed, true},
		{"error", false, failed, true},
		{"error", true, failed, true},
		{"", false, unknown, true},
		{"queued", false, unknown, true},
		{"queued", true, unknown, true},
		// The API has no status "cancelled".
		{"cancelled", false, unknown, true},
		{"aborted", true, unknown, true},
		// Case, blanks and hyphens do not matter.
		{"in progress", false, inProgress, false},
		{"In-Progress", true, inProgress, false},
		{"IN_PROGRESS", false, inProgress, false},
		{"COMPLETED", false, completed, true},
		{"Completed", true, aborted, true},
		{"Failed", false, failed, true},
		{"ERROR", true, failed, true},
		{"inprogress", false, unknown, true},
		{"in  progress", false, unknown, true},
		{" completed", false, unknown, true},
		{"\u0131n_progress", false, unknown, true},
		{"completed successfully", false, unknown, true},
	} {
		job := syncjob.Job{ID: "1", OverallStatus: test.overall, Abort: test.abort, Scopes: []string{"r"}}
		if got := job.Status(); got != test.want {
			t.Errorf("%q, abort %t: status %s, want %s", test.overall, test.abort, got, test.want)
		}
		if got := job.Finished(); got != test.finished {
			t.Errorf("%q, abort %t: finished %t", test.overall, test.abort, got)
		}
		summary := summarize(t, "google-keys", job)
		if got := scope(t, summary, "r"); summary.Jobs[test.want] != 1 || got.Jobs[test.want] != 1 || got.Newest.Status != test.want {
			t.Errorf("%q, abort %t: list %v, scope %+v, want one that is %s", test.overall, test.abort, summary.Jobs, got, test.want)
		}
	}
}

// jobKinds are the jobs in which each text is tested.
func jobKinds() map[string]syncjob.Job {
	return map[string]syncjob.Job{
		"running":   {OverallStatus: "in_progress"},
		"stopping":  {OverallStatus: "in_progress", Abort: true},
		"done":      {OverallStatus: "completed"},
		"cancelled": {OverallStatus: "completed", Abort: true},
		"failed":    {OverallStatus: "failed"},
		"error":     {OverallStatus: "error", Abort: true},
		"odd":       {OverallStatus: "queued"},
		"odd abort": {OverallStatus: "queued", Abort: true},
	}
}

// TestUnknownValues checks which statuses and texts are reported: those without a known meaning, each once,
// and of many the first ones.
func TestUnknownValues(t *testing.T) {
	t.Parallel()
	with := func(values ...string) *syncjob.Summary {
		jobs := make([]syncjob.Job, 0, 2*len(values))
		for i, value := range values {
			jobs = append(jobs,
				syncjob.Job{ID: strconv.Itoa(2 * i), OverallStatus: value},
				syncjob.Job{ID: strconv.Itoa(2*i + 1), OverallStatus: "completed", Details: []syncjob.Detail{{Key: "r", Text: value}}})
		}
		return summarize(t, "google-keys", jobs...)
	}
	summary := with("skipped", "completed", "in progress", "failed", "queued", "skipped")
	for _, got := range [][]string{summary.UnknownStatuses, summary.UnknownTexts} {
		if want := []string{"queued", "skipped"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	nonsense := make([]string, 0, 1000)
	for i := range cap(nonsense) {
		nonsense = append(nonsense, at(i).String())
	}
	summary = with(nonsense...)
	slices.Sort(nonsense)
	for _, got := range [][]string{summary.UnknownStatuses, summary.UnknownTexts} {
		if !slices.Equal(got, nonsense[:16]) {
			t.Errorf("got %q, want the first 16", got)
		}
	}
}

// outcome is the status of a scope by the kind of its job.
type outcome map[string]syncjob.Status

// own is the job's own status.
func own() outcome {
	return outcome{
		"running": inProgress, "stopping": inProgress, "done": completed, "cancelled": aborted,
		"failed": failed, "error": failed, "odd": unknown, "odd abort": unknown,
	}
}

// always is the same in each job.
func always(status syncjob.Status) outcome {
	all := own()
	for kind := range all {
		all[kind] = status
	}
	return all
}

// success is a success, unless the job was canceled and has ended.
func success() outcome {
	all := always(completed)
	all["cancelled"], all["error"], all["odd abort"] = aborted, aborted, aborted
	return all
}

// other is the job's own status, but unknown if the job says completed.
func other() outcome {
	all := own()
	all["done"], all["cancelled"] = unknown, unknown
	return all
}

// TestTexts checks what each text means in each kind of job.
func TestTexts(t *testing.T) {
	t.Parallel()
	for _, group := range []struct {
		want  outcome
		texts []string
	}{
		// Rule 2: no text, or a form of in_progress, also in a job that has ended.
		{own(), []string{"in_progress", "IN_PROGRESS", " in_progress\n", "in progress", "In-Progress", "", " "}},
		// Rule 1, the documented ends of a success.
		{success(), []string{
			"key ring synchronized successfully", "vault synchronized successfully", "region synchronized successfully",
			"synchronized successfully", "Vault Synchronized Successfully", "\tvault synchronized successfully \n",
			// The words before it may be a scope's name.
			"failover-vault synchronized successfully", "error-vault synchronized successfully", "cancel-ring synchronized successfully",
			"retried after a timeout, then synchronized successfully", "notsynchronized synchronized successfully",
		}},
		// Rule 1, failures.
		{always(failed), []string{
			"fail", "failed", "Failed to list keys", "failure", "the sync FAILED", "prefailed",
			"error", "Internal Server Error", "errors: 3",
			"access denied", "Denied", "403 Forbidden", "401 Unauthorized", "unable to reach the vault",
			"cannot read", "key ring not found", "404 Not Found", "timed out", "request timed out", "timeout", "i/o timeout",
			"invalid credentials", "unsuccessful", "Synchronization was unsuccessful", "java.lang.Exception", "exception",
			// A failure comes before an abort and a success.
			"aborted after an error", "cancelled: timeout", "completed with errors", "synchronized successfully, then failed",
			"vault synchronized successfully: 3 keys failed", "could not be synchronized: access denied", "unsuccessfully completed",
			// The clouds' own words.
			"User: arn:aws:iam::1:user/x is not authorized to perform: kms:ListKeys", "context deadline exceeded", "connection refused",
			"Service unavailable", "host unreachable", "the vault is not reachable", "ThrottlingException", "request was throttled",
			"429 Too Many Requests", "[NCERRBadRequest: Bad HTTP request]: Error Listing Keys : TooManyRequests", "Quota reached",
			"AADSTS7000222: The provided client secret keys for app 'x' are expired.", "token expired", "connection reset by peer",
			"dial tcp: lookup vault.example: no such host", "AADSTS50034",
		}},
		// Rule 1, aborts; they come before a success.
		{always(aborted), []string{
			"abort", "aborted", "Aborting", "cancel", "cancelled", "canceled", "Cancelled by user",
			"completed: cancelled", "cancelled before it was complete", "not synchronized: aborted", "abort completed",
		}},
		// Rule 1, other successes.
		{success(), []string{
			"success", "Success", "successful", "successfully", "synchronization successful", "complete", "completed", "COMPLETED", "sync completed.",
			"refreshed", "domain Refreshed", "synchronized", "Synchronized 5 keys", "vault synchronized successfully.", "partly synchronized", "notwithstanding, completed", "not only completed",
		}},
		// Rule 3: a success is never guessed, either from unknown words or from parts of words.
		{other(), []string{
			"queued", "something else", "ошибка", "incomplete", "uncompleted", "completely gone", "unsynchronized", "resynchronized",
			"completion", "succeeded", "nonsuccess", "unrefreshed", "in progress: 5 of 10", "inprogress",
		}},
		// Rule 3: a denied success names no failure.
		{other(), []string{
			"not synchronized", "not completed", "not complete", "not successful", "not yet complete", "not fully synchronized", "never synchronized",
			"Not Synchronized", "could not be synchronized", "has not been synchronized", "has not yet been fully synchronized successfully",
			"was not synchronized successfully", "wasn't completed", "isn't  complete", "hasn't been synchronized successfully", "never yet completed",
			"not\tbe\nsynchronized", "not refreshed", "not completely synchronized", "not synchronized, not completed",
			// A text that was cut may have ended in anything.
			"synchronized, then " + strings.Repeat("x", syncjob.MaxText-len("synchronized, then …")) + "…",
		}},
	} {
		for _, text := range group.texts {
			for kind, job := range jobKinds() {
				job.ID, job.Scopes, job.Details = "1", []string{"r"}, []syncjob.Detail{{Key: "r", Text: text}}
				got := scope(t, summarize(t, "google-keys", job), "r")
				if want := group.want[kind]; got.Newest.Status != want || got.Jobs[want] != 1 {
					t.Errorf("%q in a job that is %s: %s, want %s", text, kind, got.Newest.Status, want)
				}
			}
		}
	}
}

// TestOneScopeTwice checks which status and text count if detailed_status names a vault more than once, in any
// order: the worst status, and of its texts the first in alphabetical order.
func TestOneScopeTwice(t *testing.T) {
	t.Parallel()
	const done, wrong, stopped, busy = "vault synchronized successfully", "failed", "aborted", "in_progress"
	for _, test := range []struct {
		overall string
		abort   bool
		texts   []string
		status  syncjob.Status
		text    string
	}{
		{"completed", false, nil, completed, ""},
		{"completed", false, []string{""}, completed, ""},
		{"completed", false, []string{"", done}, completed, done},
		{"completed", false, []string{busy}, completed, busy},
		{"completed", false, []string{done, wrong}, failed, wrong},
		{"completed", false, []string{"timed out", "403 Forbidden"}, failed, "403 Forbidden"},
		{"completed", false, []string{done, stopped}, aborted, stopped},
		{"failed", false, []string{stopped, wrong}, failed, wrong},
		{"failed", false, []string{done, busy}, failed, busy},
		{"in_progress", false, []string{done, busy}, inProgress, busy},
		{"in_progress", false, []string{done, done}, completed, done},
		{"in_progress", false, []string{stopped, busy}, aborted, stopped},
		{"queued", false, []string{done, busy}, unknown, busy},
		{"queued", false, []string{stopped, busy}, aborted, stopped},
		{"queued", true, []string{done, busy}, aborted, done},
		{"completed", false, []string{done, "skipped"}, unknown, "skipped"},
		{"completed", false, []string{"skipped", stopped}, aborted, stopped},
		{"completed", true, []string{done, wrong, done}, failed, wrong},
	} {
		for range 2 {
			job := syncjob.Job{
				ID: "1", OverallStatus: test.overall, Abort: test.abort, Scopes: []string{"v::s"},
				Details: []syncjob.Detail{{Key: "west/another::s", Text: "failed"}},
			}
			for i, text := range test.texts {
				job.Details = append(job.Details, syncjob.Detail{Key: string(rune('a'+i)) + "/V::s", Text: text})
			}
			got := scope(t, summarize(t, "azure-keys", job), "v::s")
			if got.Newest.Status != test.status || got.Jobs[test.status] != 1 {
				t.Errorf("%q in a job that is %s, abort %t: %s, want %s", test.texts, test.overall, test.abort, got.Newest.Status, test.status)
			}
			if test.text != got.Newest.Text {
				t.Errorf("%q in a job that is %s: the text %q, want %q", test.texts, test.overall, got.Newest.Text, test.text)
			}
			slices.Reverse(test.texts)
		}
	}
}
