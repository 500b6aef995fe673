// Package prometheus_test checks the rules for Prometheus and the configuration of
// Alertmanager with the programs that load them, and the conventions of their users.
package prometheus_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"cckm_sync_exporter/collector/state"
	"cckm_sync_exporter/collector/syncjob"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

const (
	thresholdsFile = "cckm_sync_thresholds.yml"
	recordingFile  = "cckm_sync_recording.yml"
	alertsFile     = "cckm_sync_alerts.yml"
	// runbookURL is before the name of the alert in the template of its link.
	runbookURL = `{{ with printf "cckm_sync:runbooks:info{job=''} or on () cckm_sync:runbooks:info{job=%q}" $labels.job | query }}` +
		`{{ (. | first).Labels.runbooks }}{{ else }}deploy/runbooks/{{ end }}`
)

func TestCheckFiles(t *testing.T) {
	promtool, amtool := livetest.Program(t, "promtool"), livetest.Program(t, "amtool")
	livetest.Run(t, "", promtool, "check", "rules", "--lint=all", "--lint-fatal", thresholdsFile, recordingFile, alertsFile)
	livetest.Run(t, "", promtool, "check", "config", "prometheus.yml", fleetFile)
	livetest.Run(t, "", amtool, "check-config", "alertmanager.yml")
}

// TestPromtoolTestRules runs the unit tests of the alerts.
func TestPromtoolTestRules(t *testing.T) {
	t.Parallel()
	promtool := livetest.Program(t, "promtool")
	for _, file := range glob(t, "tests/*.test.yml") {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".test.yml"), func(t *testing.T) {
			t.Parallel()
			livetest.Run(t, "", promtool, "test", "rules", file)
		})
	}
}

// TestConventions checks what users' dashboards, routes and pagers depend on.
func TestConventions(t *testing.T) {
	name := regexp.MustCompile(`^CCKMSync([A-Z][a-z]+)+$`)
	readme := livetest.ReadFile(t, "README.md")
	for _, alert := range alerts(t) {
		t.Run(alert.Name, func(t *testing.T) {
			if !name.MatchString(alert.Name) {
				t.Errorf("the name is not of the form CCKMSyncSomething")
			}
			severity := alert.Labels["severity"]
			if !slices.Contains([]string{"critical", "warning", "info"}, severity) || len(alert.Labels) != 1 {
				t.Errorf("labels %v, want a severity of critical, warning or info", alert.Labels)
			}
			for _, annotation := range []string{"summary", "description"} {
				if text := alert.Annotations[annotation]; !regexp.MustCompile(`\.(\{\{ end \}\})*$`).MatchString(text) {
					t.Errorf("%s does not end with a full stop: %q", annotation, text)
				}
			}
			for _, link := range linksOf(alert) {
				if alert.Annotations[link] == "" {
					t.Errorf("it has no %s", link)
				}
			}
			// An absent exporter has no labels.
			if !strings.Contains(alert.Annotations["description"], "{{") && alert.Name != "CCKMSyncExporterAbsent" {
				t.Error("the description has no value of the alert")
			}
			if got, want := alert.Annotations["runbook_url"], runbookURL+alert.Name+".md"; got != want {
				t.Errorf("runbook_url %q, want %q", got, want)
			}
			if row := "| `" + alert.Name + "` | " + severity + " |"; !strings.Contains(readme, row) {
				t.Errorf("README.md lacks the row %q", row)
			}
			if alert.For != "" && !regexp.MustCompile("(?m)^.*`"+alert.Name+"`.* \\| "+alert.For+" \\| [^|]* \\|$").MatchString(readme) {
				t.Errorf("README.md does not say that it waits %s", alert.For)
			}
		})
	}
}

// linksOf returns the annotations with links that an alert has: all but those about Prometheus or a process
// that does not answer.
func linksOf(alert rule) []string {
	about := regexp.MustCompile(`Exporter(Down|Absent)|ConfigNotReloaded|ThresholdMissing`)
	if about.MatchString(alert.Name) {
		return nil
	}
	return []string{"status_page_url", "dashboard_url"}
}

// TestSummaries checks every summary that the unit tests expect: a line for a phone, which begins with the
// name of the alert's state.
func TestSummaries(t *testing.T) {
	names := map[string]string{}
	for _, s := range state.All() {
		names[s.Info().Alert] = s.Info().Name
	}
	unreadable := state.Unreadable.Info()
	names[unreadable.Alert] = unreadable.Name
	for _, alert := range alerts(t) {
		for _, expected := range testsOf(t, alert).expected() {
			summary := expected.Annotations["summary"]
			if !strings.HasPrefix(summary, names[alert.Name]) || strings.Contains(summary, "\n") || len(summary) > 140 {
				t.Errorf("%s: %d bytes, want at most 140 that begin with %q: %s", alert.Name, len(summary), names[alert.Name], summary)
			}
			if cloud, item := expected.Labels["cloud"], expected.Labels["item"]; cloud != "" && !strings.Contains(summary, listNamed(cloud, item)) {
				t.Errorf("%s: without the list's name %s: %s", alert.Name, listNamed(cloud, item), summary)
			}
		}
	}
}

// listNamed returns the name of a list.
func listNamed(cloud, item string) string {
	for _, list := range syncjob.Lists() {
		if list.Cloud == cloud && list.Item == item {
			return list.Name
		}
	}
	return "that exists"
}

// TestRunbooks checks that each alert has a runbook with its urgency, meaning, confirmation
// and fix, and that each runbook has an alert.
func TestRunbooks(t *testing.T) {
	severities, pages := map[string][]string{}, map[string]string{}
	for _, alert := range alerts(t) {
		severities[alert.Name] = append(severities[alert.Name], alert.Labels["severity"])
		pages[alert.Name] = statusPage(alert)
		if _, err := os.Stat("../runbooks/" + alert.Name + ".md"); err != nil {
			t.Errorf("%s has no runbook: %v", alert.Name, err)
		}
	}
	heading := regexp.MustCompile(`(?m)^#+ .*`)
	for _, file := range glob(t, "../runbooks/*.md") {
		text := livetest.ReadFile(t, file)
		alert := strings.TrimSuffix(filepath.Base(file), ".md")
		want := []string{"# " + alert, "## Can it wait until morning?", "## Meaning", "## Confirm", "## Fix"}
		if got := heading.FindAllString(text, -1); !slices.Equal(got, want) {
			t.Errorf("%s has the headings %q, want %q", file, got, want)
		}
		beginning, _, _ := strings.Cut(text, "## Can it wait until morning?")
		if want := "Severity: " + strings.Join(severities[alert], ", or "); !strings.Contains(beginning, want) {
			t.Errorf("%s belongs to no alert, or does not begin with %q", file, want)
		}
		if !strings.Contains(beginning, pages[alert]) {
			t.Errorf("%s does not begin with the status page, %s", file, pages[alert])
		}
		if !strings.Contains(text, "\n```") {
			t.Errorf("%s has no command", file)
		}
	}
}

// statusPage returns the address on the status page for an alert about a key ring or
// vault, or about a list.
func statusPage(alert rule) string {
	switch text := alert.Annotations["description"]; {
	case alert.Name == "CCKMSyncThresholdMissing":
		return "" // It is about Prometheus.
	case strings.Contains(text, "$labels.scope"):
		return "`http://<exporter>/?q=<scope>`"
	case strings.Contains(text, "$labels.cloud"):
		return "`http://<exporter>/`"
	default:
		return ""
	}
}

// TestEveryAlertIsTested checks that each alert has a test file with a test in which
// it is silent, fires with all its text, and clears, and one that stays below its
// condition.
func TestEveryAlertIsTested(t *testing.T) {
	names := map[string]bool{}
	for _, alert := range alerts(t) {
		names[alert.Name] = true
		file := testsOf(t, alert)
		fired, below := false, false
		for _, test := range file.Tests {
			// One letter for each expectation: f for firing, s for silent.
			course := []byte{}
			for _, expectation := range test.AlertTests {
				if expectation.Alert != alert.Name {
					t.Errorf("the file of %s tests %s", alert.Name, expectation.Alert)
				}
				if len(expectation.Expected) == 0 {
					course = append(course, 's')
					continue
				}
				course = append(course, 'f')
				for _, expected := range expectation.Expected {
					if len(expected.Annotations) != len(alert.Annotations) {
						t.Errorf("%s, %s: it checks the annotations %v only", alert.Name, test.Name, expected.Annotations)
					}
				}
			}
			fired = fired || strings.HasPrefix(test.Name, "fires ") && strings.Contains(test.Name, "clears") &&
				regexp.MustCompile(`^s+f+s+$`).Match(course)
			below = below || strings.HasPrefix(test.Name, "below: ") && bytes.HasPrefix(course, []byte("s"))
		}
		if !fired || !below {
			t.Errorf(`%s: a test "fires … clears …" with silence, the alert and silence exists: %t; a test "below: …" with silence exists: %t`, alert.Name, fired, below)
		}
	}
	if tests := len(glob(t, "tests/CCKMSync*")); tests != len(names) {
		t.Errorf("%d test files for %d alerts", tests, len(names))
	}
}

// unitTests is a file of unit tests.
type unitTests struct {
	Tests []struct {
		Name       string `yaml:"name"`
		AlertTests []struct {
			Alert    string          `yaml:"alertname"`
			Expected []expectedAlert `yaml:"exp_alerts"`
		} `yaml:"alert_rule_test"`
	} `yaml:"tests"`
}

type expectedAlert struct {
	Labels      map[string]string `yaml:"exp_labels"`
	Annotations map[string]string `yaml:"exp_annotations"`
}

// testsOf returns the unit tests of an alert.
func testsOf(t *testing.T, alert rule) unitTests {
	t.Helper()
	var file unitTests
	load(t, "tests/"+alert.Name+".test.yml", &file)
	return file
}

// expected returns the alerts that the tests expect.
func (u unitTests) expected() []expectedAlert {
	var all []expectedAlert
	for _, test := range u.Tests {
		for _, alertTest := range test.AlertTests {
			all = append(all, alertTest.Expected...)
		}
	}
	return all
}

// TestMetricNames checks that rules use only documented metrics, label values that the
// exporter exports, and records that exist.
func TestMetricNames(t *testing.T) {
	rules := slices.Concat(rulesOf(t, thresholdsFile), rulesOf(t, recordingFile), rulesOf(t, alertsFile))
	known := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(cckm_sync_\\w+)` \\|").FindAllStringSubmatch(livetest.ReadFile(t, "../docs/metrics.md"), -1) {
		known[row[1]] = true
	}
	for _, rule := range rules {
		if rule.Record != "" {
			known[rule.Name] = true
		}
	}
	exposition := livetest.ReadFile(t, "../../collector/e2e/testdata/troubles.prom") + livetest.ReadFile(t, "../../collector/e2e/testdata/sources.prom")
	metric := regexp.MustCompile(`\bcckm_sync\w*(:\w+)*`)
	matcher := regexp.MustCompile(`\b(cckm_sync\w+)\{(\w+)=~?"([^"]+)"\}`)
	used := map[string]bool{}
	for _, rule := range rules {
		// The texts of alerts query series as well.
		texts := strings.Join(slices.Concat([]string{rule.Expr}, slices.Sorted(maps.Values(rule.Annotations))), " ")
		for _, name := range metric.FindAllString(texts, -1) {
			used[name] = true
			if !known[name] && !strings.HasSuffix(name, "_thresholds") && !strings.HasSuffix(name, "_recording") {
				t.Errorf("%s uses %s, which is not documented", rule.Name, name)
			}
		}
		for _, match := range matcher.FindAllStringSubmatch(texts, -1) {
			for value := range strings.SplitSeq(match[3], "|") {
				series := regexp.MustCompile(`(?m)^` + match[1] + `\{.*` + match[2] + `="` + value + `"`)
				if !strings.Contains(match[1], ":") && !series.MatchString(exposition) {
					t.Errorf("%s looks for %s with %s %q, which the exporter does not write", rule.Name, match[1], match[2], value)
				}
			}
		}
	}
	for _, file := range glob(t, "../grafana/dashboards/*.json") {
		for _, name := range metric.FindAllString(livetest.ReadFile(t, file), -1) {
			used[name] = true
		}
	}
	for _, rule := range rules {
		if rule.Record != "" && !used[rule.Name] {
			t.Errorf("nothing uses the record %s", rule.Name)
		}
	}
}

// TestThresholds checks that every number is in the one file that users edit, with a
// default for other lists, and that the file names only lists that exist.
func TestThresholds(t *testing.T) {
	value := regexp.MustCompile(`^vector\(\d+( \* \d+)?\)$`)
	lists := map[string]bool{}
	for _, list := range syncjob.Lists() {
		lists[list.Cloud+" "+list.Item] = true
	}
	defaults := map[string]bool{}
	for _, rule := range rulesOf(t, thresholdsFile) {
		if !value.MatchString(rule.Expr) {
			t.Errorf("%s is %s and no plain number", rule.Name, rule.Expr)
		}
		if rule.Name == "cckm_sync:links:info" { // It is in this file because users edit it.
			continue
		}
		cloud, item := rule.Labels["cloud"], rule.Labels["item"]
		switch labels := cloud + " " + item; {
		case len(rule.Labels) == 0 || cloud == "any" && item == "any":
			defaults[rule.Name] = true
		case !lists[labels]:
			t.Errorf("%s is for %s, which is not a list", rule.Name, labels)
		case !defaults[rule.Name]:
			t.Errorf("%s has no default before %s", rule.Name, labels)
		}
	}
	number := regexp.MustCompile(`(==|!=|>=?|<=?) *(on \(\) *)?([02-9]\d+|[2-9])`)
	for _, alert := range alerts(t) {
		if found := number.FindString(alert.Expr); found != "" {
			t.Errorf("%s has a threshold of its own: %s", alert.Name, found)
		}
	}
}

// TestVersions checks that README.md has the newest versions that .ci/run tests with.
func TestVersions(t *testing.T) {
	script, readme := livetest.ReadFile(t, "../../.ci/run"), livetest.ReadFile(t, "README.md")
	for programs, pattern := range map[string]string{
		"Prometheus, promtool":     `'prometheus=(\d+\.\d+) promtool=(\d+\.\d+) `,
		"Alertmanager, amtool":     ` alertmanager=(\d+\.\d+) amtool=(\d+\.\d+)'`,
		"VictoriaMetrics, vmalert": `"victoriametrics v(\d+\.\d+)\.\d+"`,
	} {
		tested := regexp.MustCompile(pattern).FindStringSubmatch(script)
		if tested == nil {
			t.Errorf("found no %s in .ci/run", pattern)
			continue
		}
		for _, version := range tested[1:] {
			if !regexp.MustCompile(`(?m)^\| ` + programs + ` \| [^|]*\| ` + regexp.QuoteMeta(version) + ` \|$`).MatchString(readme) {
				t.Errorf("README.md does not have %s of %s as the newest", version, programs)
			}
		}
	}
}

// rule is an alert or a record.
type rule struct {
	Name        string
	Alert       string            `yaml:"alert"`
	Record      string            `yaml:"record"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func alerts(t *testing.T) []rule {
	t.Helper()
	found := rulesOf(t, alertsFile)
	if len(found) < 11 {
		t.Fatalf("only %d alerts were found in %s", len(found), alertsFile)
	}
	return found
}

func rulesOf(t *testing.T, file string) []rule {
	t.Helper()
	var content struct {
		Groups []struct {
			Rules []rule `yaml:"rules"`
		} `yaml:"groups"`
	}
	load(t, file, &content)
	var rules []rule
	for _, group := range content.Groups {
		for _, r := range group.Rules {
			r.Name = r.Alert + r.Record
			rules = append(rules, r)
		}
	}
	return rules
}

func load(t *testing.T, file string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(livetest.ReadFile(t, file)), into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(files), err)
	}
	return files
}
