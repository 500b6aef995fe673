package helm_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"cckm_sync_exporter/collector/config"
	"cckm_sync_exporter/collector/syncjob"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

// update rewrites what is made from the chart: go test ./deploy/helm -update.
var update = flag.Bool("update", false, "rewrite deploy/kubernetes and the table in the chart's README.md")

// checkFile compares a file with its wanted content, or rewrites it.
func checkFile(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(livetest.ReadFile(t, path), "\n")); diff != "" {
		t.Errorf("%s differs from what the chart makes (-want +file); run go test ./deploy/helm -update:\n%s", path, diff)
	}
}

// setting is a documented value of values.yaml.
type setting struct{ path, meaning, preset string }

// settings returns the values of values.yaml that have a comment "# -- ". Each value
// must have one, or be part of a mapping that has.
func settings(t *testing.T) (documented []setting) {
	t.Helper()
	var root yaml.Node
	if err := yaml.Load([]byte(livetest.ReadFile(t, chart, "values.yaml")), &root); err != nil {
		t.Fatal(err)
	}
	var walk func(node *yaml.Node, above string)
	walk = func(node *yaml.Node, above string) {
		for i := 0; i+1 < len(node.Content); i += 2 {
			key, value := node.Content[i], node.Content[i+1]
			path := strings.TrimPrefix(above+"."+key.Value, ".")
			_, meaning, found := strings.Cut(key.HeadComment, "# -- ")
			switch {
			case found:
				if strings.Contains(meaning, "\n") {
					t.Errorf("%s is documented in several lines", path)
				}
				documented = append(documented, setting{path, meaning, preset(t, value)})
			case value.Kind == yaml.MappingNode:
				walk(value, path)
			default:
				t.Errorf("%s has no line that begins with \"# -- \"", path)
			}
		}
	}
	walk(root.Content[0], "")
	return documented
}

// preset returns a default in one line.
func preset(t *testing.T, node *yaml.Node) string {
	t.Helper()
	var value any
	if err := node.Load(&value); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestReadme checks that the table in the chart's README.md is that of values.yaml: go test ./deploy/helm -run TestReadme -update.
func TestReadme(t *testing.T) {
	const begin, end = "<!-- table: values -->\n", "<!-- end -->"
	path := filepath.Join(chart, "README.md")
	before, rest, found := strings.Cut(livetest.ReadFile(t, path), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatal("README.md has no table of values")
	}
	var table strings.Builder
	table.WriteString("| value | default | meaning |\n|---|---|---|\n")
	for _, s := range settings(t) {
		fmt.Fprintf(&table, "| `%s` | `%s` | %s |\n", s.path, s.preset, s.meaning)
	}
	checkFile(t, path, before+begin+table.String()+end+after)
}

// TestSchemaLists checks that the schema knows the program's lists and its other sources. Helm itself checks
// values.yaml with the schema, which allows no other values.
func TestSchemaLists(t *testing.T) {
	want := make([]string, 0, len(syncjob.Lists())+2)
	for _, list := range syncjob.Lists() {
		want = append(want, list.Name)
	}
	want = append(want, config.SourceSchedules, config.SourceInventory)
	if diff := cmp.Diff(want, readSchema(t).texts("definitions", "lists", "items", "enum")); diff != "" {
		t.Errorf("lists (-program +schema):\n%s", diff)
	}
}

// TestPermissions checks that values.yaml names the permissions that each list needs.
func TestPermissions(t *testing.T) {
	values := livetest.ReadFile(t, chart, "values.yaml")
	for _, list := range syncjob.Lists() {
		permissions := "not documented"
		if len(list.Permissions) > 0 {
			permissions = strings.Join(list.Permissions, ", ")
		}
		if line := fmt.Sprintf("\n#   %s: %s\n", list.Name, permissions); !strings.Contains(values, line) {
			t.Errorf("values.yaml lacks the line %q", strings.TrimSpace(line))
		}
	}
}

// readSchema returns the schema of the values.
func readSchema(t *testing.T) object {
	t.Helper()
	return parse(t, livetest.ReadFile(t, chart, "values.schema.json"))[0]
}
