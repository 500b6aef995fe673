package scenarios_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
)

const (
	// scale is the factor by which time passes faster in a life.
	scale = 60
	// minute is a minute of a life in real time.
	minute = time.Minute / scale
	hour   = 60 * minute

	shipped        = "../../prometheus/"
	thresholdsFile = "cckm_sync_thresholds.yml"
)

// duration matches a duration of Prometheus, such as 20m.
const duration = `\d+(?:ms|[smhdwy])(?:\d+(?:ms|[smhdwy]))*`

// faster divides every duration in the second group of a pattern by the scale.
func faster(t *testing.T, text, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	return re.ReplaceAllStringFunc(text, func(match string) string {
		parts := re.FindStringSubmatch(match)
		d, err := model.ParseDuration(parts[2])
		if err != nil {
			t.Fatalf("%s: %v", match, err)
		}
		return fmt.Sprintf("%s%dms%s", parts[1], (time.Duration(d) / scale).Milliseconds(), parts[3])
	})
}

// fasterRules divides the durations in the rules: windows, offsets, intervals,
// for, and the thresholds that are seconds.
func fasterRules(t *testing.T, text string) string {
	t.Helper()
	// Comments contain durations, too.
	text = regexp.MustCompile(`(?m)^\s*#.*\n`).ReplaceAllString(text, "")
	text = faster(t, text, `(\[)(`+duration+`)(\]|:)`)
	text = faster(t, text, `(\boffset )(`+duration+`)(\b)`)
	text = faster(t, text, `(?m)^(\s*(?:- )?(?:for|interval|keep_firing_for): )(`+duration+`)(\s*)$`)
	text = regexp.MustCompile(`(record: \w+:\w+:seconds\n(?:\s+labels: .*\n)?\s+expr: vector)\((.+)\)`).
		ReplaceAllString(text, fmt.Sprintf("$1(($2) / %d)", scale))
	text = regexp.MustCompile(`([+>]=? )(\d+ \* 60)\b`).ReplaceAllString(text, fmt.Sprintf("$1($2 / %d)", scale))
	// No duration may be left.
	if left := regexp.MustCompile(`\b\d+[smhdwy]\b`).FindAllString(text, -1); left != nil {
		t.Fatalf("the durations %q were not divided", left)
	}
	return text
}

// ruleFiles writes the rules with divided durations and returns their paths.
func ruleFiles(t *testing.T, dir string, names ...string) []string {
	t.Helper()
	files := make([]string, 0, len(names))
	for _, name := range names {
		files = append(files, write(t, dir, name, fasterRules(t, read(t, shipped+name))))
	}
	run(t, "promtool", append([]string{"check", "rules"}, files...)...)
	return files
}

// scraped is an exporter, or a target of one if it has a name, as Prometheus scrapes it.
type scraped struct{ job, instance, address, name string }

// labels returns the labels of the target in YAML.
func (s scraped) labels() string {
	if s.name == "" {
		return fmt.Sprintf("{instance: %q}", s.instance)
	}
	return fmt.Sprintf("{instance: %q, __metrics_path__: /probe, __param_target: %q}", s.instance, s.name)
}

// prometheusConfig returns the shipped configuration with divided durations and the test's rules and targets.
func prometheusConfig(t *testing.T, alertmanager string, rules []string, targets []scraped) string {
	t.Helper()
	text, _, found := strings.Cut(read(t, shipped+"prometheus.yml"), "scrape_configs:")
	if !found {
		t.Fatal("prometheus.yml has no scrape_configs")
	}
	text = faster(t, text, `(?m)^(\s+(?:scrape|evaluation)_interval: )(`+duration+`)(\s*)$`)
	// The divided timeout would be half a second, which is too short for a busy machine.
	text = regexp.MustCompile(`(scrape_timeout: ).*`).ReplaceAllString(text, "${1}1s")
	var b strings.Builder
	b.WriteString(text + "scrape_configs:\n")
	jobs := make(map[string][]scraped)
	var order []string
	for _, target := range targets {
		if jobs[target.job] == nil {
			order = append(order, target.job)
		}
		jobs[target.job] = append(jobs[target.job], target)
	}
	for _, job := range order {
		fmt.Fprintf(&b, "  - job_name: %q\n    static_configs:\n", job)
		for _, target := range jobs[job] {
			fmt.Fprintf(&b, "      - {targets: [%q], labels: %s}\n", target.address, target.labels())
		}
	}
	b.WriteString("rule_files:\n")
	for _, file := range rules {
		fmt.Fprintf(&b, "  - %q\n", file)
	}
	fmt.Fprintf(&b, "alerting:\n  alertmanagers:\n    - static_configs: [{targets: [%q]}]\n", alertmanager)
	return b.String()
}

// alertmanagerConfig writes the shipped configuration with divided durations and a webhook for each receiver.
func alertmanagerConfig(t *testing.T, dir, webhook string) string {
	t.Helper()
	text := faster(t, read(t, shipped+"alertmanager.yml"), `(?m)^(\s*(?:group_wait|group_interval|repeat_interval): )(`+duration+`)(\s*)$`)
	text = regexp.MustCompile(`(?m)^( +- name: \S+).*$`).
		ReplaceAllString(text, fmt.Sprintf("$1\n    webhook_configs: [{url: %q, send_resolved: true}]", webhook))
	path := write(t, dir, "alertmanager.yml", text)
	run(t, "amtool", "check-config", path)
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// write writes or replaces a file and returns its path.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	return path
}
