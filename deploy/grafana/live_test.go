package grafana_test

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/prometheus"

	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

// busyScope is synchronized every ten seconds by the troubled appliance: three
// times it fails, then it completes.
const busyScope = "projects/acme-busy/locations/global/keyRings/busy"

// TestLive runs every query of every panel and variable against a Prometheus
// that scrapes the demo, a second time as if another exporter read the same
// appliance; an appliance one of whose lists fails; and an exporter that is
// refused and then ends.
func TestLive(t *testing.T) {
	livetest.Program(t, "prometheus")
	executable := livetest.BuildExporter(t)
	_, demo := livetest.StartExporter(t, executable, nil, "demo")
	_, troubled := livetest.StartExporter(t, executable, startTroubledAppliance(t, simulator.DefaultPassword), "serve")
	refusedProcess, refused := livetest.StartExporter(t, executable, startTroubledAppliance(t, "wrong"), "serve")
	p := &prometheusServer{livetest.StartPrometheus(t, fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: cckm
    static_configs: [{targets: [%q, %q, %q]}]
  - job_name: twin
    static_configs: [{targets: [%q], labels: {instance: twin}}]
`, demo, troubled, refused, demo))}

	p.Await(t, time.Minute, `cckm_sync_scrape_error{reason="auth", instance="`+refused+`"} == 1`)
	refusedProcess.End(t)
	p.Await(t, time.Minute, `up{instance="`+refused+`"} == 0`)
	p.Await(t, time.Minute, `delta(cckm_sync_scope_jobs{scope="`+busyScope+`", status=~"completed|failed"}[1m]) > 0`)
	p.Await(t, time.Minute, `delta(cckm_sync_jobs{instance="`+demo+`", status="completed"}[1m]) > 0`)
	p.Await(t, time.Minute, `min(count_over_time(up{job="cckm"}[1m])) >= 8`)

	all := everything(busyScope)
	narrow := map[string]string{
		"job": several("cckm"), "instance": several(troubled), "cloud": several("azure", "google"), "item": several("certificate", "key"),
		"target": ".*", "scope": busyScope,
	}
	for _, b := range readBoards(t) {
		for name, chosen := range map[string]map[string]string{"all": all, "one exporter": narrow} {
			t.Run(b.uid+"/"+name, func(t *testing.T) { p.checkBoard(t, &b, chosen) })
		}
		switch b.uid {
		case "cckm-sync-fleet":
			p.checkNumbers(t, &b, all)
			p.checkReading(t, &b, all)
		case "cckm-sync-scope":
			p.checkEveryScope(t, &b, all)
		}
	}
}

// everything chooses all values, except one key ring or vault.
func everything(scope string) map[string]string {
	return map[string]string{"job": ".+", "instance": ".+", "cloud": ".+", "item": ".+", "target": ".*", "scope": scope}
}

// prometheusServer is a Prometheus that the boards ask.
type prometheusServer struct{ *livetest.Prometheus }

// several returns the text that Grafana substitutes for several values of a variable.
func several(values ...string) string {
	quoted := make([]string, 0, len(values))
	for _, value := range values {
		quoted = append(quoted, strings.ReplaceAll(regexp.QuoteMeta(value), `\`, `\\`))
	}
	return "(" + strings.Join(quoted, "|") + ")"
}

// checkBoard runs a board's queries, those of its variables first.
func (p *prometheusServer) checkBoard(t *testing.T, b *board, chosen map[string]string) {
	t.Helper()
	values := map[string]string{"scope": chosen["scope"]}
	for i := range b.Templating.List {
		v := &b.Templating.List[i]
		switch v.Type { //nolint:exhaustive // The others have no values to set.
		case "custom":
			values[v.Name] = *v.Current.Value.String
		case "query":
			found := p.labelValues(t, substitute(*v.Definition, values))
			// An exporter of one appliance has no targets.
			if len(found) == 0 && v.Name != "target" || v.Name == "scope" && !slices.Contains(found, chosen["scope"]) {
				t.Errorf("$%s has the values %q: %s", v.Name, found, *v.Definition)
			}
			if *v.IncludeAll {
				values[v.Name] = chosen[v.Name]
			}
		}
	}
	for i := range b.panels {
		panel := &b.panels[i]
		for j := range panel.queries {
			series := p.answer(t, panel, panel.queries[j], values)
			if !slices.ContainsFunc(series, sample.isNumber) {
				t.Errorf("%s: %s answers nothing: %v\n%s", panel.title, *panel.queries[j].RefId, series, substitute(panel.queries[j].Expr, values))
			}
		}
	}
}

// checkNumbers compares the numbers of the Fleet board with the configuration of the
// demo and the troubled appliance. What two exporters report counts once.
func (p *prometheusServer) checkNumbers(t *testing.T, b *board, chosen map[string]string) {
	t.Helper()
	want := map[string]float64{
		"Exporters down": 1, "Lists unreadable": 1, "Stuck": 2, "Overdue": 2, "Never succeeded": 6,
	}
	for i := range b.panels {
		panel := &b.panels[i]
		number, is := want[panel.title]
		if !is {
			continue
		}
		delete(want, panel.title)
		series := p.answer(t, panel, panel.queries[0], withLimits(chosen, "48"))
		if len(series) != 1 || series[0].last() != number {
			t.Errorf("%s is %v, want %v", panel.title, series, number)
		}
		// Every age exceeds a tiny limit.
		if panel.title == "Overdue" {
			series = p.answer(t, panel, panel.queries[0], withLimits(chosen, "0.0001"))
			if len(series) != 1 || series[0].last() < 5 {
				t.Errorf("with a limit of 0.4 s %s is %v, want most", panel.title, series)
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("there are no panels for %v", want)
	}
}

// checkReading checks the states of the lists on the Fleet board: the demo's are
// readable, twice, one of the troubled appliance's fails, and those of an exporter
// that is down are still shown, as not readable.
func (p *prometheusServer) checkReading(t *testing.T, b *board, chosen map[string]string) {
	t.Helper()
	texts := make(map[string]int)
	for i := range b.panels {
		panel := &b.panels[i]
		if panel.title != "What is wrong, by appliance, cloud and item" {
			continue
		}
		shown := mappings(t, panel, "Value #read")
		for _, s := range p.answer(t, panel, panel.queries[0], withLimits(chosen, "48")) {
			text, _ := shown[fmt.Sprint(s.last())].(map[string]any)
			texts[fmt.Sprint(text["text"])]++
		}
	}
	want := map[string]int{"✔ readable": 5, "✖ server": 1, "✖ exporter down": 2}
	if !maps.Equal(texts, want) {
		t.Errorf("the lists are %v, want %v", texts, want)
	}
}

// mappings returns what a column shows for its values.
func mappings(t *testing.T, panel *panel, column string) map[string]any {
	t.Helper()
	for _, override := range panel.FieldConfig.Overrides {
		for _, property := range override.Properties {
			if override.Matcher.Options == column && property.Id == "mappings" {
				list, _ := property.Value.([]any)
				mapping, _ := list[0].(map[string]any)
				options, _ := mapping["options"].(map[string]any)
				return options
			}
		}
	}
	t.Fatalf("%s has no texts for %s", panel.title, column)
	return nil
}

// checkEveryScope checks that the Scope board has a verdict and an age for each key
// ring or vault, even if it never succeeded or finished.
func (p *prometheusServer) checkEveryScope(t *testing.T, b *board, chosen map[string]string) {
	t.Helper()
	values := withLimits(chosen, "48")
	verdicts := make(map[float64]int)
	scopes := p.labelValues(t, `label_values(cckm_sync_scope_info, scope)`)
	for _, values["scope"] = range scopes {
		for i := range b.panels {
			panel := &b.panels[i]
			for j := range panel.queries {
				series := p.answer(t, panel, panel.queries[j], values)
				switch panel.title {
				case "Verdict":
					if len(series) != 1 {
						t.Fatalf("%s: verdict %v", values["scope"], series)
					}
					verdicts[series[0].last()]++
				case "Since last success":
					if len(series) != 1 || math.IsNaN(series[0].last()) {
						t.Errorf("%s: since last success %v", values["scope"], series)
					}
				}
			}
		}
	}
	// 5 is never succeeded, 4 is overdue, 3 is stuck; the others succeeded or failed.
	if len(scopes) != 18 || verdicts[5] != 6 || verdicts[4] != 2 || verdicts[3] != 2 || verdicts[0] < 5 || verdicts[0]+verdicts[2] != 8 {
		t.Errorf("%d key rings and vaults have the verdicts %v", len(scopes), verdicts)
	}
}

// withLimits adds the limits, in hours, to the chosen variables.
func withLimits(chosen map[string]string, overdue string) map[string]string {
	values := map[string]string{"overdue": overdue, "stuck": "2"}
	maps.Copy(values, chosen)
	return values
}

// substitute replaces variables, including Grafana's own, by their values.
func substitute(query string, values map[string]string) string {
	own := map[string]string{"__rate_interval": "30s", "__range": "1m", "__interval": "5s"}
	return regexp.MustCompile(`\$\w+`).ReplaceAllStringFunc(query, func(name string) string {
		if value, is := own[name[1:]]; is {
			return value
		}
		return values[name[1:]]
	})
}

// sample is one series of an answer.
type sample struct {
	Metric map[string]string
	Value  []any
	Values [][]any
	values []float64
}

func (s sample) last() float64 { return s.values[len(s.values)-1] }

func (s sample) isNumber() bool {
	return slices.ContainsFunc(s.values, func(v float64) bool { return !math.IsNaN(v) })
}

// answer runs one query of a panel.
func (p *prometheusServer) answer(t *testing.T, panel *panel, target *prometheus.Dataquery, values map[string]string) []sample {
	t.Helper()
	parameters := url.Values{"query": {substitute(target.Expr, values)}}
	path := "/api/v1/query"
	if *target.Range {
		path = "/api/v1/query_range"
		end := time.Now()
		parameters.Set("start", strconv.FormatInt(end.Add(-time.Minute).Unix(), 10))
		parameters.Set("end", strconv.FormatInt(end.Unix(), 10))
		parameters.Set("step", "5s")
	}
	var data struct{ Result []sample }
	if err := p.Get(t.Context(), path, parameters, &data); err != nil {
		t.Fatalf("%s: %s: %v\n%s", panel.title, *target.RefId, err, parameters.Get("query"))
	}
	seen := make(map[string]bool)
	for i := range data.Result {
		s := &data.Result[i]
		if s.Value != nil {
			s.Values = append(s.Values, s.Value)
		}
		for _, point := range s.Values {
			value, err := strconv.ParseFloat(fmt.Sprint(point[1]), 64)
			if err != nil {
				t.Fatal(err)
			}
			s.values = append(s.values, value)
		}
		if key := fmt.Sprint(s.Metric); seen[key] {
			t.Errorf("%s: %s answers %s twice", panel.title, *target.RefId, key)
		} else {
			seen[key] = true
		}
	}
	return data.Result
}

// labelValues queries a variable's values in the way Grafana does.
func (p *prometheusServer) labelValues(t *testing.T, definition string) []string {
	t.Helper()
	parts := regexp.MustCompile(`^label_values\((.+), (\w+)\)$`).FindStringSubmatch(definition)
	if parts == nil {
		t.Fatalf("%s is no query of label values", definition)
	}
	var series []map[string]string
	if err := p.Get(t.Context(), "/api/v1/series", url.Values{"match[]": {parts[1]}}, &series); err != nil {
		t.Fatalf("%s: %v", definition, err)
	}
	values := make([]string, 0, len(series))
	for _, labels := range series {
		values = append(values, labels[parts[2]])
	}
	slices.Sort(values)
	return slices.Compact(values)
}

// startTroubledAppliance starts an appliance that has a busy key ring and a list
// that fails, and returns the environment that leads an exporter to it.
func startTroubledAppliance(t *testing.T, password string) []string {
	t.Helper()
	appliance := simulator.New(simulator.Options{})
	fleet, err := simulator.NewFleet(appliance, simulator.FleetOptions{Backlog: 8, Lives: []simulator.Life{{
		Name: "busy", List: simulator.GoogleKeys, Scopes: []string{busyScope}, Fate: simulator.RecoversSometimes,
		Period: 10 * time.Second, Longest: 4 * time.Second,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	appliance.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.Contains(r.URL.Path, "azure") {
			http.Error(w, "no", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
	server := livetest.Serve(t, appliance)
	var running sync.WaitGroup
	running.Go(func() { fleet.Run(t.Context(), time.Second) })
	t.Cleanup(running.Wait)
	return []string{
		"CM_ADDRESS=" + server.URL,
		"CM_USERNAME=" + simulator.DefaultUsername,
		"CM_PASSWORD=" + password,
		"CCKM_SYNC_EXPORTER_CIPHERTRUST_CA_FILE=" + livetest.WriteFile(t, "ca.pem", server.CAPEM),
	}
}
