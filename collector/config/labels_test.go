package config_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/common/model"

	"cckm_sync_exporter/collector/config"
)

// refusal loads a target with a label, and returns the error.
func refusal(t *testing.T, label string) string {
	t.Helper()
	write(t, "config.yml", []byte("targets:\n  - {name: a, "+login+", labels: {"+label+": x}}\n"))
	_, err := config.Load("config.yml", defaults())
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestLabelsOfMetrics checks that a target can have no label that a series of
// the exporter has of its own, or which the rules give or group by.
func TestLabelsOfMetrics(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]bool{}
	collect := func(pattern string, expression string) {
		paths, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %v, %v", pattern, paths, err)
		}
		found := regexp.MustCompile(expression)
		matches := 0
		for _, path := range paths {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, match := range found.FindAllStringSubmatch(string(content), -1) {
				matches++
				for label := range strings.SplitSeq(match[1], ",") {
					label, _, _ = strings.Cut(label, ":")
					if label = strings.Trim(label, ` "`); label != "" {
						labels[label] = true
					}
				}
			}
		}
		if matches == 0 {
			t.Errorf("%s names no label", pattern)
		}
	}
	// The exported series.
	collect("collector/e2e/testdata/*.prom", `[{,](\w+)="`)
	// The exporter's own metrics are declared with their labels.
	collect("collector/telemetry.go", `\[\]string\{([^}]*)\}`)
	// What the rules set, group and join by, except what Prometheus sets.
	collect("deploy/prometheus/cckm_sync_*.yml", `(?:without|by|on|ignoring|group_left|labels:) *[({]([^(){}]*)[)}]`)
	collect("deploy/prometheus/cckm_sync_alerts.yml", `labels:\n +(\w+):`)
	if len(labels) < 15 {
		t.Errorf("only %d labels were found: %v", len(labels), labels)
	}

	t.Chdir(t.TempDir())
	fill(t, ".")
	for label := range labels {
		if !model.LegacyValidation.IsValidLabelName(label) {
			t.Errorf("%q was taken for a label", label)
			continue
		}
		if got := refusal(t, label); !strings.HasPrefix(got, "config.yml:2: targets[0].labels."+label+": is ") {
			t.Errorf("a target may have the label %s: %q", label, got)
		}
	}
	for _, label := range []string{"region", "stage", "datacenter", "team", "Cloud", "exported_job", "_"} {
		if got := refusal(t, label); got != "" {
			t.Errorf("a target may not have the label %s: %s", label, got)
		}
	}
}
