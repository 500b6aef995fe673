package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"cckm_sync_exporter/collector/doctor"
	"cckm_sync_exporter/collector/reason"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeClient is a client whose login a test decides on.
type fakeClient struct {
	login  error
	expiry time.Time
}

// URL implements doctor.Client.
func (*fakeClient) URL() string { return "https://cm.example.com" }

// Login implements doctor.Client.
func (c *fakeClient) Login(context.Context) error { return c.login }

// TokenExpiry implements doctor.Client.
func (c *fakeClient) TokenExpiry() (time.Time, bool) { return c.expiry, !c.expiry.IsZero() }

// list returns a list whose first page a test decides on.
func list(name string, total int, err error) doctor.List {
	return doctor.List{Name: name, First: func(context.Context) (int, error) { return total, err }}
}

func failure(r reason.Reason, text, remedy string) error {
	return reason.New(r, errors.New(text), remedy)
}

func TestCheck(t *testing.T) {
	expiry := time.Date(2026, time.November, 21, 13, 5, 0, 0, time.FixedZone("", 3600))
	lists := []doctor.List{list("google-keys", 12, nil), list("azure-certificates", 0, nil)}
	for _, test := range []struct {
		name    string
		client  fakeClient
		lists   []doctor.List
		healthy bool
		want    string
	}{
		{
			"healthy", fakeClient{expiry: expiry}, lists, true, `
ok    connect: https://cm.example.com
ok    login: token until 2026-11-21T12:05:00Z
ok    list google-keys: total 12
ok    list azure-certificates: total 0
`,
		},
		{"no lists, and a token whose expiry is not known", fakeClient{}, nil, true, `
ok    connect: https://cm.example.com
ok    login
`},
		{
			"connection refused", fakeClient{login: failure(reason.Network, "connection refused", "check the URL")}, lists, false, `
FAIL  connect: network: connection refused
      to do: check the URL
`,
		},
		{"no time", fakeClient{login: failure(reason.Timeout, "deadline exceeded", "wait")}, lists, false, `
FAIL  connect: timeout: deadline exceeded
      to do: wait
`},
		{"not trusted", fakeClient{login: failure(reason.TLS, "unknown authority", "give the CA")}, lists, false, `
FAIL  connect: tls: unknown authority
      to do: give the CA
`},
		{
			"login refused", fakeClient{login: failure(reason.Auth, "login by password was refused", "check the password")}, lists, false, `
ok    connect: https://cm.example.com
FAIL  login: auth: login by password was refused
      to do: check the password
`,
		},
		{
			"an answer that is no token", fakeClient{login: failure(reason.Decode, "no JSON", "")}, lists, false, `
ok    connect: https://cm.example.com
FAIL  login: decode: no JSON
`,
		},
		{"an error without a reason", fakeClient{login: errors.New("a mistake of ours")}, lists, false, `
ok    connect: https://cm.example.com
FAIL  login: other: a mistake of ours
`},
		{
			"a list is missing", fakeClient{expiry: expiry}, []doctor.List{
				list("google-keys", 0, failure(reason.NotFound, "the appliance answered 404 Not Found", "turn the list off")),
				list("azure-certificates", 3, nil),
			}, false, `
ok    connect: https://cm.example.com
ok    login: token until 2026-11-21T12:05:00Z
FAIL  list google-keys: not_found: the appliance answered 404 Not Found
      to do: turn the list off
ok    list azure-certificates: total 3
`,
		},
		{
			"the last list is forbidden", fakeClient{expiry: expiry}, []doctor.List{
				list("google-keys", 1, nil),
				list("azure-certificates", 0, fmt.Errorf("list azure-certificates: %w", failure(reason.Forbidden, "403 Forbidden", "add the user"))),
			}, false, `
ok    connect: https://cm.example.com
ok    login: token until 2026-11-21T12:05:00Z
ok    list google-keys: total 1
FAIL  list azure-certificates: forbidden: list azure-certificates: 403 Forbidden
      to do: add the user
`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			patient := doctor.Doctor{Client: &test.client, Lists: test.lists, Timeout: time.Minute, Out: &out}
			if healthy := patient.Check(t.Context()); healthy != test.healthy {
				t.Errorf("healthy: %t, want %t", healthy, test.healthy)
			}
			if diff := cmp.Diff(strings.TrimPrefix(test.want, "\n"), out.String()); diff != "" {
				t.Errorf("want (-) got (+): %s", diff)
			}
		})
	}
}

// TestConnectHoldsForEveryReason holds that every reason puts the fault of a
// login into one of the two steps.
func TestConnectHoldsForEveryReason(t *testing.T) {
	for _, r := range reason.All() {
		t.Run(string(r), func(t *testing.T) {
			want := "FAIL  login: "
			if r == reason.TLS || r == reason.Network || r == reason.Timeout {
				want = "FAIL  connect: "
			}
			var out strings.Builder
			patient := doctor.Doctor{Client: &fakeClient{login: failure(r, "no", "")}, Timeout: time.Minute, Out: &out}
			if patient.Check(t.Context()) || !strings.HasSuffix(out.String(), want+string(r)+": no\n") {
				t.Errorf("got %q, want it to end in %q", out.String(), want)
			}
		})
	}
}

// TestEachStepHasItsTime holds that a list that hangs takes nothing of the time
// of the next.
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
		patient := doctor.Doctor{
			Client: &fakeClient{}, Timeout: 10 * time.Second, Out: &out,
			Lists: []doctor.List{{Name: "one", First: hangs}, {Name: "two", First: inTime}},
		}
		begun := time.Now()
		if patient.Check(t.Context()) {
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
