package statuspage

import (
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour:                            "0 s",
		0:                                     "0 s",
		time.Microsecond:                      "less than 1 ms",
		420 * time.Millisecond:                "420 ms",
		999*time.Millisecond + 999999:         "999 ms",
		time.Second:                           "1 s",
		1780 * time.Millisecond:               "1.7 s",
		9999 * time.Millisecond:               "9.9 s",
		59*time.Second + 999*time.Millisecond: "59 s",
		time.Minute:                           "1 min",
		3*time.Minute + 20*time.Second:        "3 min 20 s",
		time.Hour:                             "1 h",
		3*time.Hour + 12*time.Minute + 59*time.Second: "3 h 12 min",
		24 * time.Hour:                "1 d",
		52*time.Hour + 30*time.Minute: "2 d 4 h",
		30*24*time.Hour - time.Second: "29 d 23 h",
		1500 * 24 * time.Hour:         "1,500 d",
		1<<63 - 1:                     "106,751 d",
	} {
		if got := duration(d); got != want {
			t.Errorf("duration(%s) = %q, want %q", d, got, want)
		}
	}
}

func TestAgo(t *testing.T) {
	now := time.Date(2026, time.March, 14, 3, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		-time.Hour:                      "just now",
		0:                               "just now",
		999 * time.Millisecond:          "just now",
		12500 * time.Millisecond:        "12 s ago",
		9*time.Minute + 59*time.Second:  "9 min 59 s ago",
		26*time.Minute + 41*time.Second: "26 min ago",
		3*time.Hour + 12*time.Minute:    "3 h 12 min ago",
	} {
		if got := ago(now, now.Add(-d)); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

func TestNewWhen(t *testing.T) {
	now := time.Date(2026, time.March, 14, 3, 0, 0, 0, time.UTC)
	if got := newWhen(now, time.Time{}); got != nil {
		t.Errorf("no time is %+v", got)
	}
	got := newWhen(now, time.Date(2026, time.March, 14, 1, 59, 48, 0, time.FixedZone("", -3600)))
	if want := (when{"2026-03-14T02:59:48Z", "2026-03-14 02:59:48 UTC", "12 s ago"}); *got != want {
		t.Errorf("%+v, want %+v", *got, want)
	}
}

func TestNumber(t *testing.T) {
	for n, want := range map[int]string{
		0: "0", 7: "7", 999: "999", 1000: "1,000", 12345: "12,345", 999999: "999,999", 1234567: "1,234,567", -999: "-999", -1000: "-1,000",
	} {
		if got := number(n); got != want {
			t.Errorf("number(%d) = %q, want %q", n, got, want)
		}
	}
	if got := countLists(1) + ", " + countLists(1000); got != "1 list, 1,000 lists" {
		t.Error(got)
	}
}

func TestJudge(t *testing.T) {
	now := time.Date(2026, time.March, 14, 3, 0, 0, 0, time.UTC)
	at := func(ago time.Duration) time.Time { return now.Add(-ago) }
	scope := func(inProgress time.Duration, last syncjob.Status, success time.Duration) syncjob.Scope {
		s := syncjob.Scope{}
		if inProgress > 0 {
			s.Jobs[syncjob.InProgress], s.OldestInProgress = 1, at(inProgress)
		}
		if last != syncjob.InProgress {
			s.Last, s.Jobs[last] = &syncjob.Last{Result: last}, 1
		}
		if success > 0 {
			s.LastSuccess, s.Jobs[syncjob.Completed] = at(success), 1
		}
		return s
	}
	const none = syncjob.InProgress
	timeless := scope(0, syncjob.Completed, 0)
	noStart := scope(time.Hour, syncjob.Completed, time.Hour)
	noStart.OldestInProgress = time.Time{}
	for name, test := range map[string]struct {
		scope syncjob.Scope
		cloud string
		want  state
	}{
		"completed":                           {scope(0, syncjob.Completed, time.Hour), "google", ok},
		"completed at a time that is unknown": {timeless, "google", ok},
		"failed":                              {scope(0, syncjob.Failed, time.Hour), "google", failed},
		"failed, never succeeded":             {scope(0, syncjob.Failed, 0), "google", failed},
		"failed, and another runs long":       {scope(9*time.Hour, syncjob.Failed, time.Hour), "google", failed},
		"runs":                                {scope(time.Minute, syncjob.Completed, time.Hour), "google", running},
		"runs for exactly two hours":          {scope(2*time.Hour, syncjob.Completed, time.Hour), "google", running},
		"runs for more than two hours":        {scope(2*time.Hour+1, syncjob.Completed, time.Hour), "google", stuck},
		"of Azure, runs for eleven hours":     {scope(11*time.Hour, syncjob.Completed, time.Hour), "azure", running},
		"of Azure, runs for thirteen hours":   {scope(13*time.Hour, syncjob.Completed, time.Hour), "azure", stuck},
		"runs since a time that is unknown":   {noStart, "google", running},
		"runs for the first time":             {scope(time.Minute, none, 0), "google", running},
		"runs long for the first time":        {scope(3*time.Hour, none, 0), "google", stuck},
		"aborted":                             {scope(0, syncjob.Aborted, time.Hour), "google", aborted},
		"aborted, never succeeded":            {scope(0, syncjob.Aborted, 0), "google", neverSucceeded},
		"aborted, and runs again":             {scope(time.Minute, syncjob.Aborted, time.Hour), "google", aborted},
		"of unknown status":                   {scope(0, syncjob.Unknown, time.Hour), "google", unknown},
		"of unknown status, never succeeded":  {scope(0, syncjob.Unknown, 0), "google", neverSucceeded},
		"never succeeded, and runs long":      {scope(3*time.Hour, syncjob.Aborted, 0), "google", stuck},
	} {
		if got := judge(&test.scope, test.cloud, now); got != test.want {
			t.Errorf("%s: %s, want %s", name, got.info().Word, test.want.info().Word)
		}
	}
}

func TestStates(t *testing.T) {
	for i, s := range states() {
		if int(s) != i {
			t.Errorf("state %d is at %d", s, i)
		}
		if got, ok := stateOf(s.info().Key); !ok || got != s {
			t.Errorf("stateOf(%q) = %d, %t", s.info().Key, got, ok)
		}
		if info := s.info(); info.Word == "" || info.Symbol == "" || s.bad() != (info.Todo != "" && info.Runbook != "") {
			t.Errorf("state %d is shown as %+v", s, info)
		}
	}
	if _, ok := stateOf(""); ok {
		t.Error("no key is a state")
	}
}

// TestLongAfterIsTheAlerts compares with the file that the alerts are made from.
func TestLongAfterIsTheAlerts(t *testing.T) {
	in, err := os.ReadFile("../../../deploy/prometheus/cckm_sync_thresholds.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Record string            `yaml:"record"`
				Labels map[string]string `yaml:"labels"`
				Expr   string            `yaml:"expr"`
			} `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.Unmarshal(in, &file); err != nil {
		t.Fatal(err)
	}
	hours := regexp.MustCompile(`^vector\((\d+) \* 3600\)$`)
	found := 0
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			if rule.Record != "cckm_sync:stuck_after:seconds" {
				continue
			}
			found++
			match := hours.FindStringSubmatch(rule.Expr)
			if match == nil {
				t.Errorf("%s", rule.Expr)
				continue
			}
			if got := strings.TrimSuffix(stuckAfter(rule.Labels["cloud"]).String(), "h0m0s"); got != match[1] {
				t.Errorf("%s: %s h, and the alert has %s", rule.Labels["cloud"], got, match[1])
			}
		}
	}
	if found != 4 {
		t.Errorf("%d thresholds, want 4", found)
	}
}

func TestCondition(t *testing.T) {
	now := time.Date(2026, time.March, 14, 3, 0, 0, 0, time.UTC)
	read := &scrape.ListRead{Summary: &syncjob.Summary{}}
	for name, test := range map[string]struct {
		latest scrape.Latest
		want   listState
	}{
		"never asked for":         {scrape.Latest{}, listPending},
		"read":                    {scrape.Latest{Read: read, ReadAt: now}, listRead},
		"read ten minutes ago":    {scrape.Latest{Read: read, ReadAt: now.Add(-10 * time.Minute)}, listRead},
		"read longer ago":         {scrape.Latest{Read: read, ReadAt: now.Add(-10*time.Minute - 1)}, listStale},
		"failed":                  {scrape.Latest{Read: &scrape.ListRead{Err: os.ErrClosed}, ReadAt: now}, listFailed},
		"neither read nor failed": {scrape.Latest{Read: &scrape.ListRead{}, ReadAt: now}, listFailed},
		"failed a long while ago": {scrape.Latest{Read: &scrape.ListRead{Err: os.ErrClosed}, ReadAt: now.Add(-time.Hour)}, listFailed},
	} {
		if got := condition(&test.latest, now); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

func TestWhy(t *testing.T) {
	name, text, todo := why(reason.New(reason.TLS, os.ErrClosed, "renew it"))
	if got := []string{name, text, todo}; !slices.Equal(got, []string{"tls", "file already closed", "renew it"}) {
		t.Errorf("%q", got)
	}
	if name, text, todo = why(nil); name != "other" || text == "" || todo == "" {
		t.Errorf("%q, %q, %q", name, text, todo)
	}
}

// TestLinkAsksForTheSame parses what link writes.
func TestLinkAsksForTheSame(t *testing.T) {
	for _, raw := range []string{"", "q=a%26b%3Dc+d&state=failed&list=aws-keys&target=p%2Fq&page=3&per=50", "q=%22%3E&per=500"} {
		q := parseQuery(raw)
		u, err := url.Parse(q.link(func(c *query) { c.page = q.page }, "#scopes"))
		if err != nil {
			t.Fatal(err)
		}
		if again := parseQuery(u.RawQuery); again.text != q.text || again.state != q.state || again.list != q.list ||
			again.target != q.target || again.page != q.page || again.per != q.per || len(again.notices) > 0 {
			t.Errorf("%q: the link %s asks for %+v, want %+v", raw, u, again, q)
		}
		if u.Path != "./" || u.Fragment != "scopes" {
			t.Errorf("the link is %s", u)
		}
	}
	if got := parseQuery("page=7").link(func(c *query) { c.state = "ok" }, ""); got != "./?state=ok" {
		t.Errorf("another state begins at its first page, and not at %s", got)
	}
}

func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"":                                   "",
		"https://cm.example.com":             "https://cm.example.com",
		"https://cm.example.com/":            "https://cm.example.com",
		"https://cm.example.com/api/":        "https://cm.example.com",
		"https://u:secret@cm.example.com:8/": "https://cm.example.com:8",
		"://u:secret@cm":                     "",
	} {
		if got := apiBase(address); got != want {
			t.Errorf("apiBase(%q) = %q, want %q", address, got, want)
		}
	}
}
