package grafana_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"go.yaml.in/yaml/v4"

	"cckm_sync_exporter/collector/state"
	"cckm_sync_exporter/deploy/e2e/livetest"
	"cckm_sync_exporter/deploy/grafana"
)

// update rewrites the dashboards: go test ./deploy/grafana -run TestGenerated -update.
var update = flag.Bool("update", false, "rewrite the dashboards")

// TestGenerated checks that the files are what the code generates.
func TestGenerated(t *testing.T) {
	boards := grafana.Boards()
	want := make([]string, 0, len(boards))
	for i := range boards {
		text, err := grafana.JSON(&boards[i])
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("dashboards", *boards[i].Uid+".json")
		want = append(want, path)
		if *update {
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		kept, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(text), string(kept)); diff != "" {
			t.Errorf("%s differs from what the code generates; run the test with -update (-code +file):\n%s", path, diff)
		}
	}
	slices.Sort(want)
	kept, err := filepath.Glob("dashboards/*")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, kept); diff != "" {
		t.Errorf("files in dashboards (-want +got):\n%s", diff)
	}
}

// panel is a panel of a board that is no row.
type panel struct {
	dashboard.Panel

	title   string
	queries []*prometheus.Dataquery
	// folded panels are in a row that has to be opened.
	folded bool
}

// board is a dashboard as its file has it.
type board struct {
	grafana.Dashboard

	uid    string
	panels []panel
}

// readBoards reads the files with the strict parser of Grafana's SDK, which rejects
// unknown, missing and mistyped fields.
func readBoards(t *testing.T) []board {
	t.Helper()
	runtime := cog.NewRuntime()
	runtime.RegisterDataqueryVariant(prometheus.VariantConfig())
	runtime.RegisterPanelcfgVariant(stat.VariantConfig())
	runtime.RegisterPanelcfgVariant(statetimeline.VariantConfig())
	runtime.RegisterPanelcfgVariant(table.VariantConfig())
	runtime.RegisterPanelcfgVariant(timeseries.VariantConfig())
	files, err := filepath.Glob("dashboards/*.json")
	if err != nil || len(files) != 3 {
		t.Fatalf("there are %d dashboards, want 3: %v", len(files), err)
	}
	boards := make([]board, 0, len(files))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b := board{uid: strings.TrimSuffix(filepath.Base(file), ".json")}
		// The SDK returns an empty error without a finding, and parses strictly without keeping the queries.
		if err := new(grafana.Dashboard).UnmarshalJSONStrict(text); err != nil && err.Error() != "" {
			t.Errorf("%s: %v", file, err)
		}
		if err := json.Unmarshal(text, &b.Dashboard); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		var all []panel
		for _, either := range b.Panels {
			if either.Panel != nil {
				all = append(all, panel{Panel: *either.Panel})
				continue
			}
			for i := range either.RowPanel.Panels {
				all = append(all, panel{Panel: either.RowPanel.Panels[i], folded: true})
			}
		}
		for _, p := range all { //nolint:gocritic // Copied to be completed.
			p.title = *p.Title
			for _, target := range p.Targets {
				q, is := target.(*prometheus.Dataquery)
				if !is {
					t.Fatalf("%s: %s has a query of type %T", file, p.title, target)
				}
				p.queries = append(p.queries, q)
			}
			b.panels = append(b.panels, p)
		}
		boards = append(boards, b)
	}
	return boards
}

// TestBoards checks the rules that the SDK's parser and the queries of the live tests do not.
func TestBoards(t *testing.T) {
	for _, b := range readBoards(t) {
		t.Run(b.uid, func(t *testing.T) {
			titles := make(map[string]bool)
			for _, p := range b.panels {
				if titles[p.title] {
					t.Errorf("two panels have the title %s", p.title)
				}
				titles[p.title] = true
				if p.GridPos.X+p.GridPos.W > 24 {
					t.Errorf("%s does not fit into its row", p.title)
				}
				checkQueries(t, p)
			}
			checkVariables(t, b)
			checkColors(t, b)
		})
	}
}

// checkColors checks that colors can be told apart and read in both themes: lines and
// bands have a contrast of 3:1 to the panel, texts 4.5:1 to the cell behind them.
func checkColors(t *testing.T, b board) {
	t.Helper()
	text, err := json.Marshal(b.Panels)
	if err != nil {
		t.Fatal(err)
	}
	// Not all readers can distinguish Grafana's red from its green.
	if found := regexp.MustCompile(`(?i)[cC]olor":"[a-z-]*(red|green|yellow|orange|blue|purple)"`).Find(text); found != nil {
		t.Errorf("color %s is not of the palette", found)
	}
	for _, match := range regexp.MustCompile(`"(color|fixedColor)":"(#\w{6})"`).FindAllSubmatch(text, -1) {
		color := string(match[2])
		// Grafana chooses one of these by the brightness.
		if best := max(contrast(color, "#202226"), contrast(color, "#f7f8fa")); best < 4.5 {
			t.Errorf("text on %s has a contrast of %.2f", color, best)
		}
		for _, panel := range []string{"#ffffff", "#181b1f"} {
			if ratio := contrast(color, panel); string(match[1]) == "fixedColor" && ratio < 3 {
				t.Errorf("a line in %s has a contrast of %.2f to %s", color, ratio, panel)
			}
		}
	}
	for i := range b.panels {
		p := &b.panels[i]
		if p.Type != "state-timeline" {
			continue
		}
		text, err := json.Marshal(p.FieldConfig.Defaults.Mappings)
		if err != nil {
			t.Fatal(err)
		}
		for _, color := range regexp.MustCompile(`#\w{6}`).FindAllString(string(text), -1) {
			if contrast(color, "#ffffff") < 3 || contrast(color, "#181b1f") < 3 {
				t.Errorf("%s: a band in %s cannot be seen in both themes", p.title, color)
			}
		}
	}
}

// contrast is the contrast ratio of WCAG 2.2.
func contrast(a, b string) float64 {
	luminance := func(color string) float64 {
		var rgb [3]uint8
		_, _ = fmt.Sscanf(color, "#%02x%02x%02x", &rgb[0], &rgb[1], &rgb[2])
		var sum float64
		for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
			c := float64(rgb[i]) / 255
			if c <= 0.03928 {
				c /= 12.92
			} else {
				c = math.Pow((c+0.055)/1.055, 2.4)
			}
			sum += weight * c
		}
		return sum
	}
	lighter, darker := luminance(a), luminance(b)
	if lighter < darker {
		lighter, darker = darker, lighter
	}
	return (lighter + 0.05) / (darker + 0.05)
}

// TestUnreadableRule checks that the boards count lists as unreadable by the rule of the alert.
func TestUnreadableRule(t *testing.T) {
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal([]byte(livetest.ReadFile(t, "../prometheus/cckm_sync_alerts.yml")), &file); err != nil {
		t.Fatal(err)
	}
	// One alert has another severity than the other, so both together count.
	var alerts []string
	for _, rule := range file.Groups[0].Rules {
		if rule.Alert == state.Unreadable.Info().Alert {
			alerts = append(alerts, strings.Join(strings.Fields(rule.Expr), " "))
		}
	}
	found := 0
	for _, b := range readBoards(t) {
		for i := range b.panels {
			for _, q := range b.panels[i].queries {
				if !strings.Contains(q.Expr, "max_over_time(cckm_sync_up{") {
					continue
				}
				found++
				expr := regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(q.Expr, "")
				counted, _, _ := strings.Cut(strings.Join(strings.Fields(expr), " "), ") or 0 *")
				counted = strings.TrimPrefix(counted, "count(")
				for _, alert := range alerts {
					if !strings.HasPrefix(alert, counted) {
						t.Errorf("%s: %s counts %s, want %s", b.uid, b.panels[i].title, counted, alert)
					}
				}
			}
		}
	}
	if found != 2 || len(alerts) == 0 {
		t.Errorf("%d boards count unreadable lists, want 2; %d alerts", found, len(alerts))
	}
}

// checkQueries checks the forms of a panel's queries, and that one fills each column.
func checkQueries(t *testing.T, p panel) {
	t.Helper()
	refs := make(map[string]bool)
	for _, q := range p.queries {
		if refs[*q.RefId] {
			t.Errorf("%s: two queries are named %s", p.title, *q.RefId)
		}
		refs[*q.RefId] = true
		if isTable := p.Type == "table"; isTable != (*q.Format == "table") || isTable && !*q.Instant {
			t.Errorf("%s: %s of a %s has the format %s", p.title, *q.RefId, p.Type, *q.Format)
		}
		for _, fault := range faults(q.Expr) {
			t.Errorf("%s: %s: %s\n%s", p.title, *q.RefId, fault, q.Expr)
		}
	}
	for _, override := range p.FieldConfig.Overrides {
		if ref, is := strings.CutPrefix(fmt.Sprint(override.Matcher.Options), "Value #"); is && !refs[ref] {
			t.Errorf("%s: no query fills the column %q", p.title, override.Matcher.Options)
		}
	}
}

// checkVariables checks that a board has the variables that it uses, and selects a
// value of those that have a list.
func checkVariables(t *testing.T, b board) {
	t.Helper()
	names := make(map[string]bool)
	for _, v := range b.Templating.List {
		names[v.Name] = true
		if v.Type != dashboard.VariableTypeCustom {
			continue
		}
		if !slices.ContainsFunc(v.Options, func(o dashboard.VariableOption) bool { return *o.Selected }) {
			t.Errorf("$%s has %v, which is not one of its options", v.Name, v.Current)
		}
	}
	text, err := json.Marshal([]any{b.Panels, b.Links})
	if err != nil {
		t.Fatal(err)
	}
	for _, used := range regexp.MustCompile(`\$\{?([a-z]\w*)`).FindAllSubmatch(text, -1) {
		if !names[string(used[1])] {
			t.Errorf("there is no variable $%s", used[1])
		}
	}
}

// faults returns what is wrong with a query's form.
func faults(expr string) []string {
	var found []string
	selectors := regexp.MustCompile(`\b((?:cckm_sync|process|go|promhttp|scrape)_[\w:]+|up)\b(\{[^}]*\})?`)
	// A match includes its braces, so that names in matchers are not taken for metrics.
	for _, match := range selectors.FindAllStringSubmatch(expr, -1) {
		for _, want := range []string{`job=~"$job"`, `instance=~"$instance"`} {
			if !strings.Contains(match[2], want) {
				found = append(found, fmt.Sprintf("%s is not limited to %s", match[1], want))
			}
		}
		isList := regexp.MustCompile(`^cckm_sync_(jobs|scrape|scope|list)`).MatchString(match[1])
		if isList && !strings.Contains(match[2], `cloud=~"$cloud", item=~"$item"`) {
			found = append(found, match[1]+" is not limited to cloud and item")
		}
	}
	for _, match := range regexp.MustCompile(`(?:rate|increase|delta)\([^\[]*\[([^\]]*)\]`).FindAllStringSubmatch(expr, -1) {
		if !slices.Contains([]string{"$__rate_interval", "$__range", "1h"}, match[1]) {
			found = append(found, "a rate over "+match[1])
		}
	}
	if regexp.MustCompile(`\b(irate|increase|rate)\(\s*cckm_sync_(jobs|scope)`).MatchString(expr) {
		found = append(found, "a gauge is not a counter")
	}
	return found
}
