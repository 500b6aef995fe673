// Package newest_test runs the shipped files in programs that take the place of Prometheus.
package newest_test

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

const prometheusDir = "../../../prometheus"

// TestVictoriaMetrics scrapes an exporter with VictoriaMetrics and Prometheus. vmalert must find the same states
// and alerts as Prometheus.
func TestVictoriaMetrics(t *testing.T) {
	vmalert := livetest.Program(t, "vmalert")
	t.Log(strings.TrimSpace(livetest.Run(t, "", vmalert, "-version")))
	livetest.Run(t, prometheusDir, vmalert, "-dryRun", "-rule=cckm_sync_*.yml")

	exporter, rules := startExporter(t), hastenedRules(t)
	scraping := "global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: cckm_sync\n  static_configs: [{targets: [\"" + exporter + "\"]}]\n"
	prometheus := livetest.StartPrometheus(t, scraping+"rule_files: [\""+rules+"\"]\n")
	victoria := livetest.StartVictoriaMetrics(t, scraping)
	livetest.Eventually(t, time.Minute, "VictoriaMetrics is ready", func() bool {
		_, _, ok := livetest.Get(t, victoria.URL+"/health")
		return ok
	})
	livetest.Start(t, nil, vmalert, "-rule="+rules, "-datasource.url="+victoria.URL, "-remoteWrite.url="+victoria.URL, "-notifier.blackhole",
		"-httpListenAddr="+livetest.FreeAddress(t), "-rule.evalDelay=0s", "-remoteWrite.flushInterval=500ms")

	// VictoriaMetrics finds a new series after ten seconds, and records depend on records.
	begin := time.Now()
	for _, query := range []string{
		`cckm_sync_scope:state`,
		`ALERTS{alertstate="firing"}`,
		`count_values by (cloud, item) ("seconds", cckm_sync_list:overdue_after:seconds)`,
	} {
		var want, got []string
		if !livetest.WaitFor(3*time.Minute, func() bool {
			want, got = answer(t, prometheus, query), answer(t, victoria, query)
			return len(want) > 0 && slices.Equal(want, got)
		}) {
			t.Errorf("%s (-Prometheus +VictoriaMetrics):\n%s", query, cmp.Diff(want, got))
		}
		t.Logf("%s: %d series after %s", query, len(got), time.Since(begin).Round(time.Second))
	}
}

// startExporter starts an exporter of an appliance whose jobs do not change, and returns its address.
func startExporter(t *testing.T) (address string) {
	t.Helper()
	appliance := simulator.New(simulator.Options{})
	if _, err := simulator.NewFleet(appliance, simulator.FleetOptions{}); err != nil {
		t.Fatal(err)
	}
	server := livetest.Serve(t, appliance)
	_, address = livetest.StartExporter(t, livetest.BuildExporter(t), []string{
		"CM_ADDRESS=" + server.URL, "CM_USERNAME=" + simulator.DefaultUsername, "CM_PASSWORD=" + simulator.DefaultPassword,
		"CCKM_SYNC_EXPORTER_CIPHERTRUST_CA_FILE=" + livetest.WriteFile(t, "ca.pem", server.CAPEM),
	}, "serve")
	return address
}

// hastenedRules writes the rules with shorter intervals, and alerts that fire at once. It returns a pattern of
// their paths.
func hastenedRules(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob(prometheusDir + "/cckm_sync_*.yml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var all strings.Builder
	all.WriteString("groups:\n")
	for _, file := range files {
		text := regexp.MustCompile(`(?m)^( +(?:interval|for|keep_firing_for)): .*$`).ReplaceAllString(livetest.ReadFile(t, file), "$1: 1s")
		_, groups, _ := strings.Cut(text, "\ngroups:\n")
		all.WriteString(groups)
	}
	return livetest.WriteFile(t, "rules.yml", []byte(all.String()))
}

// answer returns the series of a query's result in order, without the label that vmalert adds.
func answer(t *testing.T, p *livetest.Prometheus, query string) []string {
	t.Helper()
	samples, err := p.Query(t.Context(), query)
	if err != nil {
		return nil
	}
	series := make([]string, 0, len(samples))
	for _, sample := range samples {
		delete(sample.Metric, "alertgroup")
		var text strings.Builder
		for _, name := range slices.Sorted(maps.Keys(sample.Metric)) {
			text.WriteString(name + "=" + sample.Metric[name] + " ")
		}
		series = append(series, text.String())
	}
	slices.Sort(series)
	return series
}
