package statuspage_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cckm_sync_exporter/collector/config"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
	"cckm_sync_exporter/collector/web/statuspage"
	"cckm_sync_exporter/collector/web/statuspage/fleettest"
	"cckm_sync_exporter/deploy"
)

// countingReader counts how often a list is read.
type countingReader struct {
	reads atomic.Int32
	err   error
}

func (r *countingReader) Read(context.Context) (*syncjob.Summary, int, error) {
	r.reads.Add(1)
	if r.err != nil {
		return nil, 1, r.err
	}
	return &syncjob.Summary{Scopes: []syncjob.Scope{{Name: "ring-that-was-read"}}}, 1, nil
}

func (*countingReader) FullReadProgress() *scrape.FullReadProgress { return nil }
func (*countingReader) Close()                                     {}

// TestOpeningReadsNothing opens the page before a scrape and after it.
func TestOpeningReadsNothing(t *testing.T) {
	reader := &countingReader{}
	c := scrape.New([]scrape.Source{{List: syncjob.Lists()[0], Reader: reader}}, scrape.Options{Timeout: time.Minute})
	t.Cleanup(c.Close)
	targets := func() []statuspage.Target {
		return []statuspage.Target{{URL: "https://cm.example.com", Lists: c.Latest()}}
	}
	page, err := statuspage.New(statuspage.Config{Targets: targets, TelemetryPath: "/metrics", ProbePath: "/probe", DiscoveryPath: "/sd"})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		body := get(t, page, "")
		if !strings.Contains(body, "Waiting for the first read") || strings.Contains(body, "ring-that-was-read") {
			t.Error("before a scrape, the page does not show that there was none")
		}
	}
	if n := reader.reads.Load(); n != 0 {
		t.Errorf("opening the page has read the list %d times", n)
	}
	c.Read(t.Context())
	for range 3 {
		if body := get(t, page, ""); !strings.Contains(body, "ring-that-was-read") {
			t.Error("after a scrape, the page does not show its result")
		}
	}
	if n := reader.reads.Load(); n != 1 {
		t.Errorf("the list was read %d times, want once, by the scrape", n)
	}
}

// TestWorstFirst checks the order of the rows.
func TestWorstFirst(t *testing.T) {
	got := rows(t, get(t, newPage(t, fleettest.Fleet(fleettest.Now())), ""))
	want := []string{
		"kv-idle ! Overdue ◷ Missed", "payments ! Overdue ✕ Failed", "kv-db was ! Overdue ◐ Partly failed",
		"kv-web-prod ✕ Failed", "kv-legacy ◐ Partly failed", "ledger ▲ Stuck", "fresh ∅ Never succeeded",
		"trial ∅ Never succeeded ■ Aborted", "kv-edge ◷ Missed", "archive ◷ Missed ■ Aborted", "partner-7 ? Unknown", "signing ► Running",
		"tenant-239 ✓ In sync", "tenant-238 ✓ In sync",
	}
	for i := range want {
		name, states, _ := strings.Cut(want[i], " ")
		if !strings.HasPrefix(got[i], name+" ") || !strings.Contains(got[i], " "+states+" ") {
			t.Errorf("row %d: %q\nwant %q", i+1, got[i], want[i])
		}
	}
}

// TestOldRowsAreMarked shows a list that failed after a complete read, and one that is not scraped any more.
// Neither may look current.
func TestOldRowsAreMarked(t *testing.T) {
	now := fleettest.Now()
	list := syncjob.Lists()[0]
	whole := &scrape.ListRead{List: list, Summary: &syncjob.Summary{Scopes: []syncjob.Scope{
		{
			Name: "ring", Newest: syncjob.ScopeJob{ID: "1", Status: syncjob.InProgress, CreatedAt: now.Add(-3 * time.Hour)},
			Jobs:             [...]int{syncjob.InProgress: 1, syncjob.Unknown: 0},
			OldestInProgress: now.Add(-3 * time.Hour), OldestInProgressID: "1",
		},
	}}}
	failed := &scrape.ListRead{List: list, Err: reason.New(reason.Network, errors.New("connection refused"), "check the firewall")}
	for name, test := range map[string]struct {
		latest scrape.Latest
		old    bool
		says   []string
	}{
		"read just now": {
			scrape.Latest{Read: whole, ReadAt: now.Add(-time.Minute), Complete: whole, CompleteAt: now.Add(-time.Minute)},
			false,
			[]string{"▲ Stuck", "in progress for 3 h:"},
		},
		"then failed": {
			scrape.Latest{Read: failed, ReadAt: now.Add(-time.Minute), Complete: whole, CompleteAt: now.Add(-2 * time.Hour)},
			true,
			[]string{"was ► Running", "as of 2 h ago", "not read since"},
		},
		"not scraped any more": {
			scrape.Latest{Read: whole, ReadAt: now.Add(-11 * time.Minute), Complete: whole, CompleteAt: now.Add(-11 * time.Minute)},
			true,
			[]string{"was ▲ Stuck", "as of 11 min ago", "not read since", "in progress for 2 h 49 min:"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			test.latest.List = list
			body := get(t, newPage(t, fleettest.Source{{URL: "https://cm.example.com", Lists: []scrape.Latest{test.latest}}}), "")
			found := rows(t, body)
			if len(found) != 1 {
				t.Fatalf("rows: %q", found)
			}
			for _, words := range test.says {
				if main := textOf(t, body, "main"); !strings.Contains(main, words) {
					t.Errorf("the page does not contain %q: %s", words, main)
				}
			}
			if marked := strings.Contains(found[0], "not read since") && strings.Count(body, `<tr role="row" class="old">`) == 2; marked != test.old {
				t.Errorf("the row is marked as old: %t, want %t: %s", marked, test.old, found[0])
			}
			if title := textOf(t, body, "title"); test.old != strings.HasPrefix(title, "1 list ") {
				t.Errorf("title: %s", title)
			}
		})
	}
}

// TestUnaskedList checks that a list that scrapes exclude has no rows and no severity, as it has no alert.
func TestUnaskedList(t *testing.T) {
	now := fleettest.Now()
	asked := wholeList(syncjob.Scope{Name: "asked", Newest: syncjob.ScopeJob{ID: "1", Status: syncjob.InProgress, CreatedAt: now}})
	unasked := wholeList(syncjob.Scope{Name: "unasked", Newest: syncjob.ScopeJob{ID: "2", Status: syncjob.Unknown, CreatedAt: now}})
	asked.ScrapedAt, unasked.ScrapedAt, unasked.ReadAt = now, now, now.Add(-21*time.Minute)
	body := get(t, newPage(t, fleettest.Source{{Lists: []scrape.Latest{asked, unasked}}}), "")
	if found := rows(t, body); len(found) != 1 || !strings.Contains(found[0], "asked") || strings.Contains(found[0], "unasked") {
		t.Errorf("rows: %q", found)
	}
	if title, want := textOf(t, body, "title"), "All is well: 1 running · 1 list not asked for · CCKM sync"; title != want {
		t.Errorf("title %q, want %q", title, want)
	}
	if main := textOf(t, body, "main"); !strings.Contains(main, "– Not asked for Scrapes read other lists of the target") {
		t.Errorf("the page does not say why: %s", main)
	}
}

// TestUnreadableList checks that the page shows the cause and a hint, and that an appliance that is down is
// one problem.
func TestUnreadableList(t *testing.T) {
	lists := make([]scrape.Latest, 0, len(syncjob.Lists()))
	for _, list := range syncjob.Lists() {
		lists = append(lists, scrape.Latest{List: list, ReadAt: fleettest.Now(), Read: &scrape.ListRead{
			List: list, Took: 5 * time.Second, Pages: 3,
			Err: reason.New(reason.Auth, fmt.Errorf("list %s: login: %w", list.Name, errors.New("the appliance answered 401")), "check the password file"),
		}})
	}
	body := get(t, newPage(t, fleettest.Source{{Lists: lists}}), "")
	if n := strings.Count(body, `<div class="problem critical">`); n != 1 {
		t.Errorf("%d problems, want 1", n)
	}
	main := textOf(t, body, "main")
	for _, words := range []string{
		"the appliance answered 401 auth, list google-keys: login", "What to do: check the password file.", "No read has succeeded since the exporter started. What to do", "5 s, 3 pages",
	} {
		if !strings.Contains(main, words) {
			t.Errorf("the page does not contain %q", words)
		}
	}
	if strings.Contains(main, "The alert is critical") {
		t.Error("the page does not know the severity of an alert that is critical")
	}
	if title, want := textOf(t, body, "title"), "14 lists unreadable · CCKM sync"; title != want {
		t.Errorf("title %q, want %q", title, want)
	}
	if !strings.Contains(body, "CCKMSyncCredentialsRejected.md") {
		t.Error("the runbook of rejected credentials is not linked")
	}
}

// TestNeverReadable checks that the page says what the severity of the alert depends on: Prometheus remembers
// whether a list was readable before the exporter started.
func TestNeverReadable(t *testing.T) {
	list := syncjob.Lists()[0]
	for _, r := range []reason.Reason{reason.NotFound, reason.Forbidden} {
		failed := &scrape.ListRead{List: list, Err: reason.New(r, errors.New("refused"), "disable it")}
		body := get(t, newPage(t, fleettest.Source{{Lists: []scrape.Latest{{List: list, ReadAt: fleettest.Now(), Read: failed}}}}), "")
		want := "since the exporter started. The alert is critical if one did before, otherwise a warning. What to do: disable it."
		if main := textOf(t, body, "main"); !strings.Contains(main, want) || !strings.Contains(body, `<div class="problem warning">`) {
			t.Errorf("%s: the page does not have %q as a warning: %s", r, want, main)
		}
	}
}

// TestUnknownTexts checks that the page shows the texts that this version does not know.
func TestUnknownTexts(t *testing.T) {
	list := syncjob.Lists()[0]
	for texts, want := range map[int]string{
		0: "",
		1: "report them: <q class=\"words\"><bdi>text 0 &lt;b&gt;</bdi></q>.</p>",
		2: "<bdi>text 1 &lt;b&gt;</bdi></q>.</p>",
	} {
		summary := &syncjob.Summary{}
		for i := range texts {
			summary.UnknownTexts = append(summary.UnknownTexts, fmt.Sprintf("text %d <b>", i))
		}
		read := scrape.ListRead{List: list, Summary: summary}
		source := fleettest.Source{{Lists: []scrape.Latest{{List: list, Read: &read, ReadAt: fleettest.Now(), Complete: &read, CompleteAt: fleettest.Now()}}}}
		body := get(t, newPage(t, source), "")
		if !strings.Contains(body, want) || strings.Contains(body, "Unknown texts") != (texts > 0) {
			t.Errorf("%d unknown texts: the page does not have %q", texts, want)
		}
	}
}

// TestManyProblems bounds the number of problems above the table.
func TestManyProblems(t *testing.T) {
	targets := make(fleettest.Source, 0, 40)
	for i := range 40 {
		lists := fleettest.Fleet(fleettest.Now())[1].Lists[:2]
		targets = append(targets, statuspage.Target{Name: fmt.Sprintf("target-%d", i), URL: "https://cm.example.com", Lists: lists})
	}
	body := get(t, newPage(t, targets), "")
	if n := strings.Count(body, `<div class="problem critical">`); n != 5 {
		t.Errorf("%d problems, want 5", n)
	}
	if !strings.Contains(body, "35 more: see") {
		t.Error("the page does not contain the number of the others")
	}
}

// TestFilters checks the number of rows for each parameter. The verdict covers all rows.
func TestFilters(t *testing.T) {
	page := newPage(t, fleettest.Fleet(fleettest.Now()))
	title := textOf(t, get(t, page, ""), "title")
	for query, want := range map[string]string{
		"":                                     "261 rows.",
		"?state=failed":                        "2 rows.",
		"?state=overdue":                       "3 rows.",
		"?state=aborted":                       "2 rows.",
		"?state=missed":                        "4 rows.",
		"?state=removed":                       "1 row.",
		"?state=no_job":                        "3 rows.",
		"?state=no_job&list=oci-keys":          "No key ring or vault matches.",
		"?q=acme+sales":                        "2 rows.",
		"?state=in_sync&target=prod-eu":        "5 rows.",
		"?list=aws-keys":                       "2 rows.",
		"?target=prod-us":                      "240 rows.",
		"?q=PAYMENTS":                          "1 row.",
		"?q=aadsts7000222":                     "1 row.",
		"?q=6e170627-8d58-428d-86e1":           "1 row.",
		"?q=4806b37f":                          "1 row.",
		"?q=azure-cert":                        "5 rows.",
		"?q=%20%20prod-us%20":                  "240 rows.",
		"?q=there+is+no+such+thing":            "No key ring or vault matches.",
		"?q=kv&list=azure-keys&state=in_sync":  "1 row.",
		"?q=kv&list=google-keys&state=in_sync": "No key ring or vault matches.",
	} {
		body := get(t, page, query)
		if caption := textOf(t, body, "caption"); !strings.HasPrefix(caption, want) {
			t.Errorf("%s: %s\nwant %s", query, caption, want)
		}
		if got := textOf(t, body, "title"); got != title {
			t.Errorf("%s: the verdict is %q, want %q", query, got, title)
		}
	}
}

// TestCauses checks that failures which differ only by names are one cause, and that its link selects them.
func TestCauses(t *testing.T) {
	now := fleettest.Now()
	denied := func(name string, failures int) syncjob.Scope {
		scope := syncjob.Scope{Name: name, Jobs: [...]int{syncjob.Completed: 1, syncjob.Failed: failures, syncjob.Unknown: 0}, LastSuccess: now.Add(-24 * time.Hour)}
		for i := range failures {
			scope.Results = append(scope.Results, syncjob.Result{ID: name, FinishedAt: now.Add(-time.Duration(i+1) * time.Hour), Status: syncjob.Failed})
		}
		scope.Last = &syncjob.ScopeJob{ID: name, Status: syncjob.Failed, FinishedAt: now.Add(-time.Hour), Text: "rpc error: code = PermissionDenied desc = denied on " + name}
		return scope
	}
	other := denied("other", 10)
	other.Last.Text = ""
	idle := denied("idle", 0)
	idle.LastSuccess = now.Add(-72 * time.Hour)
	idle.Last.Status, idle.Last.FinishedAt = syncjob.Completed, idle.LastSuccess
	idle.Newest = *idle.Last
	page := newPage(t, fleettest.Source{{Lists: []scrape.Latest{wholeList(denied("first", 1), denied("second", 3), other, idle)}}})
	var causes []string
	for _, n := range elements(t, get(t, page, ""), "div") {
		if strings.HasPrefix(attribute(n, "class"), "problem ") {
			causes = append(causes, text(n))
		}
	}
	for i, want := range []string{
		"1 of 1 overdue : no job was started after the last success Since 3 d ago , google-keys . What to do: If its jobs fail",
		"2 of 3 failures say : denied on … rpc error: code = PermissionDenied Since 3 h ago , google-keys . What to do: Read the appliance’s text.",
		"1 of 3 failures say : no text Since at least 10 h ago , google-keys .",
	} {
		if i >= len(causes) || !strings.HasPrefix(causes[i], want) {
			t.Errorf("cause %d of %q\nwant %q", i, causes, want)
		}
	}
	for _, a := range elements(t, get(t, page, ""), "a") {
		if !strings.HasPrefix(text(a), "2 of 3") {
			continue
		}
		filtered := get(t, page, strings.TrimSuffix(strings.TrimPrefix(attribute(a, "href"), "./"), "#scopes"))
		if found := rows(t, filtered); len(found) != 2 || strings.Contains(strings.Join(found, ""), "other") {
			t.Errorf("the link selects %q", found)
		}
		if body := textOf(t, filtered, "form"); !strings.Contains(body, "Only: denied on …") {
			t.Errorf("the form does not show the cause: %s", body)
		}
		return
	}
	t.Error("no link selects the rows of a cause")
}

// TestTheWorstRows bounds the rows.
func TestTheWorstRows(t *testing.T) {
	body := get(t, newPage(t, fleettest.Large(fleettest.Now(), 2000)), "")
	if caption := textOf(t, body, "caption"); !strings.HasPrefix(caption, "The worst 500 of 2,000 rows; filter to see others.") {
		t.Error(caption)
	}
	if found := rows(t, body); len(found) != 500 {
		t.Errorf("%d rows, want 500", len(found))
	}
}

// TestNoJobs checks that lists without jobs do not look well: the user may not be allowed to see them.
func TestNoJobs(t *testing.T) {
	body := get(t, newPage(t, fleettest.Source{{}, {Lists: []scrape.Latest{wholeList()}}}), "")
	if title := textOf(t, body, "title"); title != "No jobs in any list · CCKM sync" {
		t.Error(title)
	}
	if main := textOf(t, body, "main"); !strings.Contains(main, "give it the permission view on each key ring") {
		t.Error("the page does not name the permission")
	}
}

// TestExternalURL checks that the links begin with the configured URL.
func TestExternalURL(t *testing.T) {
	const external = "https://cckm.example.com/exporter"
	page, err := statuspage.New(statuspage.Config{
		Targets: fleettest.Fleet(fleettest.Now()).Targets, ExternalURL: external, Now: fleettest.Now,
		TelemetryPath: "/metrics", ProbePath: "/probe", DiscoveryPath: "/sd",
	})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, a := range elements(t, get(t, page, ""), "a") {
		link := attribute(a, "href")
		if strings.HasPrefix(link, ".") {
			t.Errorf("the link %s is relative", link)
		}
		found[link] = true
	}
	for _, path := range []string{"/metrics", "/sd", "/probe?target=prod-eu", "/?state=failed#scopes"} {
		if !found[external+path] {
			t.Errorf("no link to %s", path)
		}
	}
}

// TestBadQueries checks that invalid parameters have a notice and a fallback.
func TestBadQueries(t *testing.T) {
	page := newPage(t, fleettest.Fleet(fleettest.Now()))
	for query, want := range map[string]string{
		"?state=broken":                   "There is no state “broken”; every state is shown.",
		"?list=google":                    "There is no list “google”; every list is shown.",
		"?target=prod":                    "There is no target “prod”; every target is shown.",
		"?cause=1a":                       "There is no cause “1a”; every cause is shown.",
		"?q=%zz":                          "A part of the address is not valid and was ignored.",
		"?state=a%00b":                    `There is no state “a\u{0}b”; every state is shown.`,
		"?q=" + strings.Repeat("x", 1000): "The filter text was cut to 200 characters.",
	} {
		if notices := textOf(t, get(t, page, query), "li"); !strings.Contains(notices, want) {
			t.Errorf("%s: no notice %q in:\n%s", query, want, notices)
		}
	}
	if body := get(t, page, "?q=x&state=failed&list=google-keys&target=prod-eu"); strings.Contains(body, `class="notices"`) {
		t.Error("a valid query has a notice")
	}
}

// TestEveryTextIsFound searches for each text that a row can show.
func TestEveryTextIsFound(t *testing.T) {
	page := newPage(t, fleettest.Source{{URL: "https://cm.example.com", Lists: []scrape.Latest{wholeList(syncjob.Scope{
		Name: "the-Scope", Newest: syncjob.ScopeJob{ID: "newest-id", Text: "newest text"},
		Last:               &syncjob.ScopeJob{ID: "last-id", Text: "last text"},
		OldestInProgressID: "oldest-id", OldestInProgressText: "oldest text",
	})}}})
	for _, text := range []string{
		"the-scope", "newest-id", "newest text", "last-id", "last text", "oldest-id", "oldest text", "google-keys",
	} {
		if n := len(rows(t, get(t, page, "?q="+url.QueryEscape(text)))); n != 1 {
			t.Errorf("%q is found in %d rows, want 1", text, n)
		}
	}
	if n := len(rows(t, get(t, page, "?q=\xff"))); n != 0 {
		t.Error("invalid UTF-8 is found")
	}
}

// wholeList returns a list that has just been read.
func wholeList(scopes ...syncjob.Scope) scrape.Latest {
	list := syncjob.Lists()[0]
	read := &scrape.ListRead{List: list, Summary: &syncjob.Summary{Scopes: scopes}}
	return scrape.Latest{List: list, Read: read, ReadAt: fleettest.Now(), Complete: read, CompleteAt: fleettest.Now()}
}

// TestLongWordsAreCut bounds the size of one row.
func TestLongWordsAreCut(t *testing.T) {
	body := get(t, newPage(t, fleettest.Source{{Lists: []scrape.Latest{wholeList(syncjob.Scope{
		Name: strings.Repeat("n", 100_000),
		Last: &syncjob.ScopeJob{ID: "1", Status: syncjob.Failed, Text: strings.Repeat("t", 100_000)},
	})}}}), "")
	if len(body) > 30_000 {
		t.Errorf("the page has %d bytes", len(body))
	}
}

// TestLinks checks the links of the page, and that the documents exist.
func TestLinks(t *testing.T) {
	links := func(source fleettest.Source) []string {
		anchors := elements(t, get(t, newPage(t, source), ""), "a")
		found := make([]string, 0, len(anchors))
		for _, a := range anchors {
			found = append(found, attribute(a, "href"))
		}
		return found
	}
	fleet := links(fleettest.Fleet(fleettest.Now()))
	for _, want := range []string{"./metrics", "./sd", "./probe?target=prod-eu", "./probe?target=prod-us"} {
		if !slices.Contains(fleet, want) {
			t.Errorf("no link to %s", want)
		}
	}
	one := fleettest.Fleet(fleettest.Now())[:1]
	one[0].Name = ""
	for _, link := range links(one) {
		if strings.HasPrefix(link, "./probe") || strings.HasPrefix(link, "./sd") {
			t.Errorf("a link to %s although the target is configured by flags", link)
		}
	}
	found := 0
	for _, link := range fleet {
		if path, ok := strings.CutPrefix(link, "./"); ok && regexp.MustCompile(`^(docs|runbooks)/`).MatchString(path) {
			found++
			if _, err := fs.Stat(deploy.Documents, strings.TrimSuffix(path, "/")); err != nil {
				t.Error(err)
			}
		}
	}
	if found < 8 {
		t.Errorf("%d links to documents, want 8 at least", found)
	}
}

// TestStrangeTarget checks that a name is escaped and that no password is shown.
func TestStrangeTarget(t *testing.T) {
	lists := fleettest.Fleet(fleettest.Now())[0].Lists
	body := get(t, newPage(t, fleettest.Source{
		{Name: "a&b=c#d", URL: "https://admin:hunter2@cm.example.com/api/", Lists: lists},
		{Name: "second", URL: "://hunter2", Lists: lists},
	}), "")
	if strings.Contains(body, "hunter2") {
		t.Error("the page contains a password")
	}
	if want := "GET https://cm.example.com/api/v1/cckm/google/synchronization-jobs/6e170627-8d58-428d-86e1-8d8d586e1706"; !strings.Contains(textOf(t, body, "code"), want) {
		t.Errorf("no %s", want)
	}
	for _, a := range elements(t, body, "a") {
		if u, err := url.Parse(attribute(a, "href")); err == nil && u.Path == "./probe" && u.Query().Get("target") == "a&b=c#d" {
			return
		}
	}
	t.Error("no link to the probe of the target")
}

// TestForgottenScopes checks that the page omits the scopes that the metrics omit, and names the setting as a
// flag or a key.
func TestForgottenScopes(t *testing.T) {
	fleet := fleettest.Fleet(fleettest.Now())[:1]
	fleet[0].ForgetScopesAfter = 4 * time.Hour
	// An appliance's clock that is wrong omits no scope.
	fleet[0].ClockOffset = 365 * 24 * time.Hour
	if body := get(t, newPage(t, fleet), ""); !strings.Contains(textOf(t, body, "p"), "2 left out") || !strings.Contains(strings.Join(rows(t, body), "\n"), "archive") {
		t.Error("a registered scope is left out")
	}
	fleet[0].Sources = nil
	body := get(t, newPage(t, fleet), "")
	if !strings.Contains(textOf(t, body, "p"), "3 left out, as in the metrics, because the newest job is older than --collector.forget-scopes-after .") {
		t.Error("the page does not mention the omitted scope")
	}
	target := config.Target{Source: "targets.yml:2"}
	fleet[0].Hint = target.Hint
	if hinted := get(t, newPage(t, fleet), ""); !strings.Contains(textOf(t, hinted, "p"), "older than forget_scopes_after (targets.yml:2) .") {
		t.Error("the page does not name the key of the file")
	}
	if strings.Contains(strings.Join(rows(t, body), "\n"), "archive") {
		t.Error("a scope is shown although its newest job is too old")
	}
}
