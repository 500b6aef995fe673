package grafana_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cckm_sync_exporter/collector/cmsim"
	"cckm_sync_exporter/deploy/grafana"
)

// busyScope is synchronized every ten seconds by the troubled appliance: three
// times it fails, then it completes.
const busyScope = "projects/acme-busy/locations/global/keyRings/busy"

// TestLive runs every query of every panel and variable against a Prometheus
// that scrapes the demo, a second time as if another exporter read the same
// appliance; an appliance one of whose lists fails; and an exporter that is
// refused and then ends.
func TestLive(t *testing.T) {
	path := program(t, "prometheus")
	executable := build(t)
	demo := startExporter(t, executable, nil, "demo")
	troubled := startExporter(t, executable, startTroubledAppliance(t, cmsim.DefaultPassword), "serve")
	refused := startExporter(t, executable, startTroubledAppliance(t, "wrong"), "serve")
	p := startPrometheus(t, path, fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: cckm
    static_configs: [{targets: [%q, %q, %q]}]
  - job_name: twin
    static_configs: [{targets: [%q], labels: {instance: twin}}]
`, demo.address, troubled.address, refused.address, demo.address))

	p.await(t, `cckm_sync_scrape_error{reason="auth", instance="`+refused.address+`"} == 1`)
	refused.end(t)
	p.await(t, `up{instance="`+refused.address+`"} == 0`)
	p.await(t, `delta(cckm_sync_scope_jobs{scope="`+busyScope+`", status=~"completed|failed"}[1m]) > 0`)
	p.await(t, `delta(cckm_sync_jobs{instance="`+demo.address+`", status="completed"}[1m]) > 0`)
	p.await(t, `min(count_over_time(up{job="cckm"}[1m])) >= 8`)

	all := map[string]string{"job": ".+", "instance": ".+", "cloud": ".+", "item": ".+"}
	narrow := map[string]string{
		"job": several("cckm"), "instance": several(troubled.address), "cloud": several("azure", "google"), "item": several("certificate", "key"),
	}
	for _, b := range readBoards(t) {
		for name, chosen := range map[string]map[string]string{"all": all, "one exporter": narrow} {
			t.Run(b.UID+"/"+name, func(t *testing.T) { p.checkBoard(t, &b, chosen) })
		}
		switch b.UID {
		case "cckm-sync-fleet":
			p.checkNumbers(t, &b, all)
			p.checkReading(t, &b, all)
		case "cckm-sync-scope":
			p.checkEveryScope(t, &b, all)
		}
	}
}

// prometheusServer is a running Prometheus.
type prometheusServer struct {
	url    string
	client *http.Client
}

// several is what Grafana makes of the values that were chosen of a variable.
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
	values := map[string]string{"scope": busyScope}
	queries := 0
	for i := range b.Templating.List {
		v := &b.Templating.List[i]
		switch v.Type {
		case "custom":
			values[v.Name], _ = v.Current["value"].(string)
		case "query":
			found := p.labelValues(t, substitute(v.Definition, values))
			queries++
			if len(found) == 0 || v.Name == "scope" && !slices.Contains(found, busyScope) {
				t.Errorf("$%s has the values %q: %s", v.Name, found, v.Definition)
			}
			if v.IncludeAll {
				values[v.Name] = chosen[v.Name]
			}
		}
	}
	for i := range b.Panels {
		panel := &b.Panels[i]
		for j := range panel.Targets {
			queries++
			series := p.answer(t, panel, &panel.Targets[j], values)
			if !slices.ContainsFunc(series, sample.isNumber) {
				t.Errorf("%s: %s answers nothing: %v\n%s", panel.Title, panel.Targets[j].RefID, series, substitute(panel.Targets[j].Expr, values))
			}
			if testing.Verbose() {
				t.Logf("%s: %s\n%s", panel.Title, panel.Targets[j].RefID, lines(series))
			}
		}
	}
	t.Logf("%d panels and rows, %d queries", len(b.Panels), queries)
}

// lines shows an answer to whoever looks at it with go test -v.
func lines(series []sample) string {
	var text strings.Builder
	for i, s := range series {
		if i == 40 {
			fmt.Fprintf(&text, "  … %d in all\n", len(series))
			break
		}
		fmt.Fprintf(&text, "  %v %v\n", s.Metric, s.values)
	}
	return text.String()
}

// checkNumbers holds the Fleet's numbers against what the demo and the troubled
// appliance are made to be. What two exporters tell of counts once.
func (p *prometheusServer) checkNumbers(t *testing.T, b *board, chosen map[string]string) {
	t.Helper()
	want := map[string]float64{
		"Exporters down": 1, "Lists unreadable": 1, "Stuck": 2, "Overdue": 0, "Never succeeded": 7,
	}
	for i := range b.Panels {
		panel := &b.Panels[i]
		number, is := want[panel.Title]
		if !is {
			continue
		}
		delete(want, panel.Title)
		series := p.answer(t, panel, &panel.Targets[0], withLimits(chosen, "48"))
		if len(series) != 1 || series[0].last() != number {
			t.Errorf("%s is %v, want %v", panel.Title, series, number)
		}
		// An age of none is over a limit of nothing.
		if panel.Title == "Overdue" {
			series = p.answer(t, panel, &panel.Targets[0], withLimits(chosen, "0.0001"))
			if len(series) != 1 || series[0].last() < 5 {
				t.Errorf("with a limit of 0.4 s %s is %v, want most", panel.Title, series)
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("there are no panels for %v", want)
	}
}

// checkReading holds what the Fleet says of the lists: that the demo's are read,
// twice, that one of the troubled appliance's fails, and that of an exporter that
// is down the lists are still there and not taken for readable.
func (p *prometheusServer) checkReading(t *testing.T, b *board, chosen map[string]string) {
	t.Helper()
	texts := make(map[string]int)
	for i := range b.Panels {
		panel := &b.Panels[i]
		if panel.Title != "What is wrong, by appliance, cloud and item" {
			continue
		}
		shown := mappings(t, panel, "Value #read")
		for _, s := range p.answer(t, panel, &panel.Targets[0], withLimits(chosen, "48")) {
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
func mappings(t *testing.T, panel *grafana.Panel, column string) map[string]any {
	t.Helper()
	for _, override := range panel.FieldConfig.Overrides {
		for _, property := range override.Properties {
			if override.Matcher.Options == column && property.ID == "mappings" {
				list, _ := property.Value.([]any)
				mapping, _ := list[0].(map[string]any)
				options, _ := mapping["options"].(map[string]any)
				return options
			}
		}
	}
	t.Fatalf("%s has no texts for %s", panel.Title, column)
	return nil
}

// checkEveryScope holds that of each key ring or vault, also of one that never
// succeeded or finished, the Scope board says what is wrong and for how long.
func (p *prometheusServer) checkEveryScope(t *testing.T, b *board, chosen map[string]string) {
	t.Helper()
	values := withLimits(chosen, "48")
	verdicts := make(map[float64]int)
	scopes := p.labelValues(t, `label_values(cckm_sync_scope_info, scope)`)
	for _, values["scope"] = range scopes {
		for i := range b.Panels {
			panel := &b.Panels[i]
			for j := range panel.Targets {
				series := p.answer(t, panel, &panel.Targets[j], values)
				switch panel.Title {
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
	// 5 never succeeded, 3 is stuck; the others are in step or failed.
	if len(scopes) != 17 || verdicts[5] != 7 || verdicts[3] != 2 || verdicts[0] < 5 || verdicts[0]+verdicts[2] != 8 {
		t.Errorf("%d key rings and vaults have the verdicts %v", len(scopes), verdicts)
	}
}

// withLimits adds the limits, in hours, to what was chosen.
func withLimits(chosen map[string]string, overdue string) map[string]string {
	values := map[string]string{"overdue": overdue, "stuck": "2"}
	maps.Copy(values, chosen)
	return values
}

// substitute puts values in the place of variables, Grafana's own among them.
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
func (p *prometheusServer) answer(t *testing.T, panel *grafana.Panel, target *grafana.Target, values map[string]string) []sample {
	t.Helper()
	parameters := url.Values{"query": {substitute(target.Expr, values)}}
	path := "/api/v1/query"
	if target.Range {
		path = "/api/v1/query_range"
		end := time.Now()
		parameters.Set("start", strconv.FormatInt(end.Add(-time.Minute).Unix(), 10))
		parameters.Set("end", strconv.FormatInt(end.Unix(), 10))
		parameters.Set("step", "5s")
	}
	var data struct{ Result []sample }
	if err := p.get(t.Context(), path, parameters, &data); err != nil {
		t.Fatalf("%s: %s: %v\n%s", panel.Title, target.RefID, err, parameters.Get("query"))
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
			t.Errorf("%s: %s answers %s twice", panel.Title, target.RefID, key)
		} else {
			seen[key] = true
		}
	}
	return data.Result
}

// labelValues asks as Grafana does for a variable's values.
func (p *prometheusServer) labelValues(t *testing.T, definition string) []string {
	t.Helper()
	parts := regexp.MustCompile(`^label_values\((.+), (\w+)\)$`).FindStringSubmatch(definition)
	if parts == nil {
		t.Fatalf("%s is no query of label values", definition)
	}
	var series []map[string]string
	if err := p.get(t.Context(), "/api/v1/series", url.Values{"match[]": {parts[1]}}, &series); err != nil {
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
	appliance := cmsim.New(cmsim.Options{})
	fleet, err := cmsim.NewFleet(appliance, cmsim.FleetOptions{Backlog: 8, Lives: []cmsim.Life{{
		Name: "busy", List: cmsim.GoogleKeys, Scopes: []string{busyScope}, Fate: cmsim.RecoversNowAndThen,
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
	server, err := appliance.StartTLS()
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { fleet.Run(t.Context(), time.Second) })
	t.Cleanup(func() {
		server.Close()
		running.Wait()
	})
	return []string{
		"CM_ADDRESS=" + server.URL,
		"CM_USERNAME=" + cmsim.DefaultUsername,
		"CM_PASSWORD=" + password,
		"CCKM_SYNC_EXPORTER_CIPHERTRUST_CA_FILE=" + write(t, "ca.pem", server.CAPEM),
	}
}

// program returns the path of a program that the test needs. Where it is missing
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

// build builds the exporter.
func build(t *testing.T) string {
	t.Helper()
	executable := filepath.Join(t.TempDir(), "cckm_sync_exporter")
	cmd := exec.CommandContext(t.Context(), program(t, "go"), "build", "-buildvcs=false", "-o", executable, "cckm_sync_exporter/cmd/cckm_sync_exporter")
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the exporter cannot be built: %v\n%s", err, output)
	}
	return executable
}

// process is a program that runs until the test ends it, or ends itself.
type process struct {
	cmd *exec.Cmd
	// address is where it listens.
	address string
	log     lockedBuffer
	ended   sync.Once
}

// lockedBuffer is a buffer that may be read while a program writes to it.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(text)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// start starts a program. It gets SIGTERM when the test is over.
func start(t *testing.T, env []string, name string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.CommandContext(t.Context(), name, args...)}
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	p.cmd.Stderr = &p.log
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 20 * time.Second
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.wait()
		if t.Failed() {
			t.Logf("%s %q wrote:\n%s", filepath.Base(name), args, p.log.String())
		}
	})
	return p
}

// wait waits for the end. What a program that is told to end returns is not
// this test's matter.
func (p *process) wait() { p.ended.Do(func() { _ = p.cmd.Wait() }) }

func (p *process) end(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.wait()
}

// startExporter starts the exporter and waits until it listens.
func startExporter(t *testing.T, executable string, env []string, command string) *process {
	t.Helper()
	p := start(t, env, executable, command, "--web.listen-address=127.0.0.1:0")
	listening := regexp.MustCompile(`msg="Listening on" address=(\S+)\n`)
	eventually(t, "the exporter listens", func() bool {
		found := listening.FindStringSubmatch(p.log.String())
		if found != nil {
			p.address = found[1]
		}
		return found != nil
	})
	return p
}

func startPrometheus(t *testing.T, path, config string) *prometheusServer {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	start(t, nil, path, "--config.file="+write(t, "prometheus.yml", []byte(config)),
		"--storage.tsdb.path="+t.TempDir(), "--web.listen-address="+address)
	p := &prometheusServer{url: "http://" + address, client: &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}}
	t.Cleanup(p.client.CloseIdleConnections)
	return p
}

// get decodes the data of an answer of Prometheus' API.
func (p *prometheusServer) get(ctx context.Context, path string, parameters url.Values, data any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path+"?"+parameters.Encode(), http.NoBody)
	if err != nil {
		return err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	answer := struct {
		Status string `json:"status"`
		Error  string `json:"error"`
		Data   any    `json:"data"`
	}{Data: data}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return fmt.Errorf("status %s: %s", answer.Status, answer.Error)
	}
	return nil
}

// await waits until a query answers something.
func (p *prometheusServer) await(t *testing.T, query string) {
	t.Helper()
	eventually(t, query, func() bool {
		var data struct{ Result []sample }
		err := p.get(t.Context(), "/api/v1/query", url.Values{"query": {query}}, &data)
		return err == nil && len(data.Result) > 0
	})
}

// eventually waits until a condition holds, and fails after a while.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-deadline.C:
			t.Fatalf("after a minute it is still not so: %s", what)
		case <-tick.C:
		}
	}
}

// write writes a file that the test leaves behind nowhere and returns its path.
func write(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
