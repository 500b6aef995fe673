package grafana_test

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/prometheus"

	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/collector/state"
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
	_, demo := livetest.StartExporter(t, executable, nil, "demo", "--collector.schedules", "--collector.inventory")
	_, troubled := livetest.StartExporter(t, executable, startTroubledAppliance(t, simulator.DefaultPassword), "serve")
	refusedProcess, refused := livetest.StartExporter(t, executable, startTroubledAppliance(t, "wrong"), "serve")
	p := startPrometheus(t, fmt.Sprintf(`
scrape_configs:
  - job_name: cckm
    static_configs: [{targets: [%q, %q, %q]}]
  - job_name: twin
    static_configs: [{targets: [%q], labels: {instance: twin}}]
`, demo, troubled, refused, demo))

	p.Await(t, time.Minute, `cckm_sync_scrape_error{reason="auth", instance="`+refused+`"} == 1`)
	refusedProcess.End(t)
	p.Await(t, time.Minute, `up{instance="`+refused+`"} == 0`)
	p.Await(t, time.Minute, `delta(cckm_sync_scope_jobs{scope="`+busyScope+`", status=~"completed|failed"}[1m]) > 0`)
	p.Await(t, time.Minute, `delta(cckm_sync_jobs{instance="`+demo+`", status="completed"}[1m]) > 0`)
	p.Await(t, time.Minute, `min(count_over_time(up{job="cckm"}[1m])) >= 8`)
	p.Await(t, time.Minute, `ALERTS{alertname="CCKMSyncExporterDown", alertstate="firing"}`)
	p.Await(t, time.Minute, `ALERTS{alertname="CCKMSyncListUnreadable", alertstate="firing"}`)
	p.Await(t, time.Minute, `sum_over_time(cckm_sync_list:finished_scope_jobs:increase5m{instance="`+troubled+`", status="failed"}[1m:5s]) > 0`)
	failed := `cckm_sync_scope_jobs{instance="` + troubled + `", status="failed"}`
	p.Await(t, time.Minute, `sum_over_time(clamp_min(`+failed+` - `+failed+` offset 5s, 0)[1m:5s]) > 0`)

	all := everything(busyScope)
	narrow := map[string]string{
		"job": several("cckm"), "instance": several(troubled), "cloud": several("azure", "google"), "item": several("certificate", "key"),
		"state": several("failed", "running", "in_sync"), "target": ".*", "scope": busyScope,
	}
	for _, b := range readBoards(t) {
		for name, chosen := range map[string]map[string]string{"all": all, "one exporter": narrow} {
			t.Run(b.uid+"/"+name, func(t *testing.T) { p.checkBoard(t, &b, chosen) })
		}
		switch b.uid {
		case "cckm-sync-fleet":
			p.checkNumbers(t, &b, all)
			p.checkOrder(t, &b, all)
			p.checkReading(t, &b, all)
		case "cckm-sync-scope":
			p.checkEveryScope(t, &b, all)
		}
	}
}

// everything chooses all values, except one key ring or vault.
func everything(scope string) map[string]string {
	return map[string]string{"job": ".+", "instance": ".+", "cloud": ".+", "item": ".+", "state": ".+", "target": ".*", "scope": scope}
}

// prometheusServer is a Prometheus that the boards ask.
type prometheusServer struct{ *livetest.Prometheus }

// startPrometheus starts a Prometheus that scrapes and evaluates the rules of
// deploy/prometheus every second, and whose alerts wait for seconds instead of minutes.
// What is overdue is so after an hour.
func startPrometheus(t *testing.T, scrapeConfigs string, args ...string) *prometheusServer {
	t.Helper()
	dir := t.TempDir()
	hasten := regexp.MustCompile(`interval: 1m|for: \w+|offset 5m|\[10m\]|vector\(2 \* 86400\)`)
	for _, name := range []string{"thresholds", "recording", "alerts"} {
		name = "cckm_sync_" + name + ".yml"
		text := hasten.ReplaceAllStringFunc(livetest.ReadFile(t, "..", "prometheus", name), func(found string) string {
			return map[string]string{
				"interval: 1m": "interval: 1s", "offset 5m": "offset 5s", "[10m]": "[10s]", "vector(2 * 86400)": "vector(3600)",
			}[found] + map[bool]string{true: "for: 1s"}[strings.HasPrefix(found, "for: ")]
		})
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &prometheusServer{livetest.StartPrometheus(t, "global: {scrape_interval: 1s, scrape_timeout: 1s}\nrule_files: ["+dir+"/*.yml]"+scrapeConfigs, args...)}
}

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
			values[v.Name] = chosen[v.Name]
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
		for _, q := range panel.queries {
			series := p.answer(t, panel, q, values)
			if !slices.ContainsFunc(series, sample.isNumber) && !p.isSparse(t, q.Expr, values) {
				t.Errorf("%s: %s answers nothing: %v\n%s", panel.title, *q.RefId, series, substitute(q.Expr, values))
			}
		}
	}
	for i := range b.Annotations.List {
		a := &b.Annotations.List[i]
		if found, err := p.Query(t.Context(), substitute(*a.Expr, values)); err != nil || len(found) == 0 {
			t.Errorf("annotation %s: %v %v", a.Name, found, err)
		}
	}
}

// isSparse reports whether a query counts a state that nothing is in, or asks for the
// schedule of a key ring or vault that has none.
func (p *prometheusServer) isSparse(t *testing.T, expr string, values map[string]string) bool {
	t.Helper()
	if found := regexp.MustCompile(`cckm_sync_scope_(due|next_run|schedule_interval|registered|refreshed)_?\w*`).FindString(expr); found != "" {
		anywhere, err := p.Query(t.Context(), found)
		return err == nil && len(anywhere) > 0
	}
	found := regexp.MustCompile(`^count by \([^)]*\) \((cckm_sync_scope:state\{[^}]*state="\w+"\})\)$`).FindStringSubmatch(expr)
	if found == nil {
		return false
	}
	states, err := p.Query(t.Context(), substitute(found[1], values))
	if err != nil {
		t.Fatal(err)
	}
	return len(states) == 0
}

// checkNumbers compares the numbers of the Fleet board with those of the alerts. What
// two exporters report counts twice, as it raises two alerts.
func (p *prometheusServer) checkNumbers(t *testing.T, b *board, chosen map[string]string) {
	t.Helper()
	alerts := map[string]string{"down": "CCKMSyncExporterDown", "unreadable": "CCKMSyncListUnreadable"}
	for _, s := range state.All() {
		if s != state.Aborted { // Its alert waits an hour.
			alerts[s.Info().Key] = s.Info().Alert
		}
	}
	for _, q := range b.named(t, "Exporters, lists, and key rings and vaults by state").queries {
		alert := alerts[*q.RefId]
		if alert == "" {
			continue
		}
		least := 1
		if slices.Contains([]string{"partly_failed", "missed", "unknown"}, *q.RefId) {
			least = 0 // It depends on when the jobs start and finish.
		}
		// States change every few seconds, and alerts are an evaluation behind.
		p.Await(t, time.Minute, fmt.Sprintf(`(%s) == on () (count(ALERTS{alertstate="firing", alertname=%q}) or vector(0)) >= %d`,
			substitute(q.Expr, chosen), alert, least))
	}
}

// named returns the panel with a title.
func (b *board) named(t *testing.T, title string) *panel {
	t.Helper()
	for i := range b.panels {
		if b.panels[i].title == title {
			return &b.panels[i]
		}
	}
	t.Fatalf("there is no panel %s", title)
	return nil
}

// checkOrder checks that what is wrong comes first: the rows by severity and state, and
// in a state by age.
func (p *prometheusServer) checkOrder(t *testing.T, b *board, chosen map[string]string) {
	t.Helper()
	panel := b.named(t, "What is wrong, worst first")
	series := p.answer(t, panel, panel.queries[0], chosen)
	slices.SortFunc(series, func(a, b sample) int { return cmp.Compare(b.last(), a.last()) })
	var got []string
	for _, s := range series {
		key := "none"
		for _, st := range state.All() {
			// The ranks of a state are the thousand million seconds from its number on.
			if int(s.last())/1_000_000_000 == state.NumStates-1-int(st) {
				key = st.Info().Key
			}
		}
		if len(got) == 0 || got[len(got)-1] != key {
			got = append(got, key)
		}
	}
	var want []string
	for _, s := range state.All() {
		if slices.Contains(got, s.Info().Key) {
			want = append(want, s.Info().Key)
		}
	}
	if len(got) < 4 || !slices.Equal(got, want) {
		t.Errorf("the states are in the order %q, want %q", got, want)
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
		for _, s := range p.answer(t, panel, panel.queries[0], chosen) {
			text, _ := shown[fmt.Sprint(s.last())].(map[string]any)
			texts[fmt.Sprint(text["text"])]++
		}
	}
	want := map[string]int{"✓ Readable": 5, "✕ Unreadable: server": 1, "✕ Exporter down": 2}
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

// checkEveryScope checks that the Scope board has a state, an advice and an age for each
// key ring or vault, even if it never succeeded or finished.
func (p *prometheusServer) checkEveryScope(t *testing.T, b *board, chosen map[string]string) {
	t.Helper()
	values := maps.Clone(chosen)
	// Those that are only registered have no jobs to show.
	scopes := p.labelValues(t, `label_values(cckm_sync_scope_status{job="cckm"}, scope)`)
	if len(scopes) < 17 {
		t.Errorf("only %d key rings and vaults", len(scopes))
	}
	for _, values["scope"] = range scopes {
		for _, title := range []string{"What is wrong, and what to do", "Last success"} {
			panel := b.named(t, title)
			for _, q := range panel.queries {
				series := p.answer(t, panel, q, values)
				if *q.RefId != "also" && (len(series) == 0 || math.IsNaN(series[0].last())) {
					t.Errorf("%s: %s is %v", values["scope"], title, series)
				}
			}
		}
	}
}

// substitute replaces variables, including Grafana's own, by their values, and long
// times by some that the test can wait for.
func substitute(query string, values map[string]string) string {
	query = strings.NewReplacer("[7d:1h]", "[1m:5s]", "[7d:15m]", "[1m:5s]", "offset 1h", "offset 5s", ":5m]", ":5s]", "[10m]", "[10s]").Replace(query)
	return substituteAll(query, values, map[string]string{"__rate_interval": "30s", "__range": "1m", "__interval": "5s"})
}

// substituteAll replaces variables by their values, and Grafana's own by theirs.
func substituteAll(query string, values, own map[string]string) string {
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

// startTroubledAppliance starts an appliance that has a busy and a broken key ring and a
// list that fails, and returns the environment that leads an exporter to it.
func startTroubledAppliance(t *testing.T, password string) []string {
	t.Helper()
	appliance := simulator.New(simulator.Options{})
	fleet, err := simulator.NewFleet(appliance, simulator.FleetOptions{Backlog: 8, Lives: []simulator.Life{{
		Name: "busy", List: simulator.GoogleKeys, Scopes: []string{busyScope}, Fate: simulator.RecoversSometimes,
		Period: 10 * time.Second, Longest: 4 * time.Second,
	}, {
		Name: "broken", List: simulator.GoogleKeys, Scopes: []string{"projects/acme-busy/locations/global/keyRings/broken"},
		Fate: simulator.FailsAlways, Period: 10 * time.Second, Longest: 4 * time.Second,
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
