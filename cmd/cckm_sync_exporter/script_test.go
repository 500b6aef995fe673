package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/rogpeppe/go-internal/testscript"

	"cckm_sync_exporter/collector/simulator"
)

// TestScripts runs each script of testdata/script with a simulated appliance, and the environment that a
// user would set for it.
func TestScripts(t *testing.T) {
	type applianceKey struct{}
	on := func(run func(*testscript.TestScript, *simulator.Appliance, []string)) func(*testscript.TestScript, bool, []string) {
		return func(ts *testscript.TestScript, _ bool, args []string) {
			appliance, _ := ts.Value(applianceKey{}).(*simulator.Appliance)
			run(ts, appliance, args)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			appliance := simulator.New(simulator.Options{ClientID: "client-1", Domains: []string{"child"}})
			appliance.SetFixture("cckm/google/synchronization-jobs", simulator.GoogleKeysExample())
			appliance.SetFixture("cckm/azure/certificates/synchronization-jobs", simulator.AzureCertificatesExample())
			server, err := appliance.StartTLS()
			if err != nil {
				return err
			}
			env.Defer(server.Close)
			cert, key, err := server.ClientCertificate("client-1")
			if err != nil {
				return err
			}
			for name, content := range map[string][]byte{
				"ca.pem": server.CAPEM, "client.pem": cert, "client.key": key, "password": []byte(simulator.DefaultPassword + "\n"),
			} {
				if err := os.WriteFile(filepath.Join(env.WorkDir, name), content, 0o600); err != nil {
					return err
				}
			}
			env.Values[applianceKey{}] = appliance
			env.Setenv("CM_ADDRESS", server.URL)
			env.Setenv("CM_USERNAME", simulator.DefaultUsername)
			env.Setenv("CM_PASSWORD_FILE", "password")
			env.Setenv("CCKM_SYNC_EXPORTER_CIPHERTRUST_CA_FILE", "ca.pem")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// drop-list NAME makes the appliance an older one without the list.
			"drop-list": on(func(ts *testscript.TestScript, appliance *simulator.Appliance, args []string) {
				kind, ok := simulator.KindNamed(args[0])
				if !ok {
					ts.Fatalf("there is no list %s", args[0])
				}
				appliance.SetFixture(kind.Path, nil)
				appliance.Unregister(args[0])
			}),
			// fill-list NAME registers a list with its example of three jobs.
			"fill-list": on(func(ts *testscript.TestScript, appliance *simulator.Appliance, args []string) {
				kind, _ := simulator.KindNamed(args[0])
				example, ok := simulator.Example(args[0])
				if !ok {
					ts.Fatalf("there is no example of %s", args[0])
				}
				appliance.Register(kind)
				appliance.SetFixture(kind.Path, example)
			}),
			// empty-list NAME removes the example of a list.
			"empty-list": on(func(_ *testscript.TestScript, appliance *simulator.Appliance, args []string) {
				kind, _ := simulator.KindNamed(args[0])
				appliance.SetFixture(kind.Path, nil)
			}),
			// forbid-lists NAME... has the appliance answer 403 for these lists.
			"forbid-lists": on(func(_ *testscript.TestScript, appliance *simulator.Appliance, args []string) {
				paths := make([]string, 0, len(args))
				for _, name := range args {
					kind, _ := simulator.KindNamed(name)
					paths = append(paths, "/api/v1/"+kind.Path)
				}
				appliance.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
					if slices.Contains(paths, r.URL.Path) {
						w.WriteHeader(http.StatusForbidden)
						return
					}
					next.ServeHTTP(w, r)
				})
			}),
			// add-plans gives the appliance the demo's schedules and registered containers.
			"add-plans": on(func(_ *testscript.TestScript, appliance *simulator.Appliance, _ []string) {
				appliance.SetPlans(simulator.DefaultLives())
			}),
			// forbid-paths PATH... has the appliance answer 403 for these paths.
			"forbid-paths": on(func(_ *testscript.TestScript, appliance *simulator.Appliance, args []string) {
				appliance.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
					if slices.Contains(args, strings.TrimPrefix(r.URL.Path, "/api/v1/")) {
						w.WriteHeader(http.StatusForbidden)
						return
					}
					next.ServeHTTP(w, r)
				})
			}),
			// mktargets FILE writes a configuration file with two domains of the
			// appliance, which has 20 jobs in the one and 30 in the other.
			"mktargets": on(func(ts *testscript.TestScript, appliance *simulator.Appliance, args []string) {
				appliance.SetFixture("cckm/google/synchronization-jobs", nil)
				for domain, jobs := range map[string]int{simulator.RootDomain: 20, "child": 30} {
					shape := simulator.HistoryShape{Scopes: []string{"ring-of-" + domain}, FailOneIn: -1, AbortOneIn: -1}
					appliance.ListIn(domain, simulator.GoogleKeys).SetHistory(jobs, shape)
				}
				const file = `targets:
- {name: root, url: %[1]q, username: %[2]s, password_file: password, tls_config: {ca_file: ca.pem}, labels: {region: eu}}
- name: child
  url: %[1]q
  username: %[2]s
  password_file: child-password
  domain: child
  collectors: [google-keys]
  tls_config: {ca_file: ca.pem}
`
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), fmt.Appendf(nil, file, ts.Getenv("CM_ADDRESS"), simulator.DefaultUsername), 0o600))
				ts.Check(os.WriteFile(ts.MkAbs("child-password"), []byte(simulator.DefaultPassword), 0o600))
			}),
			// check-metrics FILE checks it by promtool's linter.
			"check-metrics": func(ts *testscript.TestScript, _ bool, args []string) {
				problems, err := promlint.New(strings.NewReader(ts.ReadFile(args[0]))).Lint()
				ts.Check(err)
				if len(problems) > 0 {
					ts.Fatalf("%v", problems)
				}
			},
			// printf FILE TEXT writes a text with the escapes of Go into a file.
			"printf": func(ts *testscript.TestScript, _ bool, args []string) {
				text, err := strconv.Unquote(`"` + args[1] + `"`)
				ts.Check(err)
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
			},
			// no-logins fails if the appliance has received one.
			"no-logins": on(func(ts *testscript.TestScript, appliance *simulator.Appliance, _ []string) {
				if n := len(appliance.Logins()); n > 0 {
					ts.Fatalf("%d logins", n)
				}
			}),
			// rejected-logins N fails unless the appliance has rejected N passwords so far.
			"rejected-logins": on(func(ts *testscript.TestScript, appliance *simulator.Appliance, args []string) {
				if n := appliance.LoginCount(simulator.GrantPassword, simulator.LoginRejected); strconv.Itoa(n) != args[0] {
					ts.Fatalf("%d passwords were rejected, want %s", n, args[0])
				}
			}),
			// no-refresh-tokens fails if one is left on the appliance.
			"no-refresh-tokens": on(func(ts *testscript.TestScript, appliance *simulator.Appliance, _ []string) {
				if n := len(appliance.RefreshTokens()); n > 0 {
					ts.Fatalf("%d refresh tokens are left on the appliance", n)
				}
			}),
		},
	})
}
