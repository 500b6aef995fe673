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
	"github.com/grafana/grafana-foundation-sdk/go/common"
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

func TestBoards(t *testing.T) {
	for _, b := range readBoards(t) {
		t.Run(b.uid, func(t *testing.T) {
			if b.Id != nil || *b.Uid != b.uid || !strings.HasPrefix(b.uid, "cckm-sync-") || len(b.uid) > 40 {
				t.Errorf("it has an id, or the uid %s is not the name of the file", *b.Uid)
			}
			if *b.Title == "" || *b.Description == "" || *b.Refresh == "" || b.Time.From == "" || b.Time.To != "now" {
				t.Error("title, description, refresh or time is missing")
			}
			if b.SchemaVersion < 39 || *b.Editable || !slices.Equal(b.Tags, []string{"cckm-sync"}) {
				t.Errorf("schemaVersion is %d, want 39 at least; editable is %t, want false; tags are %q", b.SchemaVersion, *b.Editable, b.Tags)
			}
			if len(b.Links) != 2 || b.Links[0].Type != "dashboards" || !slices.Equal(b.Links[0].Tags, b.Tags) ||
				!b.Links[0].IncludeVars || !b.Links[0].KeepTime {
				t.Errorf("the links %+v do not lead to the other boards with variables and time", b.Links)
			}
			if page := b.Links[1]; page.Type != "link" || !page.TargetBlank || !strings.HasPrefix(*page.Url, "${status_page:raw}/") ||
				strings.HasSuffix(*page.Url, "/?q=${scope:percentencode}") != (b.uid == "cckm-sync-scope") {
				t.Errorf("the link %+v does not lead to the status page, searching for the scope if there is one", page)
			}
			checkLayout(t, b.Panels)
		})
	}
}

// checkLayout checks that panels have unique ids and titles and do not overlap.
func checkLayout(t *testing.T, panels []dashboard.PanelOrRowPanel) {
	t.Helper()
	ids, titles := make(map[uint32]bool), make(map[string]bool)
	taken := make(map[[2]uint32]string)
	for _, either := range panels {
		var id uint32
		var title string
		var g dashboard.GridPos
		if p := either.Panel; p != nil {
			id, title, g = *p.Id, *p.Title, *p.GridPos
		} else {
			id, title, g = either.RowPanel.Id, *either.RowPanel.Title, *either.RowPanel.GridPos
		}
		if id < 1 || ids[id] || title == "" || titles[title] || len(title) > 50 {
			t.Errorf("the id %d or the title %q is missing, too long or taken", id, title)
		}
		ids[id], titles[title] = true, true
		if g.W < 3 || g.X+g.W > 24 || g.H < 1 || g.H > 16 {
			t.Errorf("%q does not fit at %+v", title, g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other, is := taken[[2]uint32{x, y}]; is {
					t.Fatalf("%q overlaps %q at %d, %d", title, other, x, y)
				}
				taken[[2]uint32{x, y}] = title
			}
		}
	}
}

func TestPanels(t *testing.T) {
	for _, b := range readBoards(t) {
		for _, p := range b.panels {
			t.Run(b.uid+"/"+p.title, func(t *testing.T) {
				if !strings.HasSuffix(*p.Description, ".") || len(*p.Description) > 600 {
					t.Errorf("description %q is missing, too long, or no sentence", *p.Description)
				}
				checkDatasource(t, p.Datasource)
				checkLooks(t, p)
				checkTargets(t, p)
			})
		}
	}
}

func checkDatasource(t *testing.T, d *common.DataSourceRef) {
	t.Helper()
	if d == nil || *d.Type != "prometheus" || *d.Uid != "${datasource}" {
		t.Errorf("datasource is %+v, want the variable", d)
	}
}

// checkLooks checks units and thresholds, and that no state is shown by a color alone.
func checkLooks(t *testing.T, p panel) {
	t.Helper()
	defaults := p.FieldConfig.Defaults
	if *defaults.Unit == "" || len(defaults.Thresholds.Steps) == 0 {
		t.Error("unit or thresholds are missing")
	}
	if p.Type == "state-timeline" && len(defaults.Mappings) == 0 {
		t.Error("states have no texts")
	}
	checkMappings(t, defaults.Mappings)
	checkLinks(t, defaults.Links)
	for _, override := range p.FieldConfig.Overrides {
		for _, property := range override.Properties {
			switch property.Id {
			case "mappings":
				var mappings []dashboard.ValueMapping
				decode(t, property.Value, &mappings)
				checkMappings(t, mappings)
			case "links":
				var links []dashboard.DashboardLink
				decode(t, property.Value, &links)
				checkLinks(t, links)
			}
		}
	}
	// Not all readers can tell red from green.
	text, err := json.Marshal(p.FieldConfig)
	if err != nil {
		t.Fatal(err)
	}
	if found := regexp.MustCompile(`(?i)"[a-z-]*(red|green)"`).Find(text); found != nil {
		t.Errorf("color %s is not of the palette", found)
	}
}

// decode converts the value of an override to its type.
func decode(t *testing.T, value, into any) {
	t.Helper()
	text, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// checkMappings checks that what is colored has a text, and that texts differ.
func checkMappings(t *testing.T, mappings []dashboard.ValueMapping) {
	t.Helper()
	texts := make(map[string]bool)
	for _, mapping := range mappings {
		results := map[string]dashboard.ValueMappingResult{}
		if mapping.ValueMap != nil {
			results = mapping.ValueMap.Options
		} else if mapping.SpecialValueMap != nil {
			results[""] = mapping.SpecialValueMap.Options.Result
		}
		for value, shown := range results {
			if shown.Text == nil || *shown.Text == "" || texts[*shown.Text] || shown.Color == nil || *shown.Color == "" {
				t.Errorf("the mapping of %s has no text, no color, or a text that is taken", value)
				continue
			}
			texts[*shown.Text] = true
		}
	}
}

// checkLinks checks that links lead to boards and keep what the user chose, or to
// the status page.
func checkLinks(t *testing.T, links []dashboard.DashboardLink) {
	t.Helper()
	about := func(page string) func(dashboard.DashboardLink) bool {
		return func(link dashboard.DashboardLink) bool {
			return strings.HasPrefix(*link.Url, page) && strings.Contains(*link.Url, "=${") && strings.Contains(*link.Url, "scope:percentencode}")
		}
	}
	if slices.ContainsFunc(links, about("/d/cckm-sync-scope?")) != slices.ContainsFunc(links, about("${status_page:raw}/?q=")) {
		t.Errorf("the links %+v do not lead to both the board and the status page of a key ring or vault", links)
	}
	for _, link := range links {
		if strings.HasPrefix(*link.Url, "${status_page:raw}/") {
			if link.Title == "" || !link.TargetBlank {
				t.Errorf("link %+v has no title or leaves Grafana", link)
			}
			continue
		}
		if link.Title == "" || !strings.HasPrefix(*link.Url, "/d/cckm-sync-scope?") {
			t.Errorf("link %+v has no title or leads elsewhere", link)
		}
		for _, want := range []string{
			"${datasource:queryparam}", "${job:queryparam}", "${instance:queryparam}", "${overdue:queryparam}", "${stuck:queryparam}",
			"var-cloud=${", "var-item=${", "var-scope=${", "${__url_time_range}",
		} {
			if !strings.Contains(*link.Url, want) {
				t.Errorf("link %s lacks %s", *link.Url, want)
			}
		}
	}
}

func checkTargets(t *testing.T, p panel) {
	t.Helper()
	if len(p.queries) == 0 {
		t.Error("it has no query")
	}
	refs := make(map[string]bool)
	for _, q := range p.queries {
		checkDatasource(t, q.Datasource)
		ref := *q.RefId
		if ref == "" || refs[ref] {
			t.Errorf("refId %q is missing or taken", ref)
		}
		refs[ref] = true
		if *q.Instant == *q.Range {
			t.Errorf("%s asks for instant %t and range %t", ref, *q.Instant, *q.Range)
		}
		if isTable := p.Type == "table"; isTable != (*q.Format == "table") || isTable && !*q.Instant {
			t.Errorf("%s of a %s has the format %s", ref, p.Type, *q.Format)
		}
		if p.Type != "table" && p.Type != "stat" && *q.LegendFormat == "" {
			t.Errorf("%s has no legend", ref)
		}
		for _, fault := range faults(q.Expr) {
			t.Errorf("%s: %s\n%s", ref, fault, q.Expr)
		}
	}
	// A column without a query would always be empty.
	for _, override := range p.FieldConfig.Overrides {
		if ref, is := strings.CutPrefix(fmt.Sprint(override.Matcher.Options), "Value #"); is && !refs[ref] {
			t.Errorf("no query fills the column %q", override.Matcher.Options)
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

func TestFaultsAreFound(t *testing.T) {
	const chosen = `job=~"$job", instance=~"$instance"`
	for expr, want := range map[string]int{
		`sum(up{` + chosen + `})`: 0,
		`sum(up{})`:               2,
		`max by (cloud) (cckm_sync_scope_info{` + chosen + `})`: 1,
		`cckm_sync_up`: 2,
		`rate(process_cpu_seconds_total{` + chosen + `}[5m])`:                      1,
		`rate(cckm_sync_jobs{` + chosen + `, cloud=~"$cloud", item=~"$item"}[5m])`: 2,
	} {
		if got := faults(expr); len(got) != want {
			t.Errorf("%s: found %v, want %d", expr, got, want)
		}
	}
}

func TestVariables(t *testing.T) {
	want := map[string][]string{
		"cckm-sync-fleet":    {"datasource", "job", "instance", "cloud", "item", "overdue", "stuck", "status_page"},
		"cckm-sync-scope":    {"datasource", "job", "instance", "cloud", "item", "scope", "overdue", "stuck", "status_page"},
		"cckm-sync-exporter": {"datasource", "job", "instance", "cloud", "item", "target", "status_page"},
	}
	for _, b := range readBoards(t) {
		names := make([]string, 0, len(b.Templating.List))
		for _, v := range b.Templating.List {
			names = append(names, v.Name)
			t.Run(b.uid+"/"+v.Name, func(t *testing.T) { checkVariable(t, &v) })
		}
		if diff := cmp.Diff(want[b.uid], names); diff != "" {
			t.Errorf("%s: variables (-want +got):\n%s", b.uid, diff)
		}
		text, err := json.Marshal([]any{b.Panels, b.Links})
		if err != nil {
			t.Fatal(err)
		}
		for _, used := range regexp.MustCompile(`\$\{?([a-z]\w*)`).FindAllSubmatch(text, -1) {
			if !slices.Contains(names, string(used[1])) {
				t.Errorf("%s uses $%s, which is no variable", b.uid, used[1])
			}
		}
	}
}

func checkVariable(t *testing.T, v *dashboard.VariableModel) {
	t.Helper()
	if *v.Label == "" || *v.Description == "" || v.Hide != nil {
		t.Error("label or description is missing, or it is hidden")
	}
	switch v.Type {
	case dashboard.VariableTypeDatasource:
		if *v.Query.String != "prometheus" || v.Current != nil {
			t.Errorf("it chooses %v among %v", v.Current, v.Query)
		}
	case dashboard.VariableTypeQuery:
		checkDatasource(t, v.Datasource)
		if *v.Refresh != dashboard.VariableRefreshOnTimeRangeChanged || *v.Definition == "" || *v.Sort == dashboard.VariableSortDisabled {
			t.Error("it is not queried again when the time changes, not sorted, or has no definition")
		}
		all := map[bool]string{true: ".*", false: ".+"}[v.Name == "target"]
		if isScope := v.Name == "scope"; *v.Multi == isScope || *v.IncludeAll == isScope || !isScope && *v.AllValue != all {
			t.Errorf("it does not choose one scope, or any of the others: %+v", v)
		}
	case dashboard.VariableTypeTextbox, dashboard.VariableTypeCustom:
		selected := slices.IndexFunc(v.Options, func(o dashboard.VariableOption) bool { return *o.Selected })
		if selected < 0 || *v.Options[selected].Value.String != *v.Current.Value.String {
			t.Errorf("%v is not the one that is selected of %v", v.Current, v.Options)
		}
	default:
		t.Errorf("it is a %s", v.Type)
	}
}
