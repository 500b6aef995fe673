package documents_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// foreign are flags of others' programs that stand alone in a sentence.
func foreign() []string {
	return []string{
		"--collector.textfile.directory", // node_exporter
		"--set",                          // Helm
	}
}

// TestFlags holds that every flag that a document names is one of the program's.
func TestFlags(t *testing.T) {
	help, err := exec.CommandContext(t.Context(), livetest.BuildExporter(t), "--help-long").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, help)
	}
	known := map[string]bool{}
	for _, found := range regexp.MustCompile(`(?m)^\s*(?:-\w, )?--(\[no-\])?([a-z][a-z0-9.-]*)`).FindAllStringSubmatch(string(help), -1) {
		known["--"+found[2]] = true
		known["--no-"+found[2]] = found[1] != ""
	}
	named := regexp.MustCompile(`--(?:\[no-\])?[a-z][a-zA-Z0-9.*-]*`)
	count := 0
	for _, d := range documents(t) {
		texts := d.spans()
		for _, c := range d.commands() {
			if c.block > 0 {
				texts = append(texts, c.text)
			}
		}
		for _, text := range texts {
			if !ours(text) {
				continue
			}
			for _, flag := range named.FindAllString(text, -1) {
				flag = strings.TrimRight(strings.Replace(flag, "[no-]", "", 1), ".")
				count++
				if !known[flag] && !slices.Contains(foreign(), flag) && !hasForm(known, flag) {
					t.Errorf("%s: `%s`: the program has no flag %s", d.name, text, flag)
				}
			}
		}
	}
	if count < 100 {
		t.Errorf("%d flags were found", count)
	}
}

// ours says whether flags in a text are the exporter's: it stands first, or a flag
// does.
func ours(text string) bool {
	first := strings.TrimPrefix(strings.Fields(text)[0], "./")
	return strings.HasPrefix(first, "--") || slices.Contains([]string{"cckm_sync_exporter", "once", "check", "serve", "demo"}, first) ||
		strings.HasPrefix(text, "go run ./cmd/")
}

// hasForm says whether flags of a form such as --collector.NAME or --collector.* are
// there.
func hasForm(known map[string]bool, form string) bool {
	prefix := strings.TrimSuffix(strings.TrimSuffix(form, "NAME"), "*")
	if prefix == form || prefix == "--" {
		return false
	}
	for flag := range known {
		if strings.HasPrefix(flag, prefix) {
			return true
		}
	}
	return false
}

// TestNames holds that every metric, record, alert and environment variable that a
// document names is there. The tables of metrics and flags are held against the
// program by the tests of cmd.
func TestNames(t *testing.T) {
	flags := read(t, "deploy/docs/configuration.md")
	rules := sourcesOf(t, "deploy/prometheus/*.yml")
	metrics := names(read(t, "deploy/docs/metrics.md"), "(?m)^\\| `(cckm_sync_\\w+)` \\|")
	for _, form := range []string{"_bucket", "_count", "_sum"} {
		metrics["cckm_sync_exporter_api_request_duration_seconds"+form] = true
	}
	for _, name := range []string{
		"cckm_sync_exporter", // The program itself, and what is called after it.
		"cckm_sync_alerts", "cckm_sync_recording", "cckm_sync_thresholds", "cckm_sync_",
	} {
		metrics[name] = true
	}
	kinds := []struct {
		what, form string
		known      map[string]bool
		least      int
	}{
		{"metric", `\b(cckm_sync_\w*)(?:[^\w:]|$)`, metrics, 100},
		{"record", `\b(cckm_sync\w*:[\w:]+)`, names(rules, `(?m)record: (\S+)$`), 10},
		{"alert", `\b(CCKMSync\w+)`, names(rules, `(?m)alert: (\w+)$`), 50},
		{"environment variable", `\b((?:CM|CCKM_SYNC_EXPORTER)_[A-Z_]+)`, names(flags, "\\| `((?:CM|CCKM_SYNC_EXPORTER)_[A-Z_]+)` \\|"), 40},
	}
	kinds[3].known["CM_PASSWORD"] = true // There is no flag to it.
	for _, kind := range kinds {
		if len(kind.known) < 5 {
			t.Errorf("%d names of a %s are known", len(kind.known), kind.what)
		}
		count := 0
		for _, d := range documents(t) {
			for _, found := range regexp.MustCompile(kind.form).FindAllStringSubmatch(d.text, -1) {
				count++
				if !kind.known[found[1]] {
					t.Errorf("%s: there is no %s %s", d.name, kind.what, found[1])
				}
			}
		}
		if count < kind.least {
			t.Errorf("%d mentions of a %s were found", count, kind.what)
		}
	}
}

// names returns what the first group of an expression finds.
func names(text, expression string) map[string]bool {
	all := map[string]bool{}
	for _, found := range regexp.MustCompile(expression).FindAllStringSubmatch(text, -1) {
		all[found[1]] = true
	}
	return all
}

// sourcesOf returns the content of files of a pattern.
func sourcesOf(t *testing.T, pattern string) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(top, pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("there is no %s: %v", pattern, err)
	}
	var all strings.Builder
	for _, path := range paths {
		name, err := filepath.Rel(top, path)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(read(t, name))
	}
	return all.String()
}
