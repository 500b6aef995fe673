package helm_test

import (
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v4"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// checkScraped holds which labels series have by the time that Prometheus has
// them: those by which alerts and boards tell exporters apart, however the
// release is called, the labels of targets, and none that is another one at the
// next pod or pushes a metric's own aside.
func checkScraped(t *testing.T, program string) {
	t.Helper()
	livetest.Program(t, "prometheus")
	type labels = map[string]string
	ofOperator := func(more labels) labels {
		all := labels{"__name__": "up", "namespace": namespace, "service": "the-service"}
		maps.Copy(all, more)
		return all
	}
	const job = "rel-cckm-sync-exporter"
	tests := map[string]struct {
		values string
		set    []string
		want   []labels
	}{
		"ServiceMonitor": {
			values: "minimal", set: []string{"serviceMonitor.enabled=true"},
			want: []labels{ofOperator(labels{"job": job, "instance": "cm.example.com"})},
		},
		"another name": {
			values: "monitoring",
			want:   []labels{ofOperator(labels{"job": "cckm-sync-exporter", "instance": "cm.example.com", "cluster": "eu-1"})},
		},
		"several pods": {
			values: "network", set: []string{"ciphertrust.domain=payments"},
			want: []labels{ofOperator(labels{"job": job, "instance": "cm.example.com/payments", "pod": "the-pod", "container": "exporter"})},
		},
		"ServiceMonitor of targets": {
			values: "fleet", set: []string{"serviceMonitor.interval=1s"},
			want: []labels{
				ofOperator(labels{"job": job, "instance": job}),
				ofOperator(labels{"job": job, "instance": "prod-eu", "region": "eu", "cost": `$100 "net"`}),
				ofOperator(labels{"job": job, "instance": "prod-us"}),
			},
		},
		"ScrapeConfig": {
			values: "fleet", set: []string{"serviceMonitor.enabled=false", "scrapeConfig.enabled=true"},
			want: []labels{
				{"__name__": "up", "job": job, "instance": job},
				{"__name__": "up", "job": job, "instance": "prod-eu", "region": "eu", "cost": `$100 "net"`},
				{"__name__": "up", "job": job, "instance": "prod-us"},
			},
		},
	}
	// Prometheus takes some seconds until it scrapes: all do so at the same time.
	started := make(map[string]*livetest.Prometheus, len(tests))
	for name, test := range tests {
		objects, _ := template(t, "--values", examples(t)[test.values],
			"--set", "extraArgs={--collector.timeout=1s}", "--set", strings.Join(test.set, ","))
		address := newPod(t, objects, program, nil).serve(t)
		started[name] = livetest.StartPrometheus(t, operatorsConfig(t, objects, address))
	}
	for name, p := range started {
		t.Run(name, func(t *testing.T) {
			want := tests[name].want
			livetest.Eventually(t, time.Minute, "all targets are up", func() bool {
				up, err := p.Query(t.Context(), "up == 1")
				return err == nil && len(up) == len(want)
			})
			// The rule by which the alerts know an exporter that is down.
			known := alertsKnow(t)
			samples, err := p.Query(t.Context(), known)
			if err != nil || len(samples) != len(want) {
				t.Errorf("%d targets are known to the alerts by %s: %v", len(samples), known, err)
			}
			samples, err = p.Query(t.Context(), "up")
			if err != nil {
				t.Fatal(err)
			}
			got := make([]labels, 0, len(samples))
			for _, sample := range samples {
				got = append(got, sample.Metric)
			}
			sorted := cmpopts.SortSlices(func(a, b labels) bool { return a["instance"] < b["instance"] })
			if diff := cmp.Diff(want, got, sorted); diff != "" {
				t.Errorf("the targets (-want +got):\n%s", diff)
			}
			p.Await(t, time.Minute, `cckm_sync_exporter_api_requests_total{endpoint="auth/tokens"}`)
			if pushed, err := p.Query(t.Context(), `count by (__name__) ({__name__=~"cckm_sync.*", exported_endpoint!=""})`); err != nil || len(pushed) > 0 {
				t.Errorf("a label of the target pushes the metrics' own aside: %v, %v", pushed, err)
			}
		})
	}
}

// alertsKnow returns the expression of the rule that finds the exporters.
func alertsKnow(t *testing.T) string {
	t.Helper()
	for _, rule := range ruleFiles(t)["cckm_sync_recording"].list("rules") {
		if rule.text("record") == "cckm_sync_exporter:up:max_over_time10m" {
			return rule.text("expr")
		}
	}
	t.Fatal("no rule finds the exporters")
	return ""
}

// operatorsConfig returns the configuration that the Operator would make of the
// monitors, but for discovery: the exporter is at the address, with the labels
// that the Operator gives the targets of a service.
func operatorsConfig(t *testing.T, objects rendered, address string) string {
	t.Helper()
	var jobs []any
	add := func(monitor map[string]any, discovered map[string]any) {
		job := map[string]any{"scrape_interval": "2s", "scrape_timeout": "2s", "tls_config": map[string]any{"insecure_skip_verify": true}}
		job["job_name"] = strconv.Itoa(len(jobs))
		for _, key := range []string{"params", "relabelings", "metricRelabelings"} {
			if value := monitor[key]; value != nil {
				job[map[string]string{"params": "params", "relabelings": "relabel_configs", "metricRelabelings": "metric_relabel_configs"}[key]] = snake(value)
			}
		}
		scheme, _ := monitor["scheme"].(string)
		job["scheme"] = strings.ToLower(scheme)
		if path, _ := monitor["path"].(string); path != "" {
			job["metrics_path"] = path
		}
		maps.Copy(job, discovered)
		jobs = append(jobs, job)
	}
	for _, monitor := range objects.of("ServiceMonitor") {
		for _, endpoint := range monitor.list("spec", "endpoints") {
			add(endpoint, map[string]any{"static_configs": []any{map[string]any{
				"targets": []string{address},
				"labels": map[string]string{
					"namespace": namespace, "service": "the-service", "pod": "the-pod", "container": "exporter", "endpoint": "http",
				},
			}}})
		}
	}
	for _, config := range objects.of("ScrapeConfig") {
		spec := config.child("spec")
		service := serviceOf(t, spec)
		static := spec.list("staticConfigs")[0]
		url := spec.list("httpSDConfigs")[0].text("url")
		if !strings.Contains(url, "://"+service+"/") {
			t.Errorf("%s is asked for the targets of %s", url, service)
		}
		add(spec, map[string]any{
			"static_configs":  []any{map[string]any{"targets": []string{address}, "labels": static["labels"]}},
			"http_sd_configs": []any{map[string]any{"url": strings.Replace(url, service, address, 1)}},
		})
	}
	content, err := yaml.Marshal(map[string]any{"scrape_configs": jobs})
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// serviceOf returns the address that a ScrapeConfig scrapes.
func serviceOf(t *testing.T, spec object) string {
	t.Helper()
	targets := spec.list("staticConfigs")[0].texts("targets")
	if len(targets) != 1 {
		t.Fatalf("%q are scraped", targets)
	}
	return targets[0]
}

// snake gives Prometheus' own form to the keys of the Operator's mappings.
func snake(value any) any {
	switch value := value.(type) {
	case map[string]any:
		renamed := make(map[string]any, len(value))
		for key, inner := range value {
			var name strings.Builder
			for _, r := range key {
				if unicode.IsUpper(r) {
					name.WriteByte('_')
				}
				name.WriteRune(unicode.ToLower(r))
			}
			renamed[name.String()] = snake(inner)
		}
		return renamed
	case []any:
		renamed := make([]any, 0, len(value))
		for _, inner := range value {
			renamed = append(renamed, snake(inner))
		}
		return renamed
	default:
		return value
	}
}
