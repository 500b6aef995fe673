package main

import (
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// TestOpenMetrics checks that no two families of an OpenMetrics exposition have samples of one name, and
// with every test enabled, that the strict parser of Prometheus' Python client accepts it.
func TestOpenMetrics(t *testing.T) {
	r, f := newRig(t), newTargetsFile(t)
	f.set(t, f.entry("one", ""), f.entry("two", ""))
	single, several := r.start(t), f.serve(t)
	for _, exposition := range []struct {
		p    *process
		path string
	}{{single, "/metrics"}, {several, "/probe?target=one"}, {several, "/metrics"}} {
		text := exposition.p.openMetrics(t, exposition.path)
		if clash := nameClash(text); clash != "" || !strings.HasSuffix(text, "# EOF\n") {
			t.Errorf("%s: two families have samples called %q:\n%s", exposition.path, clash, text)
		}
		if !livetest.Everything() {
			continue
		}
		parser := exec.CommandContext(t.Context(), livetest.Program(t, "/usr/bin/python3"), "-c",
			"import sys; from prometheus_client.openmetrics.parser import *; list(text_string_to_metric_families(sys.stdin.read()))")
		parser.Stdin = strings.NewReader(text)
		if out, err := parser.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", exposition.path, err, out)
		}
	}
}

// openMetrics returns the exposition of a path as Prometheus asks for it.
func (p *process) openMetrics(t *testing.T, path string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.address+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/openmetrics-text;version=1.0.0")
	status, body, err := do(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, req)
	if err != nil || status != http.StatusOK {
		t.Fatalf("%s: %v, status %d, %s", path, err, status, body)
	}
	return body
}

// nameClash returns the first name that samples of two families can have.
func nameClash(text string) string {
	suffixes := map[string][]string{
		"counter": {"", "_total", "_created"}, "info": {"", "_info"},
		"summary": {"", "_count", "_sum", "_created"}, "histogram": {"", "_bucket", "_count", "_sum", "_created"},
	}
	taken := map[string]bool{}
	for _, family := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`).FindAllStringSubmatch(text, -1) {
		names := suffixes[family[2]]
		if names == nil {
			names = []string{""}
		}
		for _, suffix := range names {
			name := family[1] + suffix
			if taken[name] {
				return name
			}
			taken[name] = true
		}
	}
	return ""
}
