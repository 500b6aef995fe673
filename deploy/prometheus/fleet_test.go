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

// fleetOf returns the names of the demo's targets: each is called by its stage
// and region.
func fleetOf() []string { return []string{"prod-ap", "prod-eu", "prod-us", "stage-eu", "stage-us"} }

// TestFleet has a real Prometheus, with the shipped configuration and rules,
// discover and scrape a demo of several appliances.
func TestFleet(t *testing.T) {
	livetest.Program(t, "prometheus")
	_, exporter := livetest.StartExporter(t, livetest.BuildExporter(t), nil, "demo", fmt.Sprintf("--targets=%d", len(fleetOf())))
	config := fleetConfig(t, exporter)
	t.Run("whole", func(t *testing.T) {
		p := startFleetPrometheus(t, config, exporter, fleetOf())
		checkTargets(t, p, exporter, fleetOf())
		checkSeries(t, p, exporter)
		checkNothingRejected(t, p)
		checkRules(t, p)
	})
	t.Run("in shares", func(t *testing.T) {
		checkShares(t, config, exporter)
	})
}

// fleetConfig is the shipped configuration for an exporter's address, with
// shorter intervals.
func fleetConfig(t *testing.T, exporter string) string {
	t.Helper()
	text, _, found := strings.Cut(read(t, fleetFile), "\nalerting:")
	if !found || strings.Count(text, "localhost:10458") != 2 {
		t.Fatalf("%s has another form", fleetFile)
	}
	faster := regexp.MustCompile(`(interval|scrape_timeout): \d+[ms]`)
	text = strings.ReplaceAll(faster.ReplaceAllString(text, "$1: 1s"), "localhost:10458", exporter)
	var files strings.Builder
	for _, file := range []string{thresholdsFile, recordingFile, alertsFile} {
		rules := regexp.MustCompile(`(?m)^( +interval:) 1m$`).ReplaceAllString(read(t, file), "$1 1s")
		path := livetest.WriteFile(t, file, []byte(rules))
		fmt.Fprintf(&files, "  - %q\n", path)
	}
	return strings.Replace(text, "  - cckm_sync_*.yml", strings.TrimSuffix(files.String(), "\n"), 1)
}

// startFleetPrometheus waits until all has been scraped that is to be.
func startFleetPrometheus(t *testing.T, config, exporter string, names []string) *livetest.Prometheus {
	t.Helper()
	p := livetest.StartPrometheus(t, config)
	want := append([]string{exporter}, names...)
	slices.Sort(want)
	var got []string
	if !livetest.WaitFor(time.Minute, func() bool {
		samples, err := p.Query(t.Context(), "count_over_time(up[5m]) >= 3")
		got = make([]string, 0, len(samples))
		for _, s := range samples {
			got = append(got, s.Metric["instance"])
		}
		slices.Sort(got)
		return err == nil && slices.Equal(got, want)
	}) {
		t.Fatalf("scraped are %v, want %v", got, want)
	}
	return p
}

// labelsOf returns the labels that a target of the demo must have.
func labelsOf(name string) map[string]string {
	stage, region, _ := strings.Cut(name, "-")
	return map[string]string{"job": "cckm_sync", "instance": name, "stage": stage, "region": region}
}

// activeTarget is a target as Prometheus tells of it.
type activeTarget struct {
	Labels               map[string]string
	ScrapeURL, LastError string
	Health               string
}

func activeTargets(t *testing.T, p *livetest.Prometheus) []activeTarget {
	t.Helper()
	var data struct{ ActiveTargets []activeTarget }
	if err := p.Get(t.Context(), "/api/v1/targets", nil, &data); err != nil {
		t.Fatal(err)
	}
	return data.ActiveTargets
}

// checkTargets holds that each target is scraped by its own name and labels.
func checkTargets(t *testing.T, p *livetest.Prometheus, exporter string, names []string) {
	t.Helper()
	want := map[string]map[string]string{"http://" + exporter + "/metrics": {"job": "cckm_sync", "instance": exporter}}
	for _, name := range names {
		want["http://"+exporter+"/probe?target="+name] = labelsOf(name)
	}
	for _, target := range activeTargets(t, p) {
		labels := want[target.ScrapeURL]
		delete(want, target.ScrapeURL)
		if !maps.Equal(target.Labels, labels) || target.Health != "up" {
			t.Errorf("%s has the labels %v and is %s (%s), want %v", target.ScrapeURL, target.Labels, target.Health, target.LastError, labels)
		}
	}
	for missing := range want {
		t.Errorf("%s is not scraped", missing)
	}
}

// checkSeries holds that every series about a target has the target's labels,
// that the exporter's own have its address and the label target where they are
// about one, and that Prometheus had to rename no label.
func checkSeries(t *testing.T, p *livetest.Prometheus, exporter string) {
	t.Helper()
	var series []map[string]string
	if err := p.Get(t.Context(), "/api/v1/series", url.Values{"match[]": {`{__name__=~".+"}`}}, &series); err != nil {
		t.Fatal(err)
	}
	scopes, lists, told := map[string]int{}, map[string]int{}, map[string]int{}
	for _, labels := range series {
		if strings.Contains(labels["__name__"], ":") || strings.HasPrefix(labels["__name__"], "ALERTS") {
			continue // A rule made it.
		}
		for name := range labels {
			if strings.HasPrefix(name, "exported_") {
				t.Errorf("a label had to be renamed: %v", labels)
			}
		}
		own := strings.HasPrefix(labels["__name__"], "cckm_sync_exporter_")
		switch name, about := labels["instance"], labels["target"]; name {
		case exporter:
			if strings.HasPrefix(labels["__name__"], "cckm_sync_") != own || labels["stage"]+labels["region"] != "" {
				t.Errorf("the exporter itself tells %v", labels)
			}
			if about != "" {
				told[about]++
			}
		default:
			for label, value := range labelsOf(name) {
				if labels[label] != value {
					t.Errorf("%s is not %q in %v", label, value, labels)
				}
			}
			if own || about != "" || !slices.Contains(fleetOf(), name) {
				t.Errorf("a target tells %v", labels)
			}
			switch labels["__name__"] {
			case "cckm_sync_scope_info":
				scopes[name]++
			case "cckm_sync_up":
				lists[name]++
			}
		}
	}
	for _, name := range fleetOf() {
		if scopes[name] == 0 || lists[name] != 2 || told[name] == 0 {
			t.Errorf("%s has %d key rings and vaults and %d lists, want some and 2; the exporter tells %d series of it",
				name, scopes[name], lists[name], told[name])
		}
	}
	if extra := len(told) - len(fleetOf()); extra != 0 {
		t.Errorf("the exporter tells of %v", slices.Sorted(maps.Keys(told)))
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

// checkRules holds that every rule can be evaluated on a fleet, and that what is
// recorded of a target out of the exporter's own metrics has the target's labels.
func checkRules(t *testing.T, p *livetest.Prometheus) {
	t.Helper()
	var data struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	rules := 0
	livetest.Eventually(t, time.Minute, "every rule was evaluated", func() bool {
		if err := p.Get(t.Context(), "/api/v1/rules", nil, &data); err != nil {
			return false
		}
		rules = 0
		for _, group := range data.Groups {
			for _, rule := range group.Rules {
				if rule.Health == "unknown" {
					return false
				}
				rules++
			}
		}
		return rules > len(alerts(t))
	})
	for _, group := range data.Groups {
		for _, rule := range group.Rules {
			if rule.Health != "ok" {
				t.Errorf("%s is %s: %s", rule.Name, rule.Health, rule.LastError)
			}
		}
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
