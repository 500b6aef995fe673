package helm_test

import (
	"cmp"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v4"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// checkScraped checks the labels that targets have in Prometheus: those by which alerts
// and boards distinguish exporters, whatever the name of the release, and those of the
// target. No label may differ in the next pod or hide a metric's own.
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
	var recorded string
	for _, rule := range ruleFiles(t)["cckm_sync_recording"].list("rules") {
		if rule.text("record") == "cckm_sync_exporter:up:max_over_time10m" {
			recorded = rule.text("expr")
		}
	}
	// All are started first, because each takes some seconds until it scrapes.
	started := make(map[string]*livetest.Prometheus, len(tests))
	for name, test := range tests {
		objects, _ := template(t, "--values", examples(t)[test.values],
			"--set", "extraArgs={--collector.timeout=1s}", "--set", strings.Join(test.set, ","))
		address := newPod(t, objects, program, nil).serve(t)
		checkProbes(t, objects.container(t), address)
		started[name] = livetest.StartPrometheus(t, operatorsConfig(t, objects, address))
	}
	for name, p := range started {
		t.Run(name, func(t *testing.T) {
			want := tests[name].want
			livetest.Eventually(t, time.Minute, "all targets are up", func() bool {
				up, err := p.Query(t.Context(), "up == 1")
				return err == nil && len(up) == len(want)
			})
			// The alerts find an exporter that is down by this rule.
			samples, err := p.Query(t.Context(), recorded)
			if err != nil || len(samples) != len(want) {
				t.Errorf("%s finds %d targets: %v", recorded, len(samples), err)
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
			if diff := gocmp.Diff(want, got, sorted); diff != "" {
				t.Errorf("the targets (-want +got):\n%s", diff)
			}
			p.Await(t, time.Minute, `cckm_sync_exporter_api_requests_total{endpoint="auth/tokens"}`)
			if pushed, err := p.Query(t.Context(), `count by (__name__) ({__name__=~"cckm_sync.*", exported_endpoint!=""})`); err != nil || len(pushed) > 0 {
				t.Errorf("a label of the target hides that of the metrics: %v, %v", pushed, err)
			}
		})
	}
}

// checkProbes checks that the exporter answers the probes of its container.
func checkProbes(t *testing.T, container object, address string) {
	t.Helper()
	for _, probe := range []string{"livenessProbe", "readinessProbe"} {
		get := container.child(probe, "httpGet")
		url := strings.ToLower(cmp.Or(get.text("scheme"), "http")) + "://" + address + get.text("path")
		livetest.Eventually(t, time.Minute, url+" answers", func() bool {
			status, body, ok := livetest.Get(t, url)
			return ok && status == http.StatusOK && strings.Contains(body, "The exporter is")
		})
	}
}

// operatorsConfig returns the configuration that the Operator makes of the monitors,
// with the exporter's address and the labels of a service's targets instead of discovery.
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
		static := spec.list("staticConfigs")[0]
		service := static.texts("targets")[0]
		url := spec.list("httpSDConfigs")[0].text("url")
		if !strings.Contains(url, "://"+service+"/") {
			t.Errorf("the targets of %s are requested from %s", service, url)
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

// snake converts the keys of the Operator's mappings to Prometheus' form.
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
