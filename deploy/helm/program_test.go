package helm_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// TestProgram checks the chart with the exporter.
func TestProgram(t *testing.T) {
	livetest.Program(t, "helm")
	program := livetest.BuildExporter(t)
	t.Run("settings", func(t *testing.T) { checkSettings(t, program) })
	t.Run("keys of a target", func(t *testing.T) { checkTargetKeys(t, program) })
	t.Run("scraped", func(t *testing.T) { checkScraped(t, program) })
}

// checkSettings checks that the exporter accepts the flags, environment and files of
// each rendered pod, and that helm test runs it with the same.
func checkSettings(t *testing.T, program string) {
	t.Helper()
	users := map[string]string{"targets.yaml": `targets:
  - {name: eu, url: https://cm.example.com, username: u, password_file: /etc/cckm-sync-exporter/secrets/cm-eu/password}
`}
	for name, values := range examples(t) {
		objects, _ := template(t, "--values", values)
		given := users
		if name != "discovery" { // Its file of targets is in a Secret of the user.
			given = nil
		}
		p := newPod(t, objects, program, given)
		output, err := p.check(t)
		if err != nil || !strings.HasPrefix(output, "ok    web: ") || !strings.HasSuffix(output, " 0 failures\n") {
			t.Errorf("%s: check --offline %q: %v\n%s", name, p.args, err, output)
		}
		args := objects.only(t, "Pod").list("spec", "containers")[0].texts("args")
		if diff := cmp.Diff(append([]string{"check"}, objects.container(t).texts("args")...), args); diff != "" {
			t.Errorf("%s: arguments of helm test (-exporter +test):\n%s", name, diff)
		}
	}
}

// checkTargetKeys checks that the schema has the same keys of a target as the program.
func checkTargetKeys(t *testing.T, program string) {
	t.Helper()
	objects, _ := template(t, "--values", examples(t)["fleet"])
	target := readSchema(t).child("properties", "config", "properties", "targets", "items", "properties")
	for content, keys := range map[string]object{
		"    zzzzzzzzzzzz: 1\n":                    target,
		"    tls_config:\n      zzzzzzzzzzzz: 1\n": target.child("tls_config", "properties"),
	} {
		p := newPod(t, objects, program, map[string]string{"targets.yaml": "targets:\n  - name: a\n    url: https://cm.example.com\n" + content})
		output, _ := p.check(t)
		found := regexp.MustCompile(`unknown key; allowed here are ([^\n]+)`).FindStringSubmatch(output)
		if found == nil {
			t.Fatalf("the program does not name its keys:\n%s", output)
		}
		want := regexp.MustCompile(`, | and `).Split(found[1], -1)
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(keys))); diff != "" {
			t.Errorf("the keys in %q (-program +schema):\n%s", content, diff)
		}
	}
}
