package prometheus_test

import (
	"fmt"
	"maps"
	"regexp"
	"strings"
	"testing"
	"time"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// checkShares holds that of two servers with the file's relabeling each target is
// scraped by exactly one, and the exporter itself by both.
func checkShares(t *testing.T, config, exporter string) {
	t.Helper()
	config, example := withShares(t, config)
	if !strings.Contains(read(t, "../docs/configuration.md"), example) {
		t.Errorf("configuration.md has another example of hashmod than %s:\n%s", fleetFile, example)
	}
	scraped := map[string]int{}
	for share := range 2 {
		p := livetest.StartPrometheus(t, strings.Replace(config, "regex: 0;", fmt.Sprintf("regex: %d;", share), 1))
		p.Await(t, time.Minute, `up{instance="`+exporter+`"}`)
		p.Await(t, time.Minute, `cckm_sync_up`)
		for _, target := range activeTargets(t, p) {
			scraped[target.Labels["instance"]]++
		}
	}
	want := map[string]int{exporter: 2}
	for _, name := range fleetOf() {
		want[name] = 1
	}
	if !maps.Equal(scraped, want) {
		t.Errorf("scraped by so many servers: %v, want %v", scraped, want)
	}
}

// withShares turns the relabeling on that is a comment in the shipped file, and
// returns it also by itself.
func withShares(t *testing.T, config string) (whole, example string) {
	t.Helper()
	comment := regexp.MustCompile(`(?m)^ {4}# relabel_configs:\n(?: {4}# .*\n)+`).FindString(config)
	if comment == "" {
		t.Fatalf("%s has no relabel_configs", fleetFile)
	}
	example = strings.ReplaceAll(comment, "    # ", "    ")
	return strings.Replace(config, comment, example, 1), example
}
