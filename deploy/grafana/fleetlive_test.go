package grafana_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// TestLiveFleet runs every query against a Prometheus that scrapes one exporter
// of several targets, and keeps native histograms instead of classic ones.
func TestLiveFleet(t *testing.T) {
	setting, args := nativeHistograms(t)
	_, exporter := livetest.StartExporter(t, livetest.BuildExporter(t), nil, "demo", "--targets=3", "--collector.schedules", "--collector.inventory")
	p := startPrometheus(t, fmt.Sprintf(`
scrape_configs:
  - job_name: cckm_sync
    http_sd_configs: [{url: "http://%[1]s/sd"}]
    static_configs: [{targets: [%[1]q]}]
    %[2]s
`, exporter, setting), args...)
	const name = "prod-eu"
	// A scope that has data for every panel.
	lively := `delta(cckm_sync_scope_jobs{instance="` + name + `", status="completed"}[1m]) > 0
		and on (instance, scope) cckm_sync_scope_last_failure_timestamp_seconds`
	p.Await(t, time.Minute, `count(count_over_time(up{job="cckm_sync"}[1m]) >= 8) == 4`)
	p.Await(t, time.Minute, `histogram_count(cckm_sync_exporter_api_request_duration_seconds) unless on (instance) cckm_sync_exporter_api_request_duration_seconds_bucket`)
	p.Await(t, 2*time.Minute, lively)
	p.Await(t, time.Minute, `ALERTS{alertname="CCKMSyncFailed", alertstate="firing"}`)
	failed := `cckm_sync_scope_jobs{instance="` + name + `", status="failed"}`
	p.Await(t, 2*time.Minute, `sum_over_time(clamp_min(`+failed+` - `+failed+` offset 5s, 0)[1m:5s]) > 0`)
	found, err := p.Query(t.Context(), lively)
	if err != nil || len(found) == 0 {
		t.Fatal(found, err)
	}
	scope := found[0].Metric["scope"]
	narrow := everything(scope)
	narrow["instance"], narrow["target"] = several(name, exporter), several(name)
	for _, b := range readBoards(t) {
		for choice, chosen := range map[string]map[string]string{"all": everything(scope), "one target": narrow} {
			t.Run(b.uid+"/"+choice, func(t *testing.T) { p.checkBoard(t, &b, chosen) })
		}
		if b.uid == "cckm-sync-exporter" {
			p.checkTargets(t, &b, everything(scope), exporter)
		}
	}
}

// nativeHistograms returns the line of a scrape configuration and the flags with which the installed Prometheus
// keeps native histograms.
func nativeHistograms(t *testing.T) (setting string, args []string) {
	t.Helper()
	if isOld(t) {
		return "", []string{"--enable-feature=native-histograms"}
	}
	return "scrape_native_histograms: true", nil
}

// isOld reports whether the installed Prometheus is older than 3, and lacks settings.
func isOld(t *testing.T) bool {
	t.Helper()
	return strings.HasPrefix(livetest.Version(t, livetest.Program(t, "prometheus")), "2.")
}

// TestLatencies checks that the latencies of the Exporter board are shown for all kinds of histograms that
// Prometheus can keep.
func TestLatencies(t *testing.T) {
	native, args := nativeHistograms(t)
	const custom, both = "convert_classic_histograms_to_nhcb: true", "always_scrape_classic_histograms: true"
	// The settings of a job by its name.
	jobs := map[string][]string{"native": {native}}
	if !isOld(t) {
		jobs = map[string][]string{
			"classic": nil, "native": {native}, "custom": {custom}, "native and classic": {native, both}, "custom and classic": {custom, both},
		}
	}
	_, exporter := livetest.StartExporter(t, livetest.BuildExporter(t), nil, "demo")
	var config strings.Builder
	config.WriteString("\nscrape_configs:\n")
	for job, settings := range jobs {
		fmt.Fprintf(&config, "- job_name: %s\n  static_configs: [{targets: [%q]}]\n", job, exporter)
		for _, setting := range settings {
			config.WriteString("  " + setting + "\n")
		}
	}
	p := startPrometheus(t, config.String(), args...)
	p.Await(t, time.Minute, fmt.Sprintf(`count(count_over_time(up[1m]) >= 5) == %d`, len(jobs)))
	const histogram = "cckm_sync_exporter_api_request_duration_seconds"
	for _, b := range readBoards(t) {
		if b.uid != "cckm-sync-exporter" {
			continue
		}
		for job := range jobs {
			t.Run(job, func(t *testing.T) {
				for name, want := range map[string]bool{histogram: job != "classic", histogram + "_bucket": strings.HasSuffix(job, "classic")} {
					series, err := p.Query(t.Context(), fmt.Sprintf("%s{job=%q}", name, job))
					if err != nil || len(series) > 0 != want {
						t.Errorf("%s has %d series: %v", name, len(series), err)
					}
				}
				values := everything("")
				values["job"] = several(job)
				panel := b.named(t, "Time until an answer")
				for _, query := range panel.queries {
					if found := p.answer(t, panel, query, values); len(found) != 1 || !found[0].isNumber() {
						t.Errorf("%s: %v", *query.RefId, found)
					}
				}
			})
		}
	}
}

// checkTargets checks that the Exporter board offers the targets as variables, and
// that panels about targets have a line for each.
func (p *prometheusServer) checkTargets(t *testing.T, b *board, chosen map[string]string, exporter string) {
	t.Helper()
	names := []string{"prod-ap", "prod-eu", "prod-us"}
	for i := range b.Templating.List {
		v := &b.Templating.List[i]
		want := map[string][]string{"target": names, "instance": append([]string{exporter}, names...)}[v.Name]
		if want == nil {
			continue
		}
		if found := p.labelValues(t, substitute(*v.Definition, chosen)); !slices.Equal(found, want) {
			t.Errorf("$%s has the values %q, want %q", v.Name, found, want)
		}
	}
	want := map[string]int{
		"Time until the token expires": len(names), "Reads by kind": 2, "Drift of the cache": len(names),
		"Duration of each list's read": 2 * len(names), "Duration of the scrape": len(names), "Memory": 1,
	}
	for i := range b.panels {
		panel := &b.panels[i]
		number, is := want[panel.title]
		if !is {
			continue
		}
		delete(want, panel.title)
		if series := p.answer(t, panel, panel.queries[0], chosen); len(series) != number {
			t.Errorf("%s has %d lines, want %d: %v", panel.title, len(series), number, series)
		}
	}
	if len(want) > 0 {
		t.Errorf("there are no panels for %v", want)
	}
}
