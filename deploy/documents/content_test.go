package documents_test

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// TestLinks checks that every link within the repository leads to a file and, if it
// names one, to a heading.
func TestLinks(t *testing.T) {
	all := map[string]document{}
	for _, d := range documents(t) {
		all[d.name] = d
	}
	for _, d := range all {
		for _, link := range d.links {
			if strings.Contains(link, "://") {
				continue
			}
			name, heading, _ := strings.Cut(link, "#")
			target := path.Join(path.Dir(d.name), name)
			if name == "" {
				target = d.name
			}
			if _, err := os.Stat(filepath.Join(top, target)); err != nil {
				t.Errorf("%s: broken link %s: %v", d.name, link, err)
			} else if heading != "" && !all[target].headings[heading] {
				t.Errorf("%s: broken link %s: %s has no such heading", d.name, link, target)
			}
		}
	}
}

// TestYAML checks that every block of YAML can be parsed, and that Prometheus accepts
// what is meant for it. TestCommands loads the file of targets.
func TestYAML(t *testing.T) {
	for _, d := range documents(t) {
		for i, b := range d.blocks {
			if b.language != "yaml" {
				continue
			}
			t.Run(fmt.Sprintf("%s %d", d.name, i+1), func(t *testing.T) {
				var parsed any
				if err := yaml.Unmarshal([]byte(b.text), &parsed); err != nil {
					t.Fatalf("%v\n%s", err, b.text)
				}
				switch {
				case strings.HasPrefix(b.text, "scrape_configs:"):
					promtool(t, "config", b.text)
				case strings.HasPrefix(b.text, "- record:"):
					promtool(t, "rules", "groups:\n- name: documents\n  rules:\n"+regexp.MustCompile(`(?m)^`).ReplaceAllString(b.text, "  "))
				}
			})
		}
	}
}

// TestQueries checks that Prometheus can parse every query. A block has one a line.
func TestQueries(t *testing.T) {
	var rules strings.Builder
	rules.WriteString("groups:\n- name: documents\n  rules:\n")
	count := 0
	for _, d := range documents(t) {
		for _, b := range d.blocks {
			if b.language != "promql" {
				continue
			}
			for line := range strings.SplitSeq(b.text, "\n") {
				if line != "" && !strings.HasPrefix(line, "#") {
					count++
					fmt.Fprintf(&rules, "  - record: documents:query%d\n    expr: %q\n", count, line)
				}
			}
		}
	}
	if count == 0 {
		t.Error("found no queries")
	}
	promtool(t, "rules", rules.String())
}

// promtool checks a file of the given kind.
func promtool(t *testing.T, kind, content string) {
	t.Helper()
	livetest.Run(t, "", livetest.Program(t, "promtool"), "check", kind, livetest.WriteFile(t, "documents.yml", []byte(content)))
}

// TestNames checks every metric, record, alert, flag and environment variable that a
// document mentions. The tests of cmd compare the tables with the program.
func TestNames(t *testing.T) {
	const prefix = "deploy/prometheus/cckm_sync_"
	rules := read(t, prefix+"alerts.yml") + read(t, prefix+"recording.yml") + read(t, prefix+"thresholds.yml")
	settings := read(t, "deploy/docs/configuration.md")
	for _, kind := range []struct {
		// form finds mentions, and source those that exist.
		what, form, text, source string
		// also exist and are in no table.
		also []string
	}{
		{
			"metric", `\b(cckm_sync_\w*)(?:[^\w:]|$)`, read(t, "deploy/docs/metrics.md"), "(?m)^\\| `(cckm_sync_\\w+)` \\|",
			// The program, its files and the namespace.
			[]string{"cckm_sync_exporter", "cckm_sync_alerts", "cckm_sync_recording", "cckm_sync_thresholds", "cckm_sync_"},
		},
		{"record", `\b(cckm_sync\w*:[a-z][\w:]*)`, rules, `(?m)record: (\S+)$`, nil},
		{"alert", `\b(CCKMSync\w+)`, rules, `(?m)alert: (\w+)$`, nil},
		{
			"flag", `--((?:\[no-\]|no-)?(?:ciphertrust|collector|config|log|web)\.[\w.-]*\w)`, settings, "(?m)^\\| `--(?:\\[no-\\])?([^`]+)` \\|",
			[]string{"collector.NAME", "collector.textfile.directory"}, // The second is node_exporter's.
		},
		{
			"environment variable", `\b((?:CM|CCKM_SYNC_EXPORTER)_[A-Z_]+)`, settings, "\\| `((?:CM|CCKM_SYNC_EXPORTER)_[A-Z_]+)` \\|",
			[]string{"CM_PASSWORD"}, // It has no flag.
		},
	} {
		known := map[string]bool{}
		for _, found := range regexp.MustCompile(kind.source).FindAllStringSubmatch(kind.text, -1) {
			known[found[1]] = true
		}
		if len(known) < 5 {
			t.Errorf("only %d names of a %s exist", len(known), kind.what)
		}
		for _, name := range kind.also {
			known[name] = true
		}
		for _, d := range documents(t) {
			for _, found := range regexp.MustCompile(kind.form).FindAllStringSubmatch(d.text, -1) {
				if !known[regexp.MustCompile(`^(\[no-\]|no-)`).ReplaceAllString(found[1], "")] {
					t.Errorf("%s: there is no %s %s", d.name, kind.what, found[1])
				}
			}
		}
	}
}
