// Package prometheus_test holds the rules for Prometheus and the configuration
// of Alertmanager against the programs that load them, and against the
// conventions that their users count on.
package prometheus_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors/version"

	"cckm_sync_exporter/collector"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

const (
	thresholdsFile = "cckm_sync_thresholds.yml"
	recordingFile  = "cckm_sync_recording.yml"
	alertsFile     = "cckm_sync_alerts.yml"
	runbookURL     = "https://github.com/cckm-sync-exporter/cckm_sync_exporter/blob/main/deploy/runbooks/"
)

// run fails the test unless the program ends well.
func run(t *testing.T, path string, args ...string) {
	t.Helper()
	if output, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput(); err != nil {
		t.Errorf("%s %s: %v\n%s", filepath.Base(path), strings.Join(args, " "), err, output)
	}
}

func TestPromtoolCheckRules(t *testing.T) {
	run(t, livetest.Program(t, "promtool"), "check", "rules", "--lint=all", "--lint-fatal", thresholdsFile, recordingFile, alertsFile)
}

func TestPromtoolCheckConfig(t *testing.T) {
	run(t, livetest.Program(t, "promtool"), "check", "config", "prometheus.yml")
}

func TestAmtoolCheckConfig(t *testing.T) {
	run(t, livetest.Program(t, "amtool"), "check-config", "alertmanager.yml")
}

// TestPromtoolTestRules runs the unit tests of the alerts.
func TestPromtoolTestRules(t *testing.T) {
	t.Parallel()
	promtool := livetest.Program(t, "promtool")
	for _, file := range glob(t, "tests/*.test.yml") {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".test.yml"), func(t *testing.T) {
			t.Parallel()
			run(t, promtool, "test", "rules", file)
		})
	}
}

// TestConventions holds what users' dashboards, routes and pagers count on.
func TestConventions(t *testing.T) {
	name := regexp.MustCompile(`^CCKMSync([A-Z][a-z]+)+$`)
	readme := read(t, "README.md")
	for _, alert := range alerts(t) {
		t.Run(alert.name, func(t *testing.T) {
			if !name.MatchString(alert.name) {
				t.Errorf("the name is not of the form CCKMSyncSomething")
			}
			severity := alert.labels["severity"]
			if !slices.Contains([]string{"critical", "warning", "info"}, severity) || len(alert.labels) != 1 {
				t.Errorf("labels %v, want a severity of critical, warning or info", alert.labels)
			}
			for _, annotation := range []string{"summary", "description"} {
				if text := alert.annotations[annotation]; !strings.HasSuffix(strings.TrimSuffix(text, "{{ end }}"), ".") {
					t.Errorf("%s is no full sentence: %q", annotation, text)
				}
			}
			// An exporter that is not there has no labels to tell.
			if !strings.Contains(alert.annotations["description"], "{{") && alert.name != "CCKMSyncExporterAbsent" {
				t.Error("the description has nothing of the alert's own")
			}
			if got, want := alert.annotations["runbook_url"], runbookURL+alert.name+".md"; got != want {
				t.Errorf("runbook_url %q, want %q", got, want)
			}
			if row := "| `" + alert.name + "` | " + severity + " |"; !strings.Contains(readme, row) {
				t.Errorf("README.md lacks the row %q", row)
			}
			if alert.wait != "" && !regexp.MustCompile("(?m)^.*`"+alert.name+"`.* \\| "+alert.wait+" \\| [^|]* \\|$").MatchString(readme) {
				t.Errorf("README.md does not say that it waits %s", alert.wait)
			}
		})
	}
}

// TestRunbooks holds that each alert has a runbook that says what it means,
// how to confirm it and how to mend it, and that no runbook is left over.
func TestRunbooks(t *testing.T) {
	severities, pages := map[string]string{}, map[string]string{}
	for _, alert := range alerts(t) {
		severities[alert.name] = alert.labels["severity"]
		pages[alert.name] = statusPage(alert)
		if _, err := os.Stat("../runbooks/" + alert.name + ".md"); err != nil {
			t.Errorf("%s has no runbook: %v", alert.name, err)
		}
	}
	heading := regexp.MustCompile(`(?m)^#+ .*`)
	link := regexp.MustCompile(`\]\((\w+\.md)\)`)
	for _, file := range glob(t, "../runbooks/*.md") {
		text := read(t, file)
		alert := strings.TrimSuffix(filepath.Base(file), ".md")
		want := []string{"# " + alert, "## Meaning", "## Confirm", "## Fix"}
		if got := heading.FindAllString(text, -1); !slices.Equal(got, want) {
			t.Errorf("%s has the headings %q, want %q", file, got, want)
		}
		if severity, ok := severities[alert]; !ok || !strings.Contains(text, "Severity: "+severity+".") {
			t.Errorf("%s belongs to no alert, or does not tell its severity %q", file, severity)
		}
		if beginning, _, _ := strings.Cut(text, "## Meaning"); !strings.Contains(beginning, pages[alert]) {
			t.Errorf("%s does not begin with the status page, %s", file, pages[alert])
		}
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat("../runbooks/" + match[1]); err != nil {
				t.Errorf("%s links to what is not there: %v", file, err)
			}
		}
	}
}

// statusPage returns what of the exporter's status page helps who has an alert
// about a key ring or vault, or about a list.
func statusPage(alert rule) string {
	switch text := alert.annotations["description"]; {
	case alert.name == "CCKMSyncThresholdMissing":
		return "" // It is about Prometheus, of which the page knows nothing.
	case strings.Contains(text, "$labels.scope"):
		return "`http://<exporter>/?q=<scope>`"
	case strings.Contains(text, "$labels.cloud"):
		return "`http://<exporter>/`"
	default:
		return ""
	}
}

// TestEveryAlertIsTested holds that each alert has a test file in which it is
// seen not to fire, to fire with all its text, and to clear, and one in which
// it stays below its condition.
func TestEveryAlertIsTested(t *testing.T) {
	name := regexp.MustCompile(`(?m)^ {2}- name: "?(.*?)"?$`)
	alertName := regexp.MustCompile(`alertname: (\w+)\n`)
	expectation := regexp.MustCompile(`exp_alerts:( \[\])?\n`)
	for _, alert := range alerts(t) {
		t.Run(alert.name, func(t *testing.T) {
			text := read(t, "tests/"+alert.name+".test.yml")
			for _, match := range alertName.FindAllStringSubmatch(text, -1) {
				if match[1] != alert.name {
					t.Errorf("the file tests %s", match[1])
				}
			}
			names := name.FindAllStringSubmatchIndex(text, -1)
			fired, below := false, false
			for i, at := range names {
				end := len(text)
				if i+1 < len(names) {
					end = names[i+1][0]
				}
				// One letter for each expectation: f for firing, s for silent.
				var course strings.Builder
				for _, match := range expectation.FindAllStringSubmatch(text[at[0]:end], -1) {
					if match[1] == "" {
						course.WriteByte('f')
					} else {
						course.WriteByte('s')
					}
				}
				test := text[at[2]:at[3]]
				fired = fired || strings.HasPrefix(test, "fires ") && strings.Contains(test, "clears") &&
					regexp.MustCompile(`^s+f+s+$`).MatchString(course.String())
				below = below || strings.HasPrefix(test, "below: ") && strings.HasPrefix(course.String(), "s")
			}
			if !fired {
				t.Error(`no test "fires … clears …" that expects silence, then the alert, then silence`)
			}
			if !below {
				t.Error(`no test "below: …" that expects silence`)
			}
			for _, annotation := range []string{"summary:", "description:", "runbook_url:"} {
				if !strings.Contains(text, annotation) {
					t.Errorf("no test looks at the %s", strings.TrimSuffix(annotation, ":"))
				}
			}
		})
	}
	if tests, rules := len(glob(t, "tests/CCKMSync*")), len(alerts(t)); tests != rules {
		t.Errorf("%d test files for %d alerts", tests, rules)
	}
}

// TestMetricNames holds that rules use only series that the exporter writes,
// with values of labels that it has, and records that are there.
func TestMetricNames(t *testing.T) {
	rules := slices.Concat(scan(t, thresholdsFile), scan(t, recordingFile), scan(t, alertsFile))
	known := exporterMetrics(t)
	for _, rule := range rules {
		if rule.record {
			known[rule.name] = true
		}
	}
	exposition := read(t, "../../collector/e2e/testdata/troubles.prom")
	metric := regexp.MustCompile(`\bcckm_sync\w*(:\w+)*`)
	matcher := regexp.MustCompile(`\b(cckm_sync\w+)\{(\w+)=~?"([^"]+)"\}`)
	used := map[string]bool{}
	for _, rule := range rules {
		// The texts of alerts look series up as well.
		texts := rule.expr + " " + rule.annotations["description"]
		for _, name := range metric.FindAllString(texts, -1) {
			used[name] = true
			if !known[name] && !strings.HasSuffix(name, "_thresholds") && !strings.HasSuffix(name, "_recording") {
				t.Errorf("%s uses %s, which nobody writes", rule.name, name)
			}
		}
		for _, match := range matcher.FindAllStringSubmatch(texts, -1) {
			for value := range strings.SplitSeq(match[3], "|") {
				series := regexp.MustCompile(`(?m)^` + match[1] + `\{.*` + match[2] + `="` + value + `"`)
				if !strings.Contains(match[1], ":") && !series.MatchString(exposition) {
					t.Errorf("%s looks for %s with %s %q, which the exporter does not write", rule.name, match[1], match[2], value)
				}
			}
		}
	}
	for _, rule := range rules {
		if rule.record && !used[rule.name] {
			t.Errorf("nothing uses the record %s", rule.name)
		}
	}
}

// TestThresholds holds that every number is in the one file that users edit,
// with a default for lists that it does not name, and that it names no list
// that there is not.
func TestThresholds(t *testing.T) {
	value := regexp.MustCompile(`^vector\(\d+( \* \d+)?\)$`)
	lists := map[string]bool{"{cloud: any, item: any}": true}
	for _, list := range syncjob.Lists() {
		lists["{cloud: "+list.Cloud+", item: "+list.Item+"}"] = true
	}
	defaults := map[string]bool{}
	for _, rule := range scan(t, thresholdsFile) {
		if !value.MatchString(rule.expr) {
			t.Errorf("%s is %s and no plain number", rule.name, rule.expr)
		}
		switch labels := rule.flow["labels"]; {
		case labels == "" || labels == "{cloud: any, item: any}":
			defaults[rule.name] = true
		case !lists[labels]:
			t.Errorf("%s is for %s, which is no list", rule.name, labels)
		case !defaults[rule.name]:
			t.Errorf("%s has no default before %s", rule.name, labels)
		}
	}
	number := regexp.MustCompile(`(==|!=|>=?|<=?) *(on \(\) *)?([02-9]\d+|[2-9])`)
	for _, alert := range alerts(t) {
		if found := number.FindString(alert.expr); found != "" {
			t.Errorf("%s has a threshold of its own: %s", alert.name, found)
		}
	}
}

// rule is an alert or a record.
type rule struct {
	name   string
	record bool
	expr   string
	// wait is the alert's "for".
	wait                string
	labels, annotations map[string]string
	// flow holds maps that are written on one line, as they are written.
	flow map[string]string
}

func alerts(t *testing.T) []rule {
	t.Helper()
	found := scan(t, alertsFile)
	if len(found) < 11 {
		t.Fatalf("only %d alerts were found in %s", len(found), alertsFile)
	}
	return found
}

// scan reads the rules of a file. It knows the form in which these files are
// written and no other; promtool knows YAML.
func scan(t *testing.T, file string) []rule {
	t.Helper()
	start := regexp.MustCompile(`^ {6}- (alert|record): (\S+)$`)
	key := regexp.MustCompile(`^ {8}(?: {2})?(\w+): ?(.*)$`)
	var rules []rule
	// into takes the lines of a text that has a key's line of its own.
	var into func(string)
	var section map[string]string
	for line := range strings.Lines(read(t, file)) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(strings.TrimSpace(line), "#") || line == "" {
			continue
		}
		if match := start.FindStringSubmatch(line); match != nil {
			rules = append(rules, rule{
				name: match[2], record: match[1] == "record",
				labels: map[string]string{}, annotations: map[string]string{}, flow: map[string]string{},
			})
			into, section = nil, nil
			continue
		}
		if len(rules) == 0 {
			continue
		}
		at := &rules[len(rules)-1]
		indent := len(line) - len(strings.TrimLeft(line, " "))
		match := key.FindStringSubmatch(line)
		switch {
		case match != nil && indent == 8:
			into, section = nil, nil
			switch name, text := match[1], match[2]; {
			case name == "expr" && text == "|":
				into = func(more string) { at.expr += more + "\n" }
			case name == "expr":
				at.expr = text
			case name == "for":
				at.wait = text
			case name == "labels" && text == "":
				section = at.labels
			case name == "annotations" && text == "":
				section = at.annotations
			default:
				at.flow[name] = text
			}
		case match != nil && indent == 10 && section != nil:
			name, text, of := match[1], match[2], section
			if text == ">-" {
				into = func(more string) { of[name] = strings.TrimSpace(of[name] + " " + strings.TrimSpace(more)) }
			} else {
				of[name], into = text, nil
			}
		case into != nil:
			into(line)
		default:
			t.Fatalf("%s: a line of a form that this test does not know: %q", file, line)
		}
	}
	return rules
}

// exporterMetrics returns the names of the metrics that the exporter writes.
func exporterMetrics(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	// A scope of which everything is known has every metric of a scope.
	at := time.Unix(1, 0)
	families, done, err := (&collector.Exposition{}).Of(&scrape.Snapshot{Lists: []scrape.ListRead{{
		Summary: &syncjob.Summary{Scopes: []syncjob.Scope{{
			Newest: syncjob.Newest{CreatedAt: at}, Last: &syncjob.Last{CreatedAt: at, FinishedAt: at}, LastSuccess: at, LastFailure: at,
		}}},
	}}}).Gather()
	defer done()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		names[family.GetName()] = true
	}
	descs := make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		collector.NewTelemetry().Describe(descs)
		collector.NewReloads().Describe(descs)
		version.NewCollector("cckm_sync_exporter").Describe(descs)
		collector.NewTokenExpiry(nil).Describe(descs)
		for _, expiry := range collector.NewCertificateExpiries(nil, nil) {
			expiry.Describe(descs)
		}
		collector.NewLoginRetry(nil).Describe(descs)
	}()
	name := regexp.MustCompile(`fqName: "(\w+)"`)
	for desc := range descs {
		match := name.FindStringSubmatch(desc.String())
		if match == nil {
			t.Fatalf("%s has no name", desc)
		}
		names[match[1]] = true
	}
	return names
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(files), err)
	}
	return files
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
