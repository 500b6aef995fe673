package grafana_test

import (
	"bytes"
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

	"cckm_sync_exporter/deploy/grafana"
)

// update rewrites the dashboards: go test ./deploy/grafana -run TestGenerated -update.
var update = flag.Bool("update", false, "rewrite the dashboards")

// TestGenerated holds that the files are what the code makes.
func TestGenerated(t *testing.T) {
	boards := grafana.Boards()
	want := make([]string, 0, len(boards))
	for i := range boards {
		text, err := boards[i].JSON()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("dashboards", boards[i].UID+".json")
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
			t.Errorf("%s is not what the code makes; run the test with -update (-code +file):\n%s", path, diff)
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

// board is a dashboard as the file has it.
type board struct {
	grafana.Dashboard

	file string
}

// readBoards reads the files, in which nothing may be that the model has not.
func readBoards(t *testing.T) []board {
	t.Helper()
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
		b := board{file: file}
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&b.Dashboard); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		boards = append(boards, b)
	}
	return boards
}

func TestBoards(t *testing.T) {
	seen := make(map[string]bool)
	for _, b := range readBoards(t) {
		t.Run(b.UID, func(t *testing.T) {
			if b.ID != nil {
				t.Errorf("id is %d, want null", *b.ID)
			}
			if seen[b.UID] || !strings.HasPrefix(b.UID, "cckm-sync-") || len(b.UID) > 40 || b.file != "dashboards/"+b.UID+".json" {
				t.Errorf("uid %q is taken, or not the name of %s", b.UID, b.file)
			}
			seen[b.UID] = true
			if b.Title == "" || b.Description == "" || b.Refresh == "" || b.Time.From == "" || b.Time.To != "now" {
				t.Error("title, description, refresh or time is missing")
			}
			if diff := cmp.Diff([]string{"cckm-sync"}, b.Tags); diff != "" {
				t.Errorf("tags (-want +got):\n%s", diff)
			}
			if b.SchemaVersion < 39 || b.Editable {
				t.Errorf("schemaVersion is %d, want 39 at least; editable is %t, want false", b.SchemaVersion, b.Editable)
			}
			if len(b.Links) != 2 || b.Links[0].Type != "dashboards" || !slices.Equal(b.Links[0].Tags, b.Tags) ||
				!b.Links[0].IncludeVars || !b.Links[0].KeepTime {
				t.Errorf("the links %+v do not lead to the other boards with variables and time", b.Links)
			}
			if page := b.Links[1]; page.Type != "link" || !page.TargetBlank || !strings.HasPrefix(page.URL, "${status_page:raw}/") ||
				strings.HasSuffix(page.URL, "/?q=${scope:percentencode}") != (b.UID == "cckm-sync-scope") {
				t.Errorf("the link %+v does not lead to the status page, for the scope where there is one", page)
			}
			checkLayout(t, b.Panels)
		})
	}
}

// checkLayout holds that panels have ids of their own and do not overlap.
func checkLayout(t *testing.T, panels []grafana.Panel) {
	t.Helper()
	ids := make(map[int]string)
	type cell struct{ x, y int }
	taken := make(map[cell]string)
	for i := range panels {
		p := &panels[i]
		if p.ID < 1 || ids[p.ID] != "" {
			t.Errorf("%q has the id %d, as has %q", p.Title, p.ID, ids[p.ID])
		}
		ids[p.ID] = p.Title
		g := p.GridPos
		if g.X < 0 || g.Y < 0 || g.W < 3 || g.X+g.W > 24 || g.H < 1 || g.H > 16 {
			t.Errorf("%q does not fit at %+v", p.Title, g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other, is := taken[cell{x, y}]; is {
					t.Fatalf("%q overlaps %q at %d, %d", p.Title, other, x, y)
				}
				taken[cell{x, y}] = p.Title
			}
		}
	}
}

func TestPanels(t *testing.T) {
	for _, b := range readBoards(t) {
		titles := make(map[string]bool)
		for i := range b.Panels {
			p := &b.Panels[i]
			t.Run(b.UID+"/"+p.Title, func(t *testing.T) {
				if p.Title == "" || titles[p.Title] || len(p.Title) > 50 {
					t.Errorf("title %q is missing, too long or taken", p.Title)
				}
				titles[p.Title] = true
				if p.Type == "row" {
					return
				}
				if !strings.HasSuffix(p.Description, ".") || len(p.Description) > 600 {
					t.Errorf("description %q is missing, too long, or no sentence", p.Description)
				}
				checkDatasource(t, p.Datasource)
				checkLooks(t, p)
				checkTargets(t, p)
			})
		}
	}
}

func checkDatasource(t *testing.T, d *grafana.Datasource) {
	t.Helper()
	if d == nil || d.Type != "prometheus" || d.UID != "${datasource}" {
		t.Errorf("datasource is %+v, want the variable", d)
	}
}

// checkLooks holds units and thresholds, and that no state is told by a colour alone.
func checkLooks(t *testing.T, p *grafana.Panel) {
	t.Helper()
	defaults := p.FieldConfig.Defaults
	if defaults.Unit == "" || len(defaults.Thresholds.Steps) == 0 {
		t.Error("unit or thresholds are missing")
	}
	if p.Type == "state-timeline" && len(defaults.Mappings) == 0 {
		t.Error("states have no texts")
	}
	checkMappings(t, defaults.Mappings)
	checkLinks(t, defaults.Links)
	for _, override := range p.FieldConfig.Overrides {
		for _, property := range override.Properties {
			text, err := json.Marshal(property.Value)
			if err != nil {
				t.Fatal(err)
			}
			switch property.ID {
			case "mappings":
				var mappings []grafana.Mapping
				if err := json.Unmarshal(text, &mappings); err != nil {
					t.Fatal(err)
				}
				checkMappings(t, mappings)
			case "links":
				var links []grafana.DataLink
				if err := json.Unmarshal(text, &links); err != nil {
					t.Fatal(err)
				}
				checkLinks(t, links)
			}
		}
	}
	// Whoever cannot tell red from green is not to be asked to.
	text, err := json.Marshal(p.FieldConfig)
	if err != nil {
		t.Fatal(err)
	}
	if found := regexp.MustCompile(`(?i)"[a-z-]*(red|green)"`).Find(text); found != nil {
		t.Errorf("colour %s is not of the palette", found)
	}
}

// checkMappings holds that what is coloured has a text, and that texts differ.
func checkMappings(t *testing.T, mappings []grafana.Mapping) {
	t.Helper()
	texts := make(map[string]bool)
	for _, mapping := range mappings {
		results := mapping.Options
		if mapping.Type != "value" {
			results = map[string]any{"": mapping.Options["result"]}
		}
		for value, result := range results {
			shown, _ := result.(map[string]any)
			text, _ := shown["text"].(string)
			if text == "" || texts[text] || shown["color"] == "" {
				t.Errorf("the mapping of %s to %v has no text, no colour, or a text that is taken", value, result)
			}
			texts[text] = true
		}
	}
}

// checkLinks holds that links lead to boards and keep what the user chose, or to
// the status page.
func checkLinks(t *testing.T, links []grafana.DataLink) {
	t.Helper()
	about := func(page string) func(grafana.DataLink) bool {
		return func(link grafana.DataLink) bool {
			return strings.HasPrefix(link.URL, page) && strings.Contains(link.URL, "=${") && strings.Contains(link.URL, "scope:percentencode}")
		}
	}
	if slices.ContainsFunc(links, about("/d/cckm-sync-scope?")) != slices.ContainsFunc(links, about("${status_page:raw}/?q=")) {
		t.Errorf("the links %+v do not lead to both the board and the status page of a key ring or vault", links)
	}
	for _, link := range links {
		if strings.HasPrefix(link.URL, "${status_page:raw}/") {
			if link.Title == "" || !link.TargetBlank {
				t.Errorf("link %+v has no title or leaves Grafana", link)
			}
			continue
		}
		if link.Title == "" || !strings.HasPrefix(link.URL, "/d/cckm-sync-scope?") {
			t.Errorf("link %+v has no title or leads elsewhere", link)
		}
		for _, want := range []string{
			"${datasource:queryparam}", "${job:queryparam}", "${instance:queryparam}", "${overdue:queryparam}", "${stuck:queryparam}",
			"var-cloud=${", "var-item=${", "var-scope=${", "${__url_time_range}",
		} {
			if !strings.Contains(link.URL, want) {
				t.Errorf("link %s lacks %s", link.URL, want)
			}
		}
	}
}

func checkTargets(t *testing.T, p *grafana.Panel) {
	t.Helper()
	if len(p.Targets) == 0 {
		t.Error("it asks nothing")
	}
	refs := make(map[string]bool)
	for _, target := range p.Targets {
		checkDatasource(t, target.Datasource)
		if target.RefID == "" || refs[target.RefID] {
			t.Errorf("refId %q is missing or taken", target.RefID)
		}
		refs[target.RefID] = true
		if target.Instant == target.Range {
			t.Errorf("%s asks for instant %t and range %t", target.RefID, target.Instant, target.Range)
		}
		if isTable := p.Type == "table"; isTable != (target.Format == "table") || isTable && !target.Instant {
			t.Errorf("%s of a %s has the format %s", target.RefID, p.Type, target.Format)
		}
		if p.Type != "table" && p.Type != "stat" && target.LegendFormat == "" {
			t.Errorf("%s has no legend", target.RefID)
		}
		for _, fault := range faults(target.Expr) {
			t.Errorf("%s: %s\n%s", target.RefID, fault, target.Expr)
		}
	}
	// A column that no query answers would be empty for ever.
	for _, override := range p.FieldConfig.Overrides {
		if ref, is := strings.CutPrefix(override.Matcher.Options, "Value #"); is && !refs[ref] {
			t.Errorf("no query answers the column %q", override.Matcher.Options)
		}
	}
}

// faults says what is wrong with a query's form.
func faults(expr string) []string {
	var found []string
	selectors := regexp.MustCompile(`\b((?:cckm_sync|process|go|promhttp|scrape)_\w+|up)\b(\{[^}]*\})?`)
	// What is in quotes or braces is no metric; each selector's braces are taken with it.
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
		for i := range b.Templating.List {
			v := &b.Templating.List[i]
			names = append(names, v.Name)
			t.Run(b.UID+"/"+v.Name, func(t *testing.T) { checkVariable(t, v) })
		}
		if diff := cmp.Diff(want[b.UID], names); diff != "" {
			t.Errorf("%s: variables (-want +got):\n%s", b.UID, diff)
		}
		// What a panel uses must be there.
		text, err := json.Marshal([]any{b.Panels, b.Links})
		if err != nil {
			t.Fatal(err)
		}
		for _, used := range regexp.MustCompile(`\$\{?([a-z]\w*)`).FindAllSubmatch(text, -1) {
			if !slices.Contains(names, string(used[1])) {
				t.Errorf("%s uses $%s, which is no variable", b.UID, used[1])
			}
		}
	}
}

func checkVariable(t *testing.T, v *grafana.Variable) {
	t.Helper()
	if v.Label == "" || v.Description == "" || v.Hide != 0 {
		t.Error("label or description is missing, or it is hidden")
	}
	switch v.Type {
	case "datasource":
		if v.Query != "prometheus" || len(v.Current) > 0 {
			t.Errorf("it chooses %v among %v", v.Current, v.Query)
		}
	case "query":
		checkDatasource(t, v.Datasource)
		if v.Refresh != 2 || v.Definition == "" || v.Sort == 0 {
			t.Error("it is not asked again when the time changes, not sorted, or has no definition")
		}
		every := map[string]string{"scope": "", "target": ".*"}
		all, is := every[v.Name]
		if !is {
			all = ".+"
		}
		if v.Multi != v.IncludeAll || v.AllValue != all || v.Multi == (v.Name == "scope") {
			t.Errorf("it does not choose one scope, or any of the others: %+v", v)
		}
	case "textbox":
		if v.Query == "" || v.Current["value"] != v.Query || len(v.Options) != 1 || v.Options[0].Value != v.Query {
			t.Errorf("it begins with %v, and is %v of %v", v.Query, v.Current, v.Options)
		}
	case "custom":
		selected := slices.IndexFunc(v.Options, func(o grafana.Option) bool { return o.Selected })
		if selected < 0 || v.Options[selected].Value != v.Current["value"] {
			t.Errorf("%v is not the one that is selected of %v", v.Current["value"], v.Options)
		}
	default:
		t.Errorf("it is a %s", v.Type)
	}
}
