package state_test

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/schedule"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/state"
	"cckm_sync_exporter/collector/syncjob"
)

func now() time.Time { return time.Date(2026, time.March, 14, 3, 0, 0, 0, time.UTC) }

// ended returns a scope whose newest job finished some time ago, after earlier successes if it succeeded
// before.
func ended(result syncjob.Status, ago time.Duration, succeeded bool) *syncjob.Scope {
	job := syncjob.ScopeJob{ID: "job", Status: result, FinishedAt: now().Add(-ago)}
	s := &syncjob.Scope{Newest: job, Last: &job}
	s.Jobs[result]++
	if succeeded {
		s.Jobs[syncjob.Completed]++
		s.LastSuccess = now().Add(-time.Hour)
	}
	return s
}

// running adds a job to a scope that has been in progress for some time.
func running(s *syncjob.Scope, since time.Duration) *syncjob.Scope {
	s.Jobs[syncjob.InProgress]++
	s.Newest = syncjob.ScopeJob{ID: "running", Status: syncjob.InProgress}
	s.OldestInProgress = now().Add(-since)
	return s
}

// succeeded sets when a scope succeeded last.
func succeeded(s *syncjob.Scope, ago time.Duration) *syncjob.Scope {
	s.LastSuccess = now().Add(-ago)
	return s
}

// newest sets the status of a scope's newest job.
func newest(s *syncjob.Scope, status syncjob.Status) *syncjob.Scope {
	s.Newest.Status = status
	return s
}

// TestOfScopes lists the scopes of one list with the keys of their states. Times that decide are tested on
// both sides of the threshold.
func TestOfScopes(t *testing.T) {
	untimed := ended(syncjob.Failed, 0, true)
	untimed.Last.FinishedAt = time.Time{}
	within := newest(&syncjob.Scope{}, syncjob.Completed)
	within.Jobs[syncjob.Completed]++
	failing := newest(running(&syncjob.Scope{}, 0), syncjob.Failed)
	failing.Jobs = [syncjob.NumStatuses]int{syncjob.Completed: 1, syncjob.Failed: 1, syncjob.Unknown: 0}
	for _, test := range []struct {
		cloud string
		want  string
		scope *syncjob.Scope
	}{
		{"", "in_sync", ended(syncjob.Completed, time.Minute, true)},
		{"", "in_sync", succeeded(ended(syncjob.Completed, time.Minute, true), 48*time.Hour)},
		{"", "overdue", succeeded(ended(syncjob.Completed, time.Minute, true), 48*time.Hour+time.Second)},
		{"", "overdue failed", succeeded(ended(syncjob.Failed, 2*time.Minute, true), 50*time.Hour)},
		{"", "failed", ended(syncjob.Failed, 2*time.Minute, true)},
		{"", "failed", untimed},
		{"", "partly_failed", ended(syncjob.Failed, time.Minute, true)},
		{"", "failed", running(ended(syncjob.Failed, 2*time.Minute, true), time.Hour)},
		{"", "failed never_succeeded", ended(syncjob.Failed, 2*time.Minute, false)},
		{"", "running", running(ended(syncjob.Completed, time.Minute, true), 2*time.Hour)},
		{"", "stuck", running(ended(syncjob.Completed, time.Minute, true), 2*time.Hour+time.Second)},
		{"azure", "running", running(ended(syncjob.Completed, time.Minute, true), 12*time.Hour)},
		{"azure", "stuck", running(ended(syncjob.Completed, time.Minute, true), 12*time.Hour+time.Second)},
		{"azure", "stuck", running(&syncjob.Scope{}, 24*time.Hour)},
		{"azure", "stuck never_succeeded", running(&syncjob.Scope{}, 24*time.Hour+time.Second)},
		{"", "aborted", ended(syncjob.Aborted, 0, true)},
		{"", "never_succeeded aborted", ended(syncjob.Aborted, 0, false)},
		{"", "running", running(ended(syncjob.Aborted, 0, true), time.Minute)},
		{"", "unknown", ended(syncjob.Unknown, 0, true)},
		{"", "unknown", running(ended(syncjob.Unknown, 0, true), time.Minute)},
		{"", "unknown", newest(ended(syncjob.Completed, time.Minute, true), syncjob.Unknown)},
		// A job that is in progress for other scopes already has a result for this one.
		{"", "in_sync", within},
		{"", "running", failing},
		{"", "in_sync", newest(ended(syncjob.Aborted, 0, true), syncjob.Completed)},
		{"", "in_sync", newest(ended(syncjob.Completed, 0, true), syncjob.Failed)},
	} {
		// Its newest finished job is that of the failed scope which finished a minute ago.
		other := ended(syncjob.Completed, time.Minute, true)
		keys := make([]string, 0, 2)
		for _, s := range state.OfScopes(test.cloud, []state.Scope{{Jobs: test.scope}, {Jobs: other}}, now())[0].States() {
			keys = append(keys, s.Info().Key)
		}
		if got := strings.Join(keys, " "); got != test.want {
			t.Errorf("%s %+v: states %q, want %q", test.cloud, *test.scope, got, test.want)
		}
	}
}

// TestOfPlannedScopes lists what schedules and the inventory say about a scope, with the keys of its states.
func TestOfPlannedScopes(t *testing.T) {
	// daily was due hours ago, and hourly is due now.
	daily := schedule.Times{Due: now().Add(-5 * time.Hour), Late: now().Add(-5 * time.Hour), Interval: 24 * time.Hour}
	hourly := schedule.Times{Due: now(), Late: now().Add(-time.Hour), Interval: time.Hour}
	started := func(s *syncjob.Scope, ago time.Duration) *syncjob.Scope {
		s.Newest.CreatedAt = now().Add(-ago)
		return s
	}
	good := func(ago time.Duration) *syncjob.Scope {
		return succeeded(started(ended(syncjob.Completed, ago, true), ago), ago)
	}
	failing := func() *syncjob.Scope { return started(ended(syncjob.Failed, time.Minute, false), 0) }
	for _, test := range []struct {
		want string
		jobs *syncjob.Scope
		plan state.Scope
	}{
		{"in_sync", good(5 * time.Hour), state.Scope{Times: daily}},
		{"in_sync", good(5*time.Hour + 2*time.Minute), state.Scope{Times: daily}},
		{"missed", good(5*time.Hour + 2*time.Minute + time.Second), state.Scope{Times: daily}},
		{"missed", started(running(good(29*time.Hour), time.Hour), time.Hour), state.Scope{Times: schedule.Times{Late: now()}}},
		// Nobody knows when the newest job was created.
		{"in_sync", ended(syncjob.Completed, time.Minute, true), state.Scope{Times: daily}},
		{"in_sync", good(time.Hour), state.Scope{Times: hourly}},
		{"in_sync", started(good(2*time.Hour+15*time.Minute), 0), state.Scope{Times: hourly}},
		{"overdue", started(good(2*time.Hour+16*time.Minute), 0), state.Scope{Times: hourly}},
		// Its schedule has become more frequent, and no run of it was due.
		{"in_sync", good(48 * time.Hour), state.Scope{Times: schedule.Times{Due: now(), Interval: time.Hour}}},
		{"in_sync", good(13 * 24 * time.Hour), state.Scope{Times: schedule.Times{Interval: 7 * 24 * time.Hour}}},
		{"removed", good(80 * time.Hour), state.Scope{Times: daily, Removed: true}},
		{"removed", running(failing(), 80*time.Hour), state.Scope{Removed: true}},
		{"unknown removed", ended(syncjob.Unknown, time.Minute, true), state.Scope{Removed: true}},
		{"never_succeeded", nil, state.Scope{Times: daily}},
		{"", nil, state.Scope{Times: schedule.Times{Due: now()}}},
		{"", nil, state.Scope{Times: daily, Refreshed: true}},
		{"", nil, state.Scope{}},
		{"failed never_succeeded", failing(), state.Scope{Times: daily, Refreshed: true}},
	} {
		keys := make([]string, 0, 2)
		test.plan.Jobs = test.jobs
		for _, s := range state.OfScopes("", []state.Scope{test.plan}, now())[0].States() {
			keys = append(keys, s.Info().Key)
		}
		if got := strings.Join(keys, " "); got != test.want {
			t.Errorf("%+v %+v: states %q, want %q", test.jobs, test.plan, got, test.want)
		}
	}
}

// TestOfList checks the state of a list in every condition.
func TestOfList(t *testing.T) {
	good := &scrape.ListRead{Summary: &syncjob.Summary{}}
	failed := &scrape.ListRead{Err: reason.New(reason.Network, errors.New("refused"), "")}
	late := &scrape.ListRead{Err: reason.New(reason.Timeout, errors.New("late"), "")}
	full := func(ago time.Duration) *scrape.FullReadProgress {
		return &scrape.FullReadProgress{Started: now().Add(-ago)}
	}
	arriving := func(ago time.Duration) *scrape.FullReadProgress {
		read := full(ago)
		read.Pages = 42
		return read
	}
	for name, test := range map[string]struct {
		latest scrape.Latest
		want   state.ListState
	}{
		"no scrape":            {scrape.Latest{}, state.Waiting},
		"first read":           {scrape.Latest{FullRead: full(0)}, state.Reading},
		"the scrape has ended": {scrape.Latest{FullRead: arriving(time.Minute), Read: late}, state.Reading},
		"it takes too long":    {scrape.Latest{FullRead: arriving(11 * time.Minute), Read: late}, state.Unreadable},
		"no page arrives":      {scrape.Latest{FullRead: full(0), Read: late}, state.Unreadable},
		"it has failed before": {scrape.Latest{FullRead: full(0), Read: failed}, state.Unreadable},
		"read":                 {scrape.Latest{Read: good, Complete: good, ReadAt: now()}, state.Readable},
		"a full read is due":   {scrape.Latest{Read: good, Complete: good, ReadAt: now(), FullRead: full(0)}, state.Readable},
		"not scraped any more": {scrape.Latest{Read: good, Complete: good, ReadAt: now().Add(-11 * time.Minute)}, state.OutOfDate},
		"others are scraped": {
			scrape.Latest{Read: good, Complete: good, ReadAt: now().Add(-20 * time.Minute), ScrapedAt: now()}, state.Readable,
		},
		"only others are scraped": {
			scrape.Latest{Read: good, Complete: good, ReadAt: now().Add(-21 * time.Minute), ScrapedAt: now()}, state.Unasked,
		},
		"failed, and only others are scraped": {scrape.Latest{Read: failed, ReadAt: now().Add(-21 * time.Minute), ScrapedAt: now()}, state.Unasked},
		"nothing is scraped any more": {
			scrape.Latest{Read: good, Complete: good, ReadAt: now().Add(-21 * time.Minute), ScrapedAt: now().Add(-11 * time.Minute)}, state.OutOfDate,
		},
		"failed":                  {scrape.Latest{Read: failed, Complete: good, ReadAt: now()}, state.Unreadable},
		"failed, read in full":    {scrape.Latest{Read: late, Complete: good, ReadAt: now(), FullRead: full(0)}, state.Unreadable},
		"failed and not repeated": {scrape.Latest{Read: failed, ReadAt: now().Add(-11 * time.Minute)}, state.Unreadable},
	} {
		if got := state.OfList(&test.latest, now()); got != test.want {
			t.Errorf("%s: %s, want %s", name, got.Info().Name, test.want.Info().Name)
		}
	}
}

// TestNeverReadable checks for which lists nobody is paged.
func TestNeverReadable(t *testing.T) {
	read := &scrape.ListRead{Summary: &syncjob.Summary{}}
	for _, r := range reason.All() {
		want := state.Critical
		if r == reason.NotFound || r == reason.Forbidden {
			want = state.Warning
		}
		failed := &scrape.ListRead{Err: reason.New(r, errors.New("failed"), "")}
		if got := state.Unreadable.InfoOf(&scrape.Latest{Read: failed}).Severity; got != want {
			t.Errorf("%s: %s, want %s", r, got, want)
		}
		if got := state.Unreadable.InfoOf(&scrape.Latest{Read: failed, Complete: read}).Severity; got != state.Critical {
			t.Errorf("%s after a read: %s", r, got)
		}
	}
}

// TestTable checks what the order and the lookup by key promise.
func TestTable(t *testing.T) {
	rank := map[state.Severity]int{state.Critical: 0, state.Warning: 1, state.None: 2}
	worst, symbols := 0, map[string]bool{}
	for _, s := range state.All() {
		info := s.Info()
		if rank[info.Severity] < worst {
			t.Errorf("%s is after a state of lower severity", info.Name)
		}
		worst = rank[info.Severity]
		if found, ok := state.Named(info.Key); !ok || found != s {
			t.Errorf("%s is not found by its key", info.Name)
		}
		if (info.Severity == state.None) != (info.Alert == "") || (info.Alert == "") != (info.Advice == "") {
			t.Errorf("%s has only some of severity, alert and advice", info.Name)
		}
		if symbols[info.Symbol] {
			t.Errorf("%s has the symbol of another state", info.Name)
		}
		symbols[info.Symbol] = true
	}
	if _, ok := state.Named("ok"); ok {
		t.Error("a state is found that does not exist")
	}
}

// TestAlerts compares the states with the alerts of the same names.
func TestAlerts(t *testing.T) {
	severities := map[string][]string{}
	for _, r := range rules(t, "alerts") {
		severities[r.Alert] = append(severities[r.Alert], r.Labels["severity"])
	}
	check := func(info state.Info) {
		if info.Alert != "" && !slices.Contains(severities[info.Alert], string(info.Severity)) {
			t.Errorf("%s is %s, its alert %s is %q", info.Name, info.Severity, info.Alert, severities[info.Alert])
		}
	}
	for _, s := range state.All() {
		check(s.Info())
	}
	for _, s := range state.AllLists() {
		check(s.Info())
	}
}

// TestThresholds compares the thresholds with those of the alerts.
func TestThresholds(t *testing.T) {
	number := regexp.MustCompile(`^vector\((?:(\d+) \* )?(3600|86400)\)$`)
	found := map[string]int{}
	for _, r := range rules(t, "thresholds") {
		defaults := state.ThresholdsOf(r.Labels["cloud"])
		want, ok := map[string]time.Duration{
			"cckm_sync:overdue_after:seconds":         defaults.Overdue,
			"cckm_sync:stuck_after:seconds":           defaults.Stuck,
			"cckm_sync:never_succeeded_after:seconds": defaults.NeverSucceeded,
		}[r.Record]
		if !ok {
			continue
		}
		found[r.Record]++
		match := number.FindStringSubmatch(r.Expr)
		if match == nil {
			t.Errorf("%s: cannot parse %s", r.Record, r.Expr)
			continue
		}
		seconds, _ := strconv.Atoi(match[2])
		if match[1] != "" {
			n, _ := strconv.Atoi(match[1])
			seconds *= n
		}
		if want != time.Duration(seconds)*time.Second {
			t.Errorf("%s of %s is %s, want %d s as in the file", r.Record, r.Labels["cloud"], want, seconds)
		}
	}
	want := map[string]int{"cckm_sync:overdue_after:seconds": 1, "cckm_sync:stuck_after:seconds": 4, "cckm_sync:never_succeeded_after:seconds": 1}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("thresholds in the file (-want +got):\n%s", diff)
	}
}

type rule struct {
	Record, Alert, Expr string
	Labels              map[string]string
}

// rules returns the rules of a file of deploy/prometheus.
func rules(t *testing.T, name string) []rule {
	t.Helper()
	in, err := os.ReadFile("../../deploy/prometheus/cckm_sync_" + name + ".yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct{ Rules []rule }
	}
	if err := yaml.Unmarshal(in, &file); err != nil {
		t.Fatal(err)
	}
	return file.Groups[0].Rules
}
