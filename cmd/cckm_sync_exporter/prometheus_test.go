package main

import (
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// startDemo starts the demo.
func startDemo(t *testing.T) *process {
	t.Helper()
	return start(t, nil, "demo")
}

// TestPromtoolCheckMetrics holds the exposition against Prometheus' own linter.
func TestPromtoolCheckMetrics(t *testing.T) {
	promtool := livetest.Program(t, "promtool")
	check := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	check.Stdin = strings.NewReader(startDemo(t).metrics(t))
	if output, err := check.CombinedOutput(); err != nil || len(output) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, output)
	}
}

// TestPrometheusScrapesDemo has a real Prometheus scrape the demo and looks at
// what it stored, for a minute.
func TestPrometheusScrapesDemo(t *testing.T) {
	const scrapes = 60
	prometheus := livetest.StartPrometheus(t, fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: cckm
    static_configs: [{targets: [%q]}]
`, startDemo(t).address))
	prometheus.Await(t, time.Duration(scrapes+60)*time.Second, fmt.Sprintf(`count_over_time(up{job="cckm"}[5m]) >= %d`, scrapes))
	for query, want := range map[string][]string{
		`min_over_time(up{job="cckm"}[5m])`:                              {"1"},
		`min_over_time(cckm_sync_up[5m])`:                                {"1", "1"},
		`max_over_time(cckm_sync_scrape_error[5m]) > 0`:                  nil,
		`scrape_samples_post_metric_relabeling - scrape_samples_scraped`: {"0"},
		// A state set says one thing at a time.
		`count(sum without (status) (cckm_sync_scope_status) != 1)`: nil,
		`count(cckm_sync_scope_job_age_seconds < 0)`:                nil,
		// The age is that of the collection and not of the read.
		`count(abs(timestamp(cckm_sync_scope_job_age_seconds) - cckm_sync_scope_last_job_timestamp_seconds - cckm_sync_scope_job_age_seconds) > 5)`: nil,
		`sum(cckm_sync_exporter_logins_total)`: {"1"},
	} {
		samples, err := prometheus.Query(t.Context(), query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		values := make([]string, 0, len(samples))
		for _, sample := range samples {
			values = append(values, fmt.Sprint(sample.Value[1]))
		}
		if !slices.Equal(values, want) {
			t.Errorf("%s gives %v, want %v", query, values, want)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, prometheus.URL+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	wantLines(t, do(t, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, req, http.StatusOK),
		"prometheus_target_scrapes_sample_duplicate_timestamp_total 0",
		"prometheus_target_scrapes_sample_out_of_order_total 0",
		"prometheus_target_scrapes_sample_out_of_bounds_total 0",
		"prometheus_target_scrapes_exceeded_sample_limit_total 0",
	)
}
