package prometheus_test

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

const fleetFile = "prometheus-fleet.yml"

// fleetOf returns the names of the demo's targets: stage and region.
func fleetOf() []string { return []string{"prod-ap", "prod-eu", "prod-us", "stage-eu", "stage-us"} }

// TestFleet runs Prometheus with the shipped configuration and rules against a demo of
// several appliances.
func TestFleet(t *testing.T) {
	livetest.Program(t, "prometheus")
	_, exporter := livetest.StartExporter(t, livetest.BuildExporter(t), nil, "demo", fmt.Sprintf("--targets=%d", len(fleetOf())))
	config := fleetConfig(t, exporter)
	t.Run("whole", func(t *testing.T) {
		p := livetest.StartPrometheus(t, config)
		p.Await(t, time.Minute, fmt.Sprintf("count(count_over_time(up[5m]) >= 3) == %d", len(fleetOf())+1))
		checkTargets(t, p, exporter)
		checkSeries(t, p, exporter)
		checkNothingRejected(t, p)
		checkRules(t, p)
	})
	t.Run("in shares", func(t *testing.T) { checkShares(t, config, exporter) })
}

// fleetConfig is the shipped configuration for an exporter's address, with
// shorter intervals.
func fleetConfig(t *testing.T, exporter string) string {
	t.Helper()
	text, _, found := strings.Cut(livetest.ReadFile(t, fleetFile), "\nalerting:")
	if !found || strings.Count(text, "localhost:10458") != 2 {
		t.Fatalf("%s has another form", fleetFile)
	}
	faster := regexp.MustCompile(`(interval|scrape_timeout): \d+[ms]`)
	text = strings.ReplaceAll(faster.ReplaceAllString(text, "$1: 1s"), "localhost:10458", exporter)
	var files strings.Builder
	for _, file := range []string{thresholdsFile, recordingFile, alertsFile} {
		rules := regexp.MustCompile(`(?m)^( +interval:) 1m$`).ReplaceAllString(livetest.ReadFile(t, file), "$1 1s")
		path := livetest.WriteFile(t, file, []byte(rules))
		fmt.Fprintf(&files, "  - %q\n", path)
	}
	return strings.Replace(text, "  - cckm_sync_*.yml", strings.TrimSuffix(files.String(), "\n"), 1)
}

// labelsOf returns the labels that a target of the demo must have.
func labelsOf(name string) map[string]string {
	stage, region, _ := strings.Cut(name, "-")
	return map[string]string{"job": "cckm_sync", "instance": name, "stage": stage, "region": region}
}

// activeTarget is a target of Prometheus' API.
type activeTarget struct {
	Labels    map[string]string
	ScrapeURL string
}

func activeTargets(t *testing.T, p *livetest.Prometheus) []activeTarget {
	t.Helper()
	var data struct{ ActiveTargets []activeTarget }
	if err := p.Get(t.Context(), "/api/v1/targets", nil, &data); err != nil {
		t.Fatal(err)
	}
	return data.ActiveTargets
}

// checkTargets checks that each target is scraped with its own name and labels.
func checkTargets(t *testing.T, p *livetest.Prometheus, exporter string) {
	t.Helper()
	want := map[string]map[string]string{"http://" + exporter + "/metrics": {"job": "cckm_sync", "instance": exporter}}
	for _, name := range fleetOf() {
		want["http://"+exporter+"/probe?target="+name] = labelsOf(name)
	}
	got := map[string]map[string]string{}
	for _, target := range activeTargets(t, p) {
		got[target.ScrapeURL] = target.Labels
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
}

// checkSeries checks that every series about a target has the target's labels, that
// the exporter's own have its address and, if they are about a target, the label
// target, and that Prometheus renamed no label.
func checkSeries(t *testing.T, p *livetest.Prometheus, exporter string) {
	t.Helper()
	var series []map[string]string
	if err := p.Get(t.Context(), "/api/v1/series", url.Values{"match[]": {`{__name__=~".+", __name__!~".*:.*|ALERTS.*"}`}}, &series); err != nil {
		t.Fatal(err)
	}
	scopes, lists, about := map[string]int{}, map[string]int{}, map[string]int{}
	for _, labels := range series {
		for name := range labels {
			if strings.HasPrefix(name, "exported_") {
				t.Errorf("a label was renamed: %v", labels)
			}
		}
		own := strings.HasPrefix(labels["__name__"], "cckm_sync_exporter_")
		name, target := labels["instance"], labels["target"]
		if name == exporter {
			if strings.HasPrefix(labels["__name__"], "cckm_sync_") != own || labels["stage"]+labels["region"] != "" {
				t.Errorf("the exporter's own metrics have %v", labels)
			}
			about[target]++
			continue
		}
		for label, value := range labelsOf(name) {
			if labels[label] != value {
				t.Errorf("%s is not %q in %v", label, value, labels)
			}
		}
		if own || target != "" {
			t.Errorf("a target has %v", labels)
		}
		switch labels["__name__"] {
		case "cckm_sync_scope_info":
			scopes[name]++
		case "cckm_sync_up":
			lists[name]++
		}
	}
	for _, name := range fleetOf() {
		if scopes[name] == 0 || lists[name] != 2 || about[name] == 0 {
			t.Errorf("%s has %d scopes and %d lists, want some and 2, and %d series in /metrics", name, scopes[name], lists[name], about[name])
		}
	}
	if len(about) != len(fleetOf())+1 { // Series without the label are about no target.
		t.Errorf("/metrics is about the targets %v", slices.Sorted(maps.Keys(about)))
	}
}

// checkNothingRejected checks that each sample of a scrape becomes a series.
func checkNothingRejected(t *testing.T, p *livetest.Prometheus) {
	t.Helper()
	for query, want := range map[string]int{
		`up == 1`: len(fleetOf()) + 1,
		`cckm_sync_up{stage=~".+", region=~".+"} == 1`: 2 * len(fleetOf()),
		`scrape_samples_scraped == on (instance) count by (instance) ({__name__!~"up|scrape_.*|ALERTS.*|.*:.*", job="cckm_sync"})`: len(fleetOf()) + 1,
		`scrape_samples_scraped != scrape_samples_post_metric_relabeling`:                                                          0,
	} {
		var got int
		if !livetest.WaitFor(time.Minute, func() bool {
			samples, err := p.Query(t.Context(), query)
			got = len(samples)
			return err == nil && got == want
		}) {
			t.Errorf("%s returns %d series, want %d", query, got, want)
		}
	}
}

// checkRules checks that every rule can be evaluated on a fleet, and that records made
// of the exporter's own metrics about a target have the target's labels.
func checkRules(t *testing.T, p *livetest.Prometheus) {
	t.Helper()
	var data struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	health := map[string]int{}
	livetest.Eventually(t, time.Minute, "every rule was evaluated", func() bool {
		clear(health)
		if err := p.Get(t.Context(), "/api/v1/rules", nil, &data); err != nil {
			t.Fatal(err)
		}
		for _, group := range data.Groups {
			for _, rule := range group.Rules {
				health[rule.Health]++
			}
		}
		return health["unknown"] == 0
	})
	if health["ok"] <= len(alerts(t)) || len(health) > 1 {
		t.Errorf("rules: %+v", data)
	}
	for query, perTarget := range map[string]int{"cckm_sync_exporter:token_expired:seconds": 1, "cckm_sync_list:history_drift:increase1h": 2} {
		p.Await(t, time.Minute, fmt.Sprintf("count(%s) == %d", query, perTarget*len(fleetOf())))
		samples, err := p.Query(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range samples {
			want := labelsOf(s.Metric["instance"])
			for _, own := range []string{"__name__", "cloud", "item"} {
				delete(s.Metric, own)
			}
			if !slices.Contains(fleetOf(), s.Metric["instance"]) || !maps.Equal(s.Metric, want) {
				t.Errorf("%s has the labels %v, want %v", query, s.Metric, want)
			}
		}
	}
}

// checkShares checks that of two servers with the file's relabeling exactly one scrapes
// each target, and both the exporter itself.
func checkShares(t *testing.T, config, exporter string) {
	t.Helper()
	comment := regexp.MustCompile(`(?m)^ {4}# relabel_configs:\n(?: {4}# .*\n)+`).FindString(config)
	relabeling := strings.ReplaceAll(comment, "    # ", "    ")
	if comment == "" || !strings.Contains(livetest.ReadFile(t, "../docs/configuration.md"), relabeling) {
		t.Errorf("%s has no relabel_configs, or others than configuration.md:\n%s", fleetFile, comment)
	}
	scraped := map[string]int{}
	for share := range 2 {
		own := strings.Replace(relabeling, "regex: 0;", fmt.Sprintf("regex: %d;", share), 1)
		p := livetest.StartPrometheus(t, strings.Replace(config, comment, own, 1))
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
		t.Errorf("numbers of servers that scrape a target: %v, want %v", scraped, want)
	}
}

// TestFleetConfig checks that the two shipped configurations differ only in what is scraped.
func TestFleetConfig(t *testing.T) {
	var one, many map[string]any
	load(t, "prometheus.yml", &one)
	load(t, fleetFile, &many)
	delete(one, "scrape_configs")
	delete(many, "scrape_configs")
	if diff := cmp.Diff(one, many); diff != "" {
		t.Errorf("prometheus.yml and %s (-one +many):\n%s", fleetFile, diff)
	}
}
