package helm_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"cckm_sync_exporter/collector/syncjob"
)

// update rewrites what is made from the chart: go test ./deploy/helm -update.
var update = flag.Bool("update", false, "rewrite deploy/kubernetes and the table in the chart's README.md")

// checkFile holds that a file has the content, or gives it that.
func checkFile(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(read(t, path), "\n")); diff != "" {
		t.Errorf("%s is not what the chart makes (-want +file); run go test ./deploy/helm -update:\n%s", path, diff)
	}
}

// setting is a value of values.yaml that users are told of.
type setting struct{ path, meaning, preset string }

// settings returns the values of values.yaml that have a line of documentation,
// and the paths of all of them.
func settings(t *testing.T) (documented []setting, paths []string) {
	t.Helper()
	var root yaml.Node
	if err := yaml.Load([]byte(read(t, filepath.Join(chart, "values.yaml"))), &root); err != nil {
		t.Fatal(err)
	}
	var walk func(node *yaml.Node, above string, known bool)
	walk = func(node *yaml.Node, above string, known bool) {
		for i := 0; i+1 < len(node.Content); i += 2 {
			key, value := node.Content[i], node.Content[i+1]
			path := strings.TrimPrefix(above+"."+key.Value, ".")
			paths = append(paths, path)
			_, meaning, found := strings.Cut(key.HeadComment, "# -- ")
			switch {
			case found && (known || strings.Contains(meaning, "\n")):
				t.Errorf("%s is documented twice, or in several lines", path)
			case found:
				documented = append(documented, setting{path, meaning, preset(t, value)})
			case value.Kind != yaml.MappingNode && !known:
				t.Errorf("%s has no line that begins with \"# -- \"", path)
			}
			if value.Kind == yaml.MappingNode {
				walk(value, path, known || found)
			}
		}
	}
	walk(root.Content[0], "", false)
	return documented, paths
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

// TestReadme holds that the table in the chart's README.md is what values.yaml
// says: go test ./deploy/helm -run TestReadme -update.
func TestReadme(t *testing.T) {
	const begin, end = "<!-- table: values -->\n", "<!-- end -->"
	path := filepath.Join(chart, "README.md")
	before, rest, found := strings.Cut(read(t, path), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatal("README.md has no table of values")
	}
	documented, _ := settings(t)
	var table strings.Builder
	table.WriteString("| value | default | meaning |\n|---|---|---|\n")
	for _, s := range documented {
		fmt.Fprintf(&table, "| `%s` | `%s` | %s |\n", s.path, s.preset, s.meaning)
	}
	checkFile(t, path, before+begin+table.String()+end+after)
}

// TestSchemaKnowsValues holds that the schema has each value of values.yaml and
// no other, so that a slip in a user's values is told and no value is refused.
func TestSchemaKnowsValues(t *testing.T) {
	schema := readSchema(t)
	_, paths := settings(t)
	var known []string
	var walk func(o object, above string)
	walk = func(o object, above string) {
		properties, _ := o.at("properties").(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(properties)) {
			path := strings.TrimPrefix(above+"."+key, ".")
			known = append(known, path)
			walk(object(properties).child(key), path)
		}
	}
	walk(schema, "")
	for _, path := range paths {
		if !slices.Contains(known, path) && !below(path, free(schema, known)) {
			t.Errorf("values.schema.json does not know %s", path)
		}
	}
	// What Helm itself may add to the values of a chart that is a part of another.
	optional := []string{"global", "enabled"}
	for _, path := range known {
		parent, _, _ := cutLast(path)
		if !slices.Contains(paths, path) && !slices.Contains(optional, path) && !emptyByDefault(t, parent) {
			t.Errorf("values.yaml does not have %s, which values.schema.json knows", path)
		}
	}
	want := make([]string, 0, len(syncjob.Lists()))
	for _, list := range syncjob.Lists() {
		want = append(want, list.Name)
	}
	if diff := cmp.Diff(want, schema.texts("definitions", "lists", "items", "enum")); diff != "" {
		t.Errorf("the lists in values.schema.json (-program +schema):\n%s", diff)
	}
}

// TestPermissions holds that values.yaml names the permissions that each list needs.
func TestPermissions(t *testing.T) {
	values := read(t, filepath.Join(chart, "values.yaml"))
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
	var schema object
	if err := json.Unmarshal([]byte(read(t, filepath.Join(chart, "values.schema.json"))), &schema); err != nil {
		t.Fatal(err)
	}
	return schema
}

// child returns the mapping at a key.
func (o object) child(key string) object {
	inner, _ := o[key].(map[string]any)
	return inner
}

// free returns the known paths below which everything is allowed, because
// Kubernetes and not the chart says what may be there.
func free(schema object, known []string) []string {
	var paths []string
	for _, path := range known {
		o := schema
		for key := range strings.SplitSeq(path, ".") {
			o = o.child("properties").child(key)
		}
		if o.text("type") == "object" && o.at("properties") == nil || strings.HasSuffix(o.text("$ref"), "/texts") {
			paths = append(paths, path)
		}
	}
	return paths
}

// below says whether a path is below one of others.
func below(path string, others []string) bool {
	return slices.ContainsFunc(others, func(other string) bool { return strings.HasPrefix(path, other+".") })
}

func cutLast(path string) (parent, key string, found bool) {
	i := strings.LastIndex(path, ".")
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}

// emptyByDefault says whether a path, or what it is below, is documented as a
// whole, so that its keys need not be in values.yaml.
func emptyByDefault(t *testing.T, path string) bool {
	t.Helper()
	documented, _ := settings(t)
	return slices.ContainsFunc(documented, func(s setting) bool { return s.path == path || strings.HasPrefix(path, s.path+".") })
}
