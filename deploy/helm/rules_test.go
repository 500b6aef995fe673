package helm_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// groups adds groups of rules to a map by name.
func groups(named map[string]object, list []object) map[string]object {
	for _, group := range list {
		named[group.text("name")] = group
	}
	return named
}

// ruleFiles returns the groups of deploy/prometheus.
func ruleFiles(t *testing.T) map[string]object {
	t.Helper()
	all := map[string]object{}
	for _, part := range []string{"thresholds", "recording", "alerts"} {
		groups(all, parse(t, livetest.ReadFile(t, "../prometheus/cckm_sync_"+part+".yml"))[0].list("groups"))
	}
	return all
}

// TestRules checks that the PrometheusRule has the groups of deploy/prometheus, and that links lead to the
// service.
func TestRules(t *testing.T) {
	objects, _ := template(t, "--values", examples(t)["everything"])
	want := ruleFiles(t)
	service := objects.only(t, "Service")
	for _, rule := range want["cckm_sync_thresholds"].list("rules") {
		if rule.text("record") == "cckm_sync:links:info" {
			port := service.list("spec", "ports")[0]["port"]
			rule.child("labels")["status_page"] = fmt.Sprintf("http://%s.%s.svc:%v", service.text("metadata", "name"), service.text("metadata", "namespace"), port)
		}
	}
	if diff := cmp.Diff(want, groups(map[string]object{}, objects.only(t, "PrometheusRule").list("spec", "groups"))); diff != "" {
		t.Errorf("rules (-files +chart):\n%s", diff)
	}
}

// TestRuleValues checks that the values replace and add thresholds, label the alerts,
// set the addresses of links, and change nothing else.
func TestRuleValues(t *testing.T) {
	want := ruleFiles(t)
	thresholds := want["cckm_sync_thresholds"].list("rules")
	for _, rule := range thresholds {
		if rule.text("record") == "cckm_sync:overdue_after:seconds" && rule.text("labels", "cloud") == "any" {
			rule["expr"] = "vector(14 * 86400)"
		}
		if rule.text("record") == "cckm_sync:links:info" {
			rule["labels"] = map[string]any{"status_page": "https://cckm-sync.example.com", "grafana": "https://grafana.example.com", "runbooks": "https://wiki.example.com/cckm"}
		}
	}
	items, _ := want["cckm_sync_thresholds"].at("rules").([]any)
	want["cckm_sync_thresholds"]["rules"] = append(items, map[string]any{
		"record": "cckm_sync:stuck_after:seconds",
		"labels": map[string]any{"cloud": "google", "item": "key"},
		"expr":   "vector(600)",
	})
	for _, alert := range want["cckm_sync_alerts"].list("rules") {
		alert.child("labels")["team"] = "keys"
	}
	objects, _ := template(t, "--values", examples(t)["monitoring"])
	if diff := cmp.Diff(want, groups(map[string]object{}, objects.only(t, "PrometheusRule").list("spec", "groups"))); diff != "" {
		t.Errorf("rules (-want +chart):\n%s", diff)
	}
}

// TestDashboards checks that each board is in a ConfigMap of its own, unchanged, and
// fits into it.
func TestDashboards(t *testing.T) {
	objects, _ := template(t, "--values", examples(t)["monitoring"])
	got := map[string]any{}
	for _, o := range objects.of("ConfigMap") {
		if o.text("metadata", "labels", "grafana_dashboard") != "1" || o.text("metadata", "namespace") != "grafana" {
			continue
		}
		if len(o.child("data")) != 1 {
			t.Errorf("%s has %d files", o.text("metadata", "name"), len(o.child("data")))
		}
		maps.Copy(got, o.child("data"))
	}
	paths, err := filepath.Glob("../grafana/dashboards/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%v, %v", paths, err)
	}
	want := map[string]any{}
	for _, path := range paths {
		text := livetest.ReadFile(t, path)
		want[filepath.Base(path)] = text
		// Kubernetes limits an object to 1 MiB.
		if len(text) > 960<<10 {
			t.Errorf("%s has %d bytes", path, len(text))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("boards (-files +chart):\n%s", diff)
	}
}
