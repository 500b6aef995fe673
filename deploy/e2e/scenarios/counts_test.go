package scenarios_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/collector/state"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

// TestCounts checks that the status page, the Fleet board and the alerts count the same: key rings and vaults
// in each state, and lists that cannot be read. Unlike in the lives of TestScenarios, a minute is a minute, because
// the page's thresholds cannot be divided; the jobs are as old as they need to be. Alerts that wait for their
// `for` count, too: the state has begun.
func TestCounts(t *testing.T) {
	livetest.Program(t, "prometheus")
	exporters := startCounted(t)
	var config strings.Builder
	config.WriteString("global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\nscrape_configs:\n")
	for _, e := range exporters {
		fmt.Fprintf(&config, "  - job_name: %q\n    static_configs: [{targets: [%q]}]\n", e.job, e.address)
		if e.fleet {
			fmt.Fprintf(&config, "    http_sd_configs: [{url: \"http://%s/sd\"}]\n", e.address)
		}
	}
	config.WriteString("rule_files:\n")
	for _, file := range countedRules(t) {
		fmt.Fprintf(&config, "  - %q\n", file)
	}
	prometheus := livetest.StartPrometheus(t, config.String())
	prometheus.Await(t, time.Minute, "cckm_sync_up")

	queries := boardQueries(t)
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "LIFE\tSTATE\tPAGE\tBOARD\tALERTS")
	deadline := time.Now().Add(time.Minute)
	for _, e := range exporters {
		var page, board, alerts map[string]int
		if !livetest.WaitFor(max(time.Second, time.Until(deadline)), func() bool {
			page = e.compared(pageCounts(t, e.address))
			board = e.compared(boardCounts(t, prometheus, queries, e.job))
			alerts = e.compared(alertCounts(t, prometheus, e.job))
			// The demo's jobs start and end meanwhile.
			return maps.Equal(page, e.compared(pageCounts(t, e.address))) && maps.Equal(page, board) && sameAlerts(page, alerts) && e.has(page)
		}) {
			t.Errorf("%s: the counts differ, or are not %v", e.job, e.want)
		}
		for _, key := range slices.Sorted(maps.Keys(page)) {
			alert := "-"
			if n, ok := alerts[key]; ok {
				alert = strconv.Itoa(n)
			}
			_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\n", e.job, key, page[key], board[key], alert)
		}
	}
	_ = w.Flush()
	t.Logf("\n%s", table.String())
}

// counted is an exporter whose counts are compared.
type counted struct {
	job, address string
	// dueNow is true if runs may have been due just now. Prometheus learns what was due before them only after
	// a quarter of an hour, so the states that depend on it are not compared.
	dueNow bool
	// fleet is true if Prometheus discovers the exporter's targets.
	fleet bool
	// want has the counts by key. Without it, some scopes must have failed.
	want map[string]int
}

// compared returns the counts that must be equal.
func (c counted) compared(counts map[string]int) map[string]int {
	if c.dueNow {
		maps.DeleteFunc(counts, func(key string, _ int) bool {
			s, ok := state.Named(key)
			return ok && slices.Contains([]state.State{state.Overdue, state.NeverSucceeded, state.Missed, state.Running, state.InSync}, s)
		})
	}
	return counts
}

// has reports whether the counts are those that the exporter must have.
func (c counted) has(counts map[string]int) bool {
	if c.want != nil {
		return maps.Equal(counts, c.want)
	}
	return counts[state.Failed.Info().Key] > 0
}

// countedKeys returns the keys of what is counted: the states of scopes, and of lists that cannot be read.
func countedKeys() []string {
	var keys []string
	for _, s := range state.All() {
		keys = append(keys, s.Info().Key)
	}
	return append(keys, state.Unreadable.Info().Key)
}

// counts returns counts that are 0 for the keys that are not given.
func counts(of map[string]int) map[string]int {
	all := make(map[string]int)
	for _, key := range countedKeys() {
		all[key] = of[key]
	}
	return all
}

// startCounted starts the exporters and their appliances.
func startCounted(t *testing.T) []counted {
	t.Helper()
	executable := livetest.BuildExporter(t)
	list := func(names ...string) (args []string) {
		for _, name := range names {
			args = append(args, "--collector."+name)
		}
		return args
	}
	start := func(c counted, env []string, args ...string) counted {
		_, c.address = livetest.StartExporter(t, executable, env, args...)
		return c
	}
	// everyState are scopes in every state; see troubles.
	everyState := map[string]int{
		"overdue": 2, "failed": 3, "partly_failed": 1, "stuck": 2, "never_succeeded": 2, "aborted": 1, "unknown": 1, "running": 1, "in_sync": 2,
	}
	// Of two appliances with scopes of the same names, one is in sync. A scope counts on each.
	bad, good := newCounted(t, 0), newCounted(t, 0)
	bad.troubles()
	good.finished(completed, 5*time.Hour, "failed", "overdue", "in sync")
	twoAppliances := maps.Clone(everyState)
	twoAppliances["in_sync"] += 3
	targets := livetest.WriteFile(t, "targets.yml", []byte("targets:\n"+bad.target("prod-eu")+good.target("prod-us")))

	// One list responds with 500, and the appliance does not have the other.
	unreadable := newCounted(t, 0)
	unreadable.troubles()
	unreadable.answerError("azure/certificates")
	withUnreadable := maps.Clone(everyState)
	withUnreadable["unreadable"] = 2

	// By the exporter's clock, both jobs would be stuck and both successes overdue.
	behind := newCounted(t, -3*time.Hour)
	behind.finished(completed, 47*time.Hour, "almost overdue")
	behind.finished(completed, 49*time.Hour, "overdue")
	behind.started(110*time.Minute, "almost stuck")
	behind.started(130*time.Minute, "stuck")

	planned := newCounted(t, 0)
	planned.schedule()
	withSchedules := counts(map[string]int{"overdue": 1, "missed": 2, "never_succeeded": 1, "removed": 1, "in_sync": 1})

	return []counted{
		start(counted{job: "cckm_sync, schedules", want: withSchedules}, planned.env(), append(planned.args(), "--collector.schedules", "--collector.inventory")...),
		start(counted{job: "cckm_sync, demo", dueNow: true}, nil, append([]string{"demo"}, list("azure-keys", "aws-keys", "oci-keys")...)...),
		start(counted{job: "cckm_sync, two appliances", fleet: true, want: counts(twoAppliances)}, nil, "--config.file="+targets),
		start(counted{job: "cckm_sync, two lists unreadable", want: counts(withUnreadable)}, unreadable.env(), append(unreadable.args(), list("aws-keys")...)...),
		start(counted{job: "cckm_sync, clock behind", want: counts(map[string]int{"overdue": 1, "stuck": 1, "running": 1, "in_sync": 1})}, behind.env(), behind.args()...),
	}
}

// countedAppliance is an appliance in real time.
type countedAppliance struct {
	*simulator.Appliance

	t      *testing.T
	server *simulator.Server
	skew   time.Duration
	ca     string
}

// newCounted starts an appliance whose clock is ahead by skew.
func newCounted(t *testing.T, skew time.Duration) *countedAppliance {
	t.Helper()
	a := &countedAppliance{t: t, skew: skew, Appliance: simulator.New(simulator.Options{Clock: func() time.Time { return time.Now().Add(skew) }})}
	a.server = livetest.Serve(t, a.Appliance)
	a.ca = livetest.WriteFile(t, "ca.pem", a.server.CAPEM)
	return a
}

func (a *countedAppliance) env() []string {
	return []string{"CM_ADDRESS=" + a.server.URL, "CM_USERNAME=" + simulator.DefaultUsername, "CM_PASSWORD=" + simulator.DefaultPassword}
}

func (a *countedAppliance) args() []string { return []string{"--ciphertrust.ca-file=" + a.ca} }

// schedule gives the appliance an hourly schedule that was due half an hour ago.
func (a *countedAppliance) schedule() {
	kind, _ := simulator.KindNamed(google)
	created := time.Now().Add(-30 * 24 * time.Hour)
	registered := make([]simulator.Record, 0, 4)
	for _, ring := range []string{"in sync", "missed", "missed and overdue", "never synchronized"} {
		registered = append(registered, kind.Container(ring, created, created))
	}
	a.SetRecords(kind.InventoryPath(), registered, simulator.ListBehaviour{})
	hourly := simulator.Schedule{
		Name: "hourly", RunAt: fmt.Sprintf("%d * * * *", time.Now().UTC().Add(-30*time.Minute).Minute()), Cloud: "gcp", All: true,
		CreatedAt: created, UpdatedAt: created,
	}
	a.SetRecords(simulator.JobConfigsPath, []simulator.Record{hourly.Record()}, simulator.ListBehaviour{})
	a.finished(completed, 28*time.Minute, "in sync")
	a.finished(completed, 90*time.Minute, "missed")
	a.finished(completed, 3*time.Hour, "missed and overdue")
	a.finished(completed, 60*time.Hour, "removed")
}

// target returns the appliance as a target in the configuration file.
func (a *countedAppliance) target(name string) string {
	password := livetest.WriteFile(a.t, "password", []byte(simulator.DefaultPassword+"\n"))
	return fmt.Sprintf("  - {name: %q, url: %q, username: %q, password_file: %q, tls_config: {ca_file: %q}}\n",
		name, a.server.URL, simulator.DefaultUsername, password, a.ca)
}

// answerError makes the appliance respond with 500 to requests whose path contains a text.
func (a *countedAppliance) answerError(path string) {
	a.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.Contains(r.URL.Path, path) {
			simulator.WriteError(w, http.StatusInternalServerError, "")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// troubles inserts key rings in every state. Some have two.
func (a *countedAppliance) troubles() {
	const last = 20 * time.Hour
	a.finished(completed, last, "failed", "stuck", "aborted", "unknown", "running", "in sync")
	a.finished(completed, 50*time.Hour, "overdue")
	a.finished(completed, 60*time.Hour, "overdue and failing")
	a.finished(failed, time.Hour, "overdue and failing")
	a.finished(failed, 2*time.Hour, "failed")
	a.finished(failed, 3*time.Hour, "never succeeded")
	a.started(4*time.Hour, "stuck")
	a.started(30*time.Hour, "its first run does not end")
	a.put(simulator.Job{OverallStatus: completed, Abort: true, Scopes: []string{"aborted"}}, 2*time.Hour)
	a.finished("postponed", time.Hour, "unknown")
	a.started(10*time.Minute, "running")
	a.put(simulator.Job{OverallStatus: failed, Scopes: []string{"partly failed", "completed by the same job"}, DetailedStatus: map[string]string{
		"partly failed": "403 Forbidden", "completed by the same job": "key ring synchronized successfully",
	}}, 4*time.Hour)
	a.finished(completed, last, "partly failed")
}

func (a *countedAppliance) finished(status string, ago time.Duration, scopes ...string) {
	a.put(simulator.Job{OverallStatus: status, Scopes: scopes}, ago)
}

func (a *countedAppliance) put(job simulator.Job, ago time.Duration) {
	job.CompletedAt = time.Now().Add(a.skew - ago)
	job.CreatedAt = job.CompletedAt.Add(-time.Minute)
	a.List(google).Put(job)
}

// started inserts a job that has been in progress for some time.
func (a *countedAppliance) started(ago time.Duration, scopes ...string) {
	a.List(google).Put(simulator.Job{CreatedAt: time.Now().Add(a.skew - ago), Scopes: scopes})
}

// countedRules writes the rules, which are evaluated each second, and returns their paths. An abort counts at once,
// as it does elsewhere: only the alert waits for an hour.
func countedRules(t *testing.T) []string {
	t.Helper()
	names := []string{thresholdsFile, "cckm_sync_recording.yml", "cckm_sync_alerts.yml"}
	files := make([]string, 0, len(names))
	for _, name := range names {
		text := regexp.MustCompile(`(?m)^( +interval:) 1m$`).ReplaceAllString(livetest.ReadFile(t, shipped, name), "$1 1s")
		text = regexp.MustCompile(`(record: cckm_sync:aborted_after:seconds\n.*\n +expr:) .*`).ReplaceAllString(text, "$1 vector(0)")
		files = append(files, livetest.WriteFile(t, name, []byte(text)))
	}
	return files
}

// pageCounts returns what the status page counts.
func pageCounts(t *testing.T, address string) map[string]int {
	t.Helper()
	_, page, _ := livetest.Get(t, "http://"+address+"/")
	found := counts(nil)
	for _, s := range state.All() {
		match := regexp.MustCompile(`<b>([\d,]+)</b> <span aria-hidden="true">[^<]*</span> ` + s.Info().Name + `<`).FindStringSubmatch(page)
		if match == nil && (s == state.Missed || s == state.Removed) {
			continue // The page shows them only if there are any.
		}
		if match == nil {
			t.Fatalf("the page has no count of %s:\n%s", s.Info().Name, page)
		}
		found[s.Info().Key], _ = strconv.Atoi(strings.ReplaceAll(match[1], ",", ""))
	}
	_, lists, _ := strings.Cut(page, `<section id="lists"`)
	found[state.Unreadable.Info().Key] = len(regexp.MustCompile(`</span> `+state.Unreadable.Info().Name+`<`).FindAllString(lists, -1))
	return found
}

// boardQueries returns the queries of the Fleet board's numbers by key, which is the name of the query.
func boardQueries(t *testing.T) map[string]string {
	t.Helper()
	type query struct {
		Ref  string `json:"refId"`
		Expr string `json:"expr"`
	}
	type panel struct {
		Type    string  `json:"type"`
		Targets []query `json:"targets"`
	}
	var board struct {
		Panels []panel `json:"panels"`
	}
	if err := json.Unmarshal([]byte(livetest.ReadFile(t, "../../grafana/dashboards/cckm-sync-fleet.json")), &board); err != nil {
		t.Fatal(err)
	}
	queries := make(map[string]string)
	for _, p := range board.Panels {
		if p.Type != "stat" {
			continue
		}
		for _, target := range p.Targets {
			if slices.Contains(countedKeys(), target.Ref) {
				queries[target.Ref] = target.Expr
			}
		}
	}
	if got, want := slices.Sorted(maps.Keys(queries)), slices.Sorted(slices.Values(countedKeys())); !slices.Equal(got, want) {
		t.Fatalf("the board counts %q, want %q", got, want)
	}
	return queries
}

// boardCounts returns what the Fleet board counts for a job.
func boardCounts(t *testing.T, p *livetest.Prometheus, queries map[string]string, job string) map[string]int {
	t.Helper()
	variable := regexp.MustCompile(`\$\w+`)
	found := counts(nil)
	for key, query := range queries {
		query = variable.ReplaceAllString(strings.ReplaceAll(query, "$job", regexp.QuoteMeta(job)), ".+")
		samples, err := p.Query(t.Context(), query)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		if len(samples) == 1 {
			found[key] = number(t, samples[0])
		}
	}
	return found
}

// alertCounts returns how many alerts of each state a job has, pending and firing ones.
func alertCounts(t *testing.T, p *livetest.Prometheus, job string) map[string]int {
	t.Helper()
	keys := map[string]string{state.Unreadable.Info().Alert: state.Unreadable.Info().Key}
	found := map[string]int{state.Unreadable.Info().Key: 0}
	for _, s := range state.All() {
		if info := s.Info(); info.Alert != "" {
			keys[info.Alert], found[info.Key] = info.Key, 0
		}
	}
	samples, err := p.Query(t.Context(), fmt.Sprintf(`count by (alertname) (group without (alertstate, severity) (ALERTS{job=%q}))`, job))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range samples {
		if key, ok := keys[s.Metric["alertname"]]; ok {
			found[key] = number(t, s)
		}
	}
	return found
}

// sameAlerts reports whether the counts of alerts are those of the page, which also has states without an alert.
func sameAlerts(page, alerts map[string]int) bool {
	for key, n := range alerts {
		if page[key] != n {
			return false
		}
	}
	return true
}

// number returns the value of a sample.
func number(t *testing.T, s livetest.Sample) int {
	t.Helper()
	text, _ := s.Value[1].(string)
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%v: %v", s, err)
	}
	return n
}
