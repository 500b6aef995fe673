package documents_test

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// TestYAML holds that every YAML that a reader would copy can be read, and that
// Prometheus takes what is meant for it. The file of targets is loaded by
// TestCommands.
func TestYAML(t *testing.T) {
	count := 0
	for _, d := range documents(t) {
		for i, f := range d.fences {
			if f.language != "yaml" {
				continue
			}
			count++
			t.Run(fmt.Sprintf("%s %d", d.name, i+1), func(t *testing.T) {
				var parsed any
				if err := yaml.Unmarshal([]byte(f.text), &parsed); err != nil {
					t.Fatalf("%v\n%s", err, f.text)
				}
				switch {
				case strings.HasPrefix(f.text, "scrape_configs:"):
					promtool(t, "config", f.text)
				case strings.HasPrefix(f.text, "- record:"):
					promtool(t, "rules", "groups:\n- name: documents\n  rules:\n"+regexp.MustCompile(`(?m)^`).ReplaceAllString(f.text, "  "))
				}
			})
		}
	}
	if count < 5 {
		t.Errorf("%d blocks of YAML were found", count)
	}
}

// TestQueries holds that Prometheus understands every query: those in blocks, one a
// line, and those of README's table.
func TestQueries(t *testing.T) {
	var rules strings.Builder
	rules.WriteString("groups:\n- name: documents\n  rules:\n")
	count := 0
	add := func(query string) {
		count++
		fmt.Fprintf(&rules, "  - record: documents:query%d\n    expr: %q\n", count, query)
	}
	for _, d := range documents(t) {
		for _, f := range d.fences {
			if f.language == "promql" {
				for line := range strings.SplitSeq(f.text, "\n") {
					add(line)
				}
			}
		}
		_, table, _ := strings.Cut(d.prose, "| question | query |\n")
		table, _, _ = strings.Cut(table, "\n\n")
		for _, found := range regexp.MustCompile("(?m)^\\| .* \\| `(.*)` \\|$").FindAllStringSubmatch(table, -1) {
			add(found[1])
		}
	}
	if count < 30 {
		t.Errorf("%d queries were found", count)
	}
	promtool(t, "rules", rules.String())
}

// promtool checks a file of a kind.
func promtool(t *testing.T, kind, content string) {
	t.Helper()
	path := livetest.WriteFile(t, "documents.yml", []byte(content))
	if output, err := exec.CommandContext(t.Context(), livetest.Program(t, "promtool"), "check", kind, path).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s\n%s", err, output, content)
	}
}
