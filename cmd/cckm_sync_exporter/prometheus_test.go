package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program returns the path of a program that a test needs. Where it is missing
// the test is skipped, or fails under .ci/run, which has installed it.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("CCKM_REQUIRE_PROGRAMS") != "" {
		t.Fatalf("%s is needed and not installed: %v", name, err)
	}
	t.Skipf("%s is not installed", name)
	return ""
}

// startDemo starts the demo.
func startDemo(t *testing.T) *process {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return startCommand(t, exec.Command(executable, "demo", "--web.listen-address=127.0.0.1:0"), nil) //nolint:noctx // The test ends it.
}

// TestPromtoolCheckMetrics holds the exposition against Prometheus' own linter.
func TestPromtoolCheckMetrics(t *testing.T) {
	promtool := program(t, "promtool")
	check := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	check.Stdin = strings.NewReader(startDemo(t).metrics(t))
	if output, err := check.CombinedOutput(); err != nil || len(output) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, output)
	}
}

// TestPromtoolCheckConfig holds the configuration that README.md leads to.
func TestPromtoolCheckConfig(t *testing.T) {
	check := exec.CommandContext(t.Context(), program(t, "promtool"), "check", "config", "../../deploy/prometheus/prometheus.yml")
	if output, err := check.CombinedOutput(); err != nil {
		t.Errorf("promtool check config: %v\n%s", err, output)
	}
}

// TestPrometheusScrapesDemo has a real Prometheus scrape the demo and looks at
// what it stored. Under .ci/run it does so for a minute.
func TestPrometheusScrapesDemo(t *testing.T) {
	path := program(t, "prometheus")
	scrapes := 5
	if os.Getenv("CCKM_REQUIRE_PROGRAMS") != "" {
		scrapes = 60
	}
	demo := startDemo(t)
	prometheus := startPrometheus(t, path, demo.address)

	enough := fmt.Sprintf(`count_over_time(up{job="cckm"}[5m]) >= %d`, scrapes)
	eventually(t, time.Duration(scrapes+60)*time.Second, func() bool {
		values, err := prometheus.query(t.Context(), enough)
		return err == nil && len(values) == 1
	})
	for query, want := range map[string][]float64{
		`min_over_time(up{job="cckm"}[5m])`:                              {1},
		`min_over_time(cckm_sync_up[5m])`:                                {1, 1},
		`max_over_time(cckm_sync_scrape_error[5m]) > 0`:                  nil,
		`scrape_samples_post_metric_relabeling - scrape_samples_scraped`: {0},
		// A state set says one thing at a time.
		`count(sum without (status) (cckm_sync_scope_status) != 1)`: nil,
		`count(cckm_sync_scope_job_age_seconds < 0)`:                nil,
		// The age is that of the collection and not of the read.
		`count(abs(timestamp(cckm_sync_scope_job_age_seconds) - cckm_sync_scope_last_job_timestamp_seconds - cckm_sync_scope_job_age_seconds) > 5)`: nil,
		`sum(cckm_sync_exporter_logins_total)`: {1},
	} {
		values, err := prometheus.query(t.Context(), query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		if fmt.Sprint(values) != fmt.Sprint(want) {
			t.Errorf("%s gives %v, want %v", query, values, want)
		}
	}
	for _, rejected := range []string{
		"prometheus_target_scrapes_sample_duplicate_timestamp_total",
		"prometheus_target_scrapes_sample_out_of_order_total",
		"prometheus_target_scrapes_sample_out_of_bounds_total",
		"prometheus_target_scrapes_exceeded_sample_limit_total",
	} {
		wantLines(t, prometheus.get(t, "/metrics"), rejected+" 0")
	}
}

// prometheusServer is a running Prometheus.
type prometheusServer struct{ url string }

// startPrometheus starts a Prometheus that scrapes an address every second.
func startPrometheus(t *testing.T, path, target string) *prometheusServer {
	t.Helper()
	dir := t.TempDir()
	config := fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: cckm
    static_configs: [{targets: [%q]}]
`, target)
	address := freeAddress(t)
	cmd := exec.Command(path, //nolint:noctx // The test ends it.
		"--config.file="+write(t, dir, "prometheus.yml", []byte(config)),
		"--storage.tsdb.path="+dir+"/data", "--web.listen-address="+address)
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Logf("Prometheus ended with %v:\n%s", err, log.String())
		}
	})
	return &prometheusServer{url: "http://" + address}
}

// query returns the values of an instant query, in no meaningful order.
func (p *prometheusServer) query(ctx context.Context, query string) ([]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/api/v1/query?query="+url.QueryEscape(query), http.NoBody)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Status string `json:"status"`
		Error  string `json:"error"`
		Data   struct {
			Result []struct {
				Value [2]any `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, err
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("status %s: %s", answer.Status, answer.Error)
	}
	var values []float64
	for _, sample := range answer.Data.Result {
		value, err := strconv.ParseFloat(fmt.Sprint(sample.Value[1]), 64)
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	return values, nil
}

func (p *prometheusServer) get(t *testing.T, path string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, req, http.StatusOK)
}

// freeAddress returns a loopback address where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// eventually waits until a condition holds, and fails after a while.
func eventually(t *testing.T, patience time.Duration, condition func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-deadline.C:
			t.Fatalf("the condition does not hold after %s", patience)
		case <-tick.C:
		}
	}
}
