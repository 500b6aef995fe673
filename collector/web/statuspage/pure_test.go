package statuspage

import (
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

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

// TestJudge checks the state of a scope.
func TestJudge(t *testing.T) {
	now := time.Date(2026, time.March, 14, 3, 0, 0, 0, time.UTC)
	at := func(ago time.Duration) time.Time { return now.Add(-ago) }
	scope := func(inProgress time.Duration, last syncjob.Status, success time.Duration) syncjob.Scope {
		s := syncjob.Scope{}
		if inProgress > 0 {
			s.Jobs[syncjob.InProgress], s.OldestInProgress = 1, at(inProgress)
		}
		if last != syncjob.InProgress {
			s.Last, s.Jobs[last] = &syncjob.ScopeJob{Status: last}, 1
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
		"completed":                          {scope(0, syncjob.Completed, time.Hour), "google", ok},
		"completed at an unknown time":       {timeless, "google", ok},
		"failed":                             {scope(0, syncjob.Failed, time.Hour), "google", failed},
		"failed, never succeeded":            {scope(0, syncjob.Failed, 0), "google", failed},
		"failed, and another job runs long":  {scope(9*time.Hour, syncjob.Failed, time.Hour), "google", failed},
		"runs":                               {scope(time.Minute, syncjob.Completed, time.Hour), "google", running},
		"runs for exactly two hours":         {scope(2*time.Hour, syncjob.Completed, time.Hour), "google", running},
		"runs for more than two hours":       {scope(2*time.Hour+1, syncjob.Completed, time.Hour), "google", stuck},
		"of Azure, runs for eleven hours":    {scope(11*time.Hour, syncjob.Completed, time.Hour), "azure", running},
		"of Azure, runs for thirteen hours":  {scope(13*time.Hour, syncjob.Completed, time.Hour), "azure", stuck},
		"runs since an unknown time":         {noStart, "google", running},
		"runs for the first time":            {scope(time.Minute, none, 0), "google", running},
		"runs long for the first time":       {scope(3*time.Hour, none, 0), "google", stuck},
		"aborted":                            {scope(0, syncjob.Aborted, time.Hour), "google", aborted},
		"aborted, never succeeded":           {scope(0, syncjob.Aborted, 0), "google", neverSucceeded},
		"aborted, and runs again":            {scope(time.Minute, syncjob.Aborted, time.Hour), "google", aborted},
		"of unknown status":                  {scope(0, syncjob.Unknown, time.Hour), "google", unknown},
		"of unknown status, never succeeded": {scope(0, syncjob.Unknown, 0), "google", neverSucceeded},
		"never succeeded, and runs long":     {scope(3*time.Hour, syncjob.Aborted, 0), "google", stuck},
	} {
		if got := judge(&test.scope, test.cloud, now); got != test.want {
			t.Errorf("%s: %s, want %s", name, got.info().Word, test.want.info().Word)
		}
	}
}

// TestLongAfterIsTheAlerts compares the thresholds of the page with those of the alerts.
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
				t.Errorf("%s: %s h, want %s as in the alert", rule.Labels["cloud"], got, match[1])
			}
		}
	}
	if found != 4 {
		t.Errorf("%d thresholds, want 4", found)
	}
}

// TestLinkRoundTrip parses the links to the page.
func TestLinkRoundTrip(t *testing.T) {
	for _, raw := range []string{"", "q=a%26b%3Dc+d&state=failed&list=aws-keys&target=p%2Fq&page=3&per=50", "q=%22%3E&per=500"} {
		q := parseQuery(raw)
		u, err := url.Parse(q.link(func(c *query) { c.page = q.page }, "#scopes"))
		if err != nil {
			t.Fatal(err)
		}
		if again := parseQuery(u.RawQuery); again.text != q.text || again.state != q.state || again.list != q.list ||
			again.target != q.target || again.page != q.page || again.per != q.per || len(again.notices) > 0 {
			t.Errorf("%q: the link %s means %+v, want %+v", raw, u, again, q)
		}
		if u.Path != "./" || u.Fragment != "scopes" {
			t.Errorf("the link is %s", u)
		}
	}
	if got := parseQuery("page=7").link(func(c *query) { c.state = "ok" }, ""); got != "./?state=ok" {
		t.Errorf("the link to another state is %s, want its first page", got)
	}
}

// TestVerdict checks the summary at the top of the page.
func TestVerdict(t *testing.T) {
	now := time.Date(2026, time.March, 14, 3, 0, 0, 0, time.UTC)
	good := syncjob.Scope{Name: "ring", Last: &syncjob.ScopeJob{Status: syncjob.Completed}, LastSuccess: now}
	good.Jobs[syncjob.Completed] = 1
	busy := good
	busy.Jobs[syncjob.InProgress] = 1
	bad := syncjob.Scope{Name: "vault", Last: &syncjob.ScopeJob{Status: syncjob.Failed}}
	read := func(ago time.Duration, scopes ...syncjob.Scope) scrape.Latest {
		r := &scrape.ListRead{Summary: &syncjob.Summary{Scopes: scopes}}
		return scrape.Latest{Read: r, ReadAt: now.Add(-ago), Complete: r, CompleteAt: now.Add(-ago)}
	}
	broken := read(time.Hour, bad, good)
	broken.Read = &scrape.ListRead{}
	pending := scrape.Latest{}
	for want, lists := range map[string][]scrape.Latest{
		"bad: No list is read":                                         nil,
		"pending: Nothing read yet":                                    {pending, pending},
		"ok: All is well: 0 OK":                                        {read(0)},
		"ok: All is well: 2 OK; 1 running":                             {read(0, good, good), read(0, busy)},
		"pending: All is well: 1 OK; 1 list not read yet":              {read(0, good), pending},
		"bad: 1 failed":                                                {read(0, good, bad, busy)},
		"bad: 1 list out of date":                                      {read(time.Hour, good)},
		"bad: 1 list not read; 3 failed (1 old)":                       {broken, read(0, bad, bad)},
		"bad: 2 lists not read; 2 failed (2 old); 1 list not read yet": {broken, pending, broken},
	} {
		targets := []Target{{Lists: lists}}
		verdict, tone := judgeAll(targets, newTable(targets, parseQuery("q=nothing"), now), now)
		if got := tone + ": " + strings.Join(verdict, "; "); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}
