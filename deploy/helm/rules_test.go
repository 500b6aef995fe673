package helm_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// ruleFiles returns the groups of deploy/prometheus by their names.
func ruleFiles(t *testing.T) map[string]object {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "prometheus", "cckm_sync_*.yml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%v, %v", paths, err)
	}
	groups := map[string]object{}
	for _, path := range paths {
		for _, group := range parse(t, read(t, path))[0].list("groups") {
			groups[group.text("name")] = group
		}
	}
	return groups
}

// TestRules holds that the PrometheusRule has the groups of deploy/prometheus,
// rule for rule, and that promtool takes them.
func TestRules(t *testing.T) {
	objects, _ := template(t, "--values", examples(t)["everything"])
	rule := objects.only(t, "PrometheusRule")
	got := map[string]object{}
	for _, group := range rule.list("spec", "groups") {
		got[group.text("name")] = group
	}
	if diff := cmp.Diff(ruleFiles(t), got); diff != "" {
		t.Errorf("the rules (-files +chart):\n%s", diff)
	}

	promtool := livetest.Program(t, "promtool")
	spec, err := yaml.Marshal(rule.at("spec"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), promtool, "check", "rules", livetest.WriteFile(t, "rules.yml", spec))
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool check rules: %v\n%s", err, output)
	}
}

// TestRuleValues holds what the values change: a threshold that is given takes
// the place of the file's or is added, alerts get labels and the address of the
// runbooks, and nothing else differs.
func TestRuleValues(t *testing.T) {
	objects, _ := template(t, "--values", examples(t)["monitoring"])
	want := ruleFiles(t)
	thresholds := want["cckm_sync_thresholds"].list("rules")
	replaced := slices.IndexFunc(thresholds, func(rule object) bool {
		return rule.text("record") == "cckm_sync:overdue_after:seconds" && rule.text("labels", "cloud") == "any"
	})
	if replaced < 0 {
		t.Fatal("the file has no default of cckm_sync:overdue_after:seconds")
	}
	thresholds[replaced]["expr"] = "vector(14 * 86400)"
	items, _ := want["cckm_sync_thresholds"].at("rules").([]any)
	want["cckm_sync_thresholds"]["rules"] = append(items, map[string]any{
		"record": "cckm_sync:stuck_after:seconds",
		"labels": map[string]any{"cloud": "google", "item": "key"},
		"expr":   "vector(600)",
	})
	for _, alert := range want["cckm_sync_alerts"].list("rules") {
		labels, _ := alert.at("labels").(map[string]any)
		labels["team"] = "keys"
		annotations, _ := alert.at("annotations").(map[string]any)
		annotations["runbook_url"] = "https://wiki.example.com/cckm/" + alert.text("alert") + ".md"
	}
	got := map[string]object{}
	for _, group := range objects.only(t, "PrometheusRule").list("spec", "groups") {
		got[group.text("name")] = group
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the rules (-wanted +chart):\n%s", diff)
	}
}

// TestDashboards holds that each board is in a ConfigMap of its own, byte for
// byte, and fits into one.
func TestDashboards(t *testing.T) {
	const largest = 1 << 20
	paths, err := filepath.Glob(filepath.Join("..", "grafana", "dashboards", "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%v, %v", paths, err)
	}
	objects, _ := template(t, "--values", examples(t)["monitoring"])
	boards := map[string]string{}
	for _, o := range objects.of("ConfigMap") {
		if o.text("metadata", "labels", "grafana_dashboard") != "1" || o.text("metadata", "namespace") != "grafana" {
			continue
		}
		data, _ := o.at("data").(map[string]any)
		if len(data) != 1 {
			t.Errorf("%s has %d files", o.text("metadata", "name"), len(data))
		}
		for name := range data {
			boards[name] = o.text("data", name)
		}
	}
	if len(boards) != len(paths) {
		t.Errorf("%d of %d boards are in the chart", len(boards), len(paths))
	}
	for _, path := range paths {
		name := filepath.Base(path)
		switch got, want := boards[name], read(t, path); {
		case !json.Valid([]byte(got)) || got != want:
			t.Errorf("%s differs:\n%s", name, cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")))
		case len(got) > largest-largest/16:
			t.Errorf("%s has %d bytes, which a ConfigMap hardly holds", name, len(got))
		}
	}
}
