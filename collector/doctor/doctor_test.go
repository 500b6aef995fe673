package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"cckm_sync_exporter/collector/doctor"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeClient is a client with the results that a test sets.
type fakeClient struct {
	login  error
	expiry time.Time
	clock  time.Duration
}

// URL implements doctor.Client.
func (*fakeClient) URL() string { return "https://cm.example.com" }

// Login implements doctor.Client.
func (c *fakeClient) Login(context.Context) error { return c.login }

// TokenExpiry implements doctor.Client.
func (c *fakeClient) TokenExpiry() (time.Time, bool) { return c.expiry, !c.expiry.IsZero() }

// ClockCorrection implements doctor.Client.
func (c *fakeClient) ClockCorrection() time.Duration { return c.clock }

// list returns a list of the table whose first page has a total or an error.
func list(name string, total int, err error) doctor.Source {
	lists := syncjob.Lists()
	i := slices.IndexFunc(lists, func(l syncjob.List) bool { return l.Name == name })
	return doctor.Source{Name: name, AccessHint: lists[i].AccessHint(), Read: func(context.Context) (int, error) { return total, err }}
}

// enableHint names the lists to enable.
func enableHint(names []string) string { return "enable " + strings.Join(names, ", ") }

// source returns a source with a number of records or an error.
func source(name string, records int, err error) doctor.Source {
	return doctor.Source{
		Name: name, Flag: "--collector." + name, AccessHint: "let the user view " + name,
		Read: func(context.Context) (int, error) { return records, err },
	}
}

// TestSources checks the lines about schedules and inventories. That a source which is not enabled cannot be
// read is no problem.
func TestSources(t *testing.T) {
	refused := failure(reason.Forbidden, "403", "add a permission")
	for _, test := range []struct {
		name              string
		enabled, disabled []doctor.Source
		healthy           bool
		want              string
	}{
		{
			"enabled",
			[]doctor.Source{source("a", 7, nil), source("b", 0, nil), source("c", 0, refused)},
			nil, false, `
ok    a: total 7
WARN  b: there are no records, or the user may not see them
      hint: if there should be some, let the user view b
FAIL  c: forbidden: 403
      hint: add a permission
`,
		},
		{
			"not enabled",
			nil,
			[]doctor.Source{source("a", 7, nil), source("b", 0, nil), source("c", 0, refused), source("d", 1, nil)},
			true, `
ok    not enabled: a (total 7), d (total 1) can be read, too: give --collector.a and --collector.d
`,
		},
		{"one is not enabled", nil, []doctor.Source{source("a", 7, nil)}, true, "\nok    not enabled: a (total 7) can be read, too: give --collector.a\n"},
		{"not enabled and refused", nil, []doctor.Source{source("a", 0, refused)}, true, "\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			report := doctor.NewReport(&out)
			d := doctor.Doctor{
				Client: &fakeClient{}, Sources: test.enabled, DisabledSources: test.disabled, EnableHint: enableHint, Timeout: time.Minute, Report: report,
			}
			d.Check(t.Context())
			want := "ok    connect: https://cm.example.com\nok    login" + test.want
			if diff := cmp.Diff(want, out.String()); diff != "" || report.Healthy() != test.healthy {
				t.Errorf("healthy: %t (-want +got)\n%s", report.Healthy(), diff)
			}
		})
	}
}

func failure(r reason.Reason, text, hint string) error {
	return reason.New(r, errors.New(text), hint)
}

func TestCheck(t *testing.T) {
	expiry := time.Date(2026, time.November, 21, 13, 5, 0, 0, time.FixedZone("", 3600))
	lists := []doctor.Source{list("google-keys", 12, nil), list("azure-certificates", 3, nil)}
	for _, test := range []struct {
		name    string
		client  fakeClient
		lists   []doctor.Source
		healthy bool
		want    string
	}{
		{
			"healthy", fakeClient{expiry: expiry}, lists, true, `
ok    connect: https://cm.example.com
ok    login: token until 2026-11-21T12:05:00Z
ok    list google-keys: total 12
ok    list azure-certificates: total 3
`,
		},
		{"a clock that is behind", fakeClient{clock: -2*time.Hour + time.Millisecond}, nil, true, `
ok    connect: https://cm.example.com
ok    login
WARN  clock: the appliance's clock is 2h0m0s behind this host's
      hint: set NTP on the appliance, or on this host if its clock is wrong
`},
		{"no lists, and a token of unknown expiry", fakeClient{}, nil, true, `
ok    connect: https://cm.example.com
ok    login
`},
		{
			"connection refused", fakeClient{login: failure(reason.Network, "connection refused", "check the URL")}, lists, false, `
FAIL  connect: network: connection refused
      hint: check the URL
`,
		},
		{
			"login refused", fakeClient{login: failure(reason.Auth, "login by password was refused", "check the password")}, lists, false, `
ok    connect: https://cm.example.com
FAIL  login: auth: login by password was refused
      hint: check the password
`,
		},
		{"an error without a reason", fakeClient{login: errors.New("a mistake of ours")}, lists, false, `
ok    connect: https://cm.example.com
FAIL  login: other: a mistake of ours
`},
		{
			"a list fails", fakeClient{expiry: expiry}, []doctor.Source{
				list("google-keys", 0, fmt.Errorf("list google-keys: %w", failure(reason.NotFound, "404 Not Found", "turn the list off"))),
				list("azure-certificates", 3, nil),
			}, false, `
ok    connect: https://cm.example.com
ok    login: token until 2026-11-21T12:05:00Z
FAIL  list google-keys: not_found: list google-keys: 404 Not Found
      hint: turn the list off
ok    list azure-certificates: total 3
`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			report := doctor.NewReport(&out)
			patient := doctor.Doctor{Client: &test.client, Lists: test.lists, Timeout: time.Minute, Report: report}
			patient.Check(t.Context())
			if healthy := report.Healthy(); healthy != test.healthy {
				t.Errorf("healthy: %t, want %t", healthy, test.healthy)
			}
			if diff := cmp.Diff(strings.TrimPrefix(test.want, "\n"), out.String()); diff != "" {
				t.Errorf("want (-) got (+): %s", diff)
			}
		})
	}
}

// TestWarnings checks lists that can be read but need attention.
func TestWarnings(t *testing.T) {
	gone, forbidden := failure(reason.NotFound, "404", ""), failure(reason.Forbidden, "403", "")
	for _, test := range []struct {
		name            string
		lists, disabled []doctor.Source
		want            string
	}{
		{"an empty list", []doctor.Source{list("azure-secrets", 0, nil)}, nil, `
WARN  list azure-secrets: no jobs in the list: nothing was ever synchronized, or the user may not see its containers
      hint: if there should be jobs, add the user to the group "CCKM Users" and give it the permission secretview on each key vault
2 targets: 2 ok, 1 warning, 0 failures
`},
		{
			"jobs in lists that are not enabled",
			[]doctor.Source{list("google-keys", 1, nil)},
			[]doctor.Source{
				list("azure-keys", 12, nil), list("azure-secrets", 0, nil), list("aws-keys", 0, gone),
				list("oci-keys", 0, forbidden), list("luna-synchronizations", 1, nil),
			},
			`
ok    list google-keys: total 1
WARN  lists not enabled: there are jobs that are not read, in azure-keys (total 12), luna-synchronizations (total 1)
      hint: enable azure-keys, luna-synchronizations
2 targets: 3 ok, 1 warning, 0 failures
`,
		},
		{"jobs in one list that is not enabled", nil, []doctor.Source{list("aws-keys", 3, nil)}, `
WARN  lists not enabled: there are jobs that are not read, in aws-keys (total 3)
      hint: enable aws-keys
2 targets: 2 ok, 1 warning, 0 failures
`},
		{"no jobs in the other lists", nil, []doctor.Source{list("aws-keys", 0, gone), list("oci-keys", 0, forbidden), list("sap-keys", 0, nil)}, `
ok    lists not enabled: no jobs found
2 targets: 3 ok, 0 warnings, 0 failures
`},
		{
			"another list fails in another way, which ends the search", nil,
			[]doctor.Source{list("aws-keys", 3, nil), list("oci-keys", 0, failure(reason.Server, "500", "wait")), list("sap-keys", 3, nil)},
			`
WARN  lists not enabled: cannot be searched for jobs: server: 500
      hint: wait
2 targets: 2 ok, 1 warning, 0 failures
`,
		},
		{"a failure beside a warning", []doctor.Source{list("google-keys", 0, gone), list("aws-keys", 0, nil)}, nil, `
FAIL  list google-keys: not_found: 404
WARN  list aws-keys: no jobs in the list: nothing was ever synchronized, or the user may not see its containers
      hint: if there should be jobs, add the user to the group "CCKM Users" and give it the permissions viewnative, viewbyok, viewhyokkey and viewcloudhsmkey on each KMS
2 targets: 2 ok, 1 warning, 1 failure
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var text strings.Builder
			report := doctor.NewReport(&text)
			patient := doctor.Doctor{
				Client: &fakeClient{}, Lists: test.lists, Disabled: test.disabled, EnableHint: enableHint, Timeout: time.Minute, Report: report,
			}
			patient.Check(t.Context())
			report.Summarize(2)
			want := "ok    connect: https://cm.example.com\nok    login\n" + strings.TrimPrefix(test.want, "\n")
			if diff := cmp.Diff(want, text.String()); diff != "" {
				t.Errorf("want (-) got (+): %s", diff)
			}
			if want := !strings.Contains(test.want, "FAIL"); report.Healthy() != want {
				t.Errorf("healthy: %t, want %t", report.Healthy(), want)
			}
		})
	}
}

// TestFailedLogins checks which reasons of a failed login are about the connection.
func TestFailedLogins(t *testing.T) {
	for _, r := range reason.All() {
		t.Run(string(r), func(t *testing.T) {
			want := "FAIL  login: "
			if r == reason.TLS || r == reason.Network || r == reason.Timeout {
				want = "FAIL  connect: "
			}
			var out strings.Builder
			report := doctor.NewReport(&out)
			patient := doctor.Doctor{Client: &fakeClient{login: failure(r, "no", "")}, Timeout: time.Minute, Report: report}
			patient.Check(t.Context())
			if report.Healthy() || !strings.HasSuffix(out.String(), want+string(r)+": no\n") {
				t.Errorf("got %q, want it to end in %q", out.String(), want)
			}
		})
	}
}

// TestEachStepHasItsTime checks that a list that hangs does not shorten the time of the next.
func TestEachStepHasItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, reason.New(reason.Timeout, context.Cause(ctx), "")
		}
		inTime := func(ctx context.Context) (int, error) {
			deadline, ok := ctx.Deadline()
			if left := time.Until(deadline); !ok || left != 10*time.Second {
				t.Errorf("%s are left for the second list", left)
			}
			return 5, ctx.Err()
		}
		var out strings.Builder
		report := doctor.NewReport(&out)
		patient := doctor.Doctor{
			Client: &fakeClient{}, Timeout: 10 * time.Second, Report: report,
			Lists: []doctor.Source{{Name: "one", Read: hangs}, {Name: "two", Read: inTime}},
		}
		begun := time.Now()
		patient.Check(t.Context())
		if report.Healthy() {
			t.Error("healthy")
		}
		if took := time.Since(begun); took != 10*time.Second {
			t.Errorf("it took %s", took)
		}
		want := "ok    connect: https://cm.example.com\nok    login\nFAIL  list one: timeout: context deadline exceeded\nok    list two: total 5\n"
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("want (-) got (+): %s", diff)
		}
	})
}
