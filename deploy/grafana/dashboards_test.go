package grafana_test

import (
	"encoding/json"
	"flag"
	"fmt"
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
		for _, either := range b.Panels {
			if either.Panel == nil {
				continue
			}
			p := panel{Panel: *either.Panel, title: *either.Panel.Title}
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
			text, err := json.Marshal(b.Panels)
			if err != nil {
				t.Fatal(err)
			}
			// Not all readers can distinguish red from green.
			if found := regexp.MustCompile(`(?i)"[a-z-]*(red|green)"`).Find(text); found != nil {
				t.Errorf("color %s is not of the palette", found)
			}
		})
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
	selectors := regexp.MustCompile(`\b((?:cckm_sync|process|go|promhttp|scrape)_\w+|up)\b(\{[^}]*\})?`)
	// A match includes its braces, so that names in matchers are not taken for metrics.
	for _, match := range selectors.FindAllStringSubmatch(expr, -1) {
		for _, want := range []string{`job=~"$job"`, `instance=~"$instance"`} {
			if !strings.Contains(match[2], want) {
				found = append(found, fmt.Sprintf("%s is not limited to %s", match[1], want))
			}
		}
		isList := regexp.MustCompile(`^cckm_sync_(jobs|scrape|scope)`).MatchString(match[1])
		if isList && !strings.Contains(match[2], `cloud=~"$cloud", item=~"$item"`) {
			found = append(found, match[1]+" is not limited to cloud and item")
		}
	}
	for _, match := range regexp.MustCompile(`(?:rate|increase|delta)\([^\[]*\[([^\]]*)\]`).FindAllStringSubmatch(expr, -1) {
		if match[1] != "$__rate_interval" && match[1] != "$__range" {
			found = append(found, "a rate over "+match[1])
		}
	}
	if regexp.MustCompile(`\b(irate|increase|rate)\(\s*cckm_sync_(jobs|scope)`).MatchString(expr) {
		found = append(found, "a gauge is not a counter")
	}
	return found
}
