package helm_test

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// targetsOfTheirs is a file of targets in a Secret of a user's.
const targetsOfTheirs = `targets:
  - {name: eu, url: https://cm.example.com, username: u, password_file: /etc/cckm-sync-exporter/secrets/cm-eu/password}
`

// TestProgram holds the chart against the exporter's program.
func TestProgram(t *testing.T) {
	livetest.Program(t, "helm")
	program := livetest.BuildExporter(t)
	t.Run("settings", func(t *testing.T) { checkSettings(t, program) })
	t.Run("keys of a target", func(t *testing.T) { checkTargetKeys(t, program) })
	t.Run("serves", func(t *testing.T) { checkServes(t, program) })
	t.Run("scraped", func(t *testing.T) { checkScraped(t, program) })
}

// checkSettings holds that the exporter takes the flags, the environment and the
// files that each rendered pod has.
func checkSettings(t *testing.T, program string) {
	t.Helper()
	for name, values := range examples(t) {
		t.Run(name, func(t *testing.T) {
			objects, _ := template(t, "--values", values)
			var theirs map[string]string
			if name == "discovery" {
				theirs = map[string]string{"targets.yaml": targetsOfTheirs}
			}
			p := newPod(t, objects, program, theirs)
			output, err := p.check(t)
			if err != nil || !strings.HasPrefix(output, "ok    web: ") || !strings.HasSuffix(output, " 0 failures\n") {
				t.Errorf("check --offline %q: %v\n%s", p.args, err, output)
			}
			check := objects.only(t, "Pod").list("spec", "containers")[0]
			if diff := cmp.Diff(append([]string{"check"}, objects.container(t).texts("args")...), check.texts("args")); diff != "" {
				t.Errorf("helm test runs something else (-exporter +test):\n%s", diff)
			}
		})
	}
}

// checkTargetKeys holds that the schema knows the keys of a target that the
// program does, no more and no less.
func checkTargetKeys(t *testing.T, program string) {
	t.Helper()
	objects, _ := template(t, "--values", examples(t)["fleet"])
	target := readSchema(t).child("properties").child("config").child("properties").child("targets").child("items")
	for below, keys := range map[string][]string{
		"":                  keysOf(target.child("properties")),
		"\n    tls_config:": keysOf(target.child("properties").child("tls_config").child("properties")),
	} {
		indent := strings.Repeat(" ", 4+len(below)/9)
		p := newPod(t, objects, program, map[string]string{
			"targets.yaml": "targets:\n  - name: a\n    url: https://cm.example.com" + below + "\n" + indent + "zzzzzzzzzzzz: 1\n",
		})
		output, _ := p.check(t)
		found := regexp.MustCompile(`unknown key; allowed here are ([^\n]+)`).FindStringSubmatch(output)
		if found == nil {
			t.Fatalf("the program does not name its keys:\n%s", output)
		}
		want := regexp.MustCompile(`, | and `).Split(found[1], -1)
		if diff := cmp.Diff(want, keys); diff != "" {
			t.Errorf("the keys of %q in values.schema.json (-program +schema):\n%s", below, diff)
		}
	}
}

func keysOf(o object) []string {
	keys := make([]string, 0, len(o))
	for key := range o {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// checkServes holds that a rendered pod answers its probes, and that every path
// which the ServiceMonitor asks for is one of the exporter's: the appliances are
// not there, which is in the metrics.
func checkServes(t *testing.T, program string) {
	t.Helper()
	for name, paths := range map[string]int{"minimal": 0, "fleet": 3, "monitoring": 1} {
		t.Run(name, func(t *testing.T) {
			objects, _ := template(t, "--values", examples(t)[name], "--set", "extraArgs={--collector.timeout=1s}")
			address := newPod(t, objects, program, nil).serve(t)
			for _, probe := range []string{"livenessProbe", "readinessProbe"} {
				get := objects.container(t).child(probe).child("httpGet")
				ask(t, strings.ToLower(get.text("scheme")), address, get.text("path"), "The exporter is")
			}
			endpoints := 0
			for _, monitor := range objects.of("ServiceMonitor") {
				for _, endpoint := range monitor.list("spec", "endpoints") {
					endpoints++
					query := url.Values{}
					for parameter := range endpoint.child("params") {
						query[parameter] = endpoint.texts("params", parameter)
					}
					metric := "cckm_sync_exporter_build_info{"
					if len(query) > 0 {
						metric = "cckm_sync_up{"
					}
					ask(t, endpoint.text("scheme"), address, endpoint.text("path")+"?"+query.Encode(), metric)
				}
			}
			if endpoints != paths {
				t.Errorf("%d paths are scraped", endpoints)
			}
		})
	}
}

// ask waits until the exporter answers 200 with a text.
func ask(t *testing.T, scheme, address, path, want string) {
	t.Helper()
	if scheme == "" {
		scheme = "http"
	}
	client := &http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
		Timeout:   20 * time.Second,
	}
	livetest.Eventually(t, time.Minute, scheme+" "+path+" answers "+want, func() bool {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, scheme+"://"+address+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			return false
		}
		defer func() { _ = resp.Body.Close() }()
		var body strings.Builder
		if err := resp.Write(&body); err != nil {
			return false
		}
		return resp.StatusCode == http.StatusOK && strings.Contains(body.String(), want)
	})
}
