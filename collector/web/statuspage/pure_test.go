package statuspage

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/sources"
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

// TestLinkRoundTrip parses the links to the page.
func TestLinkRoundTrip(t *testing.T) {
	for _, raw := range []string{"", "q=a%26b%3Dc+d&state=failed&list=aws-keys&target=p%2Fq&cause=1a", "q=%22%3E"} {
		q := parseQuery(raw)
		u, err := url.Parse((&Config{}).query(q, func(*query) {}))
		if err != nil {
			t.Fatal(err)
		}
		if again := parseQuery(u.RawQuery); !reflect.DeepEqual(again, q) {
			t.Errorf("%q: the link %s means %+v, want %+v", raw, u, again, q)
		}
		if u.Path != "./" || u.Fragment != "scopes" {
			t.Errorf("the link is %s", u)
		}
	}
}

// TestFailingSince checks since when a scope fails.
func TestFailingSince(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, time.March, 14, hour, 0, 0, 0, time.UTC) }
	good := func(hour int) syncjob.Result { return syncjob.Result{FinishedAt: at(hour), Status: syncjob.Completed} }
	bad := func(hour int) syncjob.Result { return syncjob.Result{FinishedAt: at(hour), Status: syncjob.Failed} }
	aborted := syncjob.Result{FinishedAt: at(8), Status: syncjob.Aborted}
	untimed := syncjob.Result{Status: syncjob.Failed}
	ten := slices.Repeat([]syncjob.Result{bad(9)}, syncjob.MaxResults)
	for name, test := range map[string]struct {
		results []syncjob.Result
		since   time.Time
		atLeast bool
	}{
		"no job has finished":      {nil, time.Time{}, false},
		"the newest one succeeded": {[]syncjob.Result{good(9), bad(8)}, time.Time{}, false},
		"failed before a success":  {[]syncjob.Result{bad(9), aborted, good(7), bad(6)}, at(8), false},
		"failed each time":         {[]syncjob.Result{bad(9), bad(8)}, at(8), false},
		"failed ten times":         {ten, at(9), true},
		"one without a time":       {[]syncjob.Result{bad(9), untimed}, at(9), true},
	} {
		if since, atLeast := failingSince(&syncjob.Scope{Results: test.results}); !since.Equal(test.since) || atLeast != test.atLeast {
			t.Errorf("%s: since %s, at least %t", name, since, atLeast)
		}
	}
}

// TestWithoutNames checks which failures have a cause in common.
func TestWithoutNames(t *testing.T) {
	list := syncjob.Lists()[0]
	const rings = "projects/p/locations/l/keyRings/"
	common := func(name, text string) string {
		return withoutNames(text, &row{scope: &syncjob.Scope{Name: name}, latest: &scrape.Latest{List: list}})
	}
	for text, want := range map[string]string{
		"denied on '" + rings + "pay'":    "denied on '…'",
		"pay: payments of pay-2 and pay.": "…: payments of pay-2 and ….",
		"AADSTS7000222: expired. Trace ID: 0F1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0 Timestamp: 2026-03-14 03:07:21Z": "AADSTS7000222: expired. Trace ID: … Timestamp: …",
		"request 4806b37f4806b37f at 2026-03-14T03:07:21.123Z, code 403":                                         "request … at …, code 403",
		"": "",
	} {
		if got := common(rings+"pay", text); got != want {
			t.Errorf("%q\n got %q\nwant %q", text, got, want)
		}
	}
	if got := common("", "text"); got != "text" {
		t.Errorf("without a name: %q", got)
	}
}

// TestCauseFirst checks how errors are split.
func TestCauseFirst(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for _, test := range []struct {
		err  error
		want said
	}{
		{io.EOF, said{Cause: "EOF", Where: ""}},
		{fmt.Errorf("list aws-keys: page at 0: %w", refused), said{Cause: "connection refused", Where: "list aws-keys: page at 0: dial tcp: connect"}},
		{fmt.Errorf("%w, as told", io.EOF), said{Cause: "EOF, as told", Where: ""}},
	} {
		if got := errorText(test.err); got != test.want {
			t.Errorf("%v: %+v, want %+v", test.err, got, test.want)
		}
	}
}

// TestVerdict checks the summary at the top of the page. It never says that all is well if there is a critical or
// warning state, or a list that was not read.
func TestVerdict(t *testing.T) {
	now := time.Date(2026, time.March, 14, 3, 0, 0, 0, time.UTC)
	good := syncjob.Scope{Name: "ring", Last: &syncjob.ScopeJob{Status: syncjob.Completed}, LastSuccess: now}
	good.Jobs[syncjob.Completed] = 1
	late := good
	late.LastSuccess = now.Add(-49 * time.Hour)
	busy := good
	busy.Jobs[syncjob.InProgress] = 1
	bad := syncjob.Scope{Name: "vault", Last: &syncjob.ScopeJob{Status: syncjob.Failed}}
	bad.Jobs[syncjob.Completed] = 1
	worse := bad
	worse.LastSuccess = late.LastSuccess
	read := func(ago time.Duration, scopes ...syncjob.Scope) scrape.Latest {
		r := &scrape.ListRead{Summary: &syncjob.Summary{Scopes: scopes}}
		return scrape.Latest{Read: r, ReadAt: now.Add(-ago), Complete: r, CompleteAt: now.Add(-ago)}
	}
	broken := read(time.Hour, bad, good)
	broken.Read = &scrape.ListRead{}
	waiting, reading := scrape.Latest{}, scrape.Latest{FullRead: &scrape.FullReadProgress{Started: now}}
	for want, lists := range map[string][]scrape.Latest{
		"critical: No list is enabled": nil,
		"pending: Nothing read yet; 1 list waiting for the first read; 1 list reading": {waiting, reading},
		"pending: No jobs in any list":                          {read(0)},
		"fine: All is well: 2 in sync; 1 running":               {read(0, good, good), read(0, busy)},
		"pending: 1 in sync; 1 list waiting for the first read": {read(0, good), waiting},
		"warning: 1 failed":                                     {read(0, good, bad, busy)},
		"critical: 2 overdue":                                   {read(0, late, late)},
		"critical: 2 overdue; 2 failed":                         {read(0, late, worse, bad)},
		"critical: 1 list out of date":                          {read(time.Hour, good)},
		"critical: 1 list unreadable; 3 failed":                 {broken, read(0, bad, bad)},
		"critical: 2 lists unreadable; 2 failed":                {broken, waiting, broken},
		"critical: 1 list unreadable":                           {{Read: broken.Read}, read(0, good)},
	} {
		verdict, tone := judge(newSurvey([]Target{{Lists: lists}}, now))
		if got := tone + ": " + strings.Join(verdict, "; "); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	verdict, tone := judge(newSurvey([]Target{{ForgetScopesAfter: 1, Lists: []scrape.Latest{read(0, syncjob.Scope{Newest: syncjob.ScopeJob{CreatedAt: late.LastSuccess}})}}}, now))
	if want := "No recent jobs in any list"; verdict[0] != want || tone != tonePending {
		t.Errorf("if every scope is forgotten: %s: %s, want %s", tone, verdict, want)
	}

	list := syncjob.Lists()[0]
	inventory := sources.New(noRecords{}, sources.Options{Inventory: true, Lists: []syncjob.List{list}})
	<-inventory.Start()
	inventory.Close()
	removed := read(0, good)
	removed.List = list
	verdict, tone = judge(newSurvey([]Target{{Sources: inventory.State(), Lists: []scrape.Latest{removed}}}, now))
	if want := []string{"No registered key ring or vault has jobs"}; !slices.Equal(verdict, want) || tone != tonePending {
		t.Errorf("if every scope is removed: %s: %s, want %s", tone, verdict, want)
	}
}

// noRecords is a sources.Getter of an appliance on which nothing is registered.
type noRecords struct{}

func (noRecords) Get(_ context.Context, _ string, _ url.Values, read func(io.Reader) error) error {
	return read(strings.NewReader(`{"total":0,"resources":[]}`))
}
