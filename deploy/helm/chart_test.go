// Package helm_test checks the chart with Helm, the schemas of Kubernetes and of the
// Prometheus Operator, and the exporter.
package helm_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

const (
	chart   = "cckm-sync-exporter"
	release = "rel"
	// namespace is that of the release.
	namespace = "here"
	// mounts is the directory that the chart mounts everything in.
	mounts = "/etc/cckm-sync-exporter"
)

// helm runs Helm without any configuration of the user and returns its output. The
// error includes what Helm wrote to standard error.
func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), livetest.Program(t, "helm"), args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "KUBECONFIG=" + filepath.Join(home, "none")}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("helm %q: %w\n%s%s", args, err, output, stderr.String())
	}
	return string(output), err
}

// object is an object of Kubernetes.
type object map[string]any

// at returns the value at a path of keys, or nil.
func (o object) at(path ...string) any {
	var value any = map[string]any(o)
	for _, key := range path {
		inner, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = inner[key]
	}
	return value
}

// text returns the text at a path, or "".
func (o object) text(path ...string) string {
	text, _ := o.at(path...).(string)
	return text
}

// child returns the mapping at a path, or nil.
func (o object) child(path ...string) object {
	inner, _ := o.at(path...).(map[string]any)
	return inner
}

// list returns the mappings of the list at a path.
func (o object) list(path ...string) []object {
	items, _ := o.at(path...).([]any)
	objects := make([]object, 0, len(items))
	for _, item := range items {
		inner, _ := item.(map[string]any)
		objects = append(objects, inner)
	}
	return objects
}

// texts returns the texts of the list at a path.
func (o object) texts(path ...string) []string {
	items, _ := o.at(path...).([]any)
	texts := make([]string, 0, len(items))
	for _, item := range items {
		text, _ := item.(string)
		texts = append(texts, text)
	}
	return texts
}

// rendered are the objects of a release.
type rendered []object

// template renders the chart and fails the test if that fails.
func template(t *testing.T, args ...string) (objects rendered, text string) {
	t.Helper()
	text, err := helm(t, append([]string{"template", release, chart, "--namespace", namespace}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, text), text
}

// parse parses the documents of a YAML file, except empty ones.
func parse(t *testing.T, text string) rendered {
	t.Helper()
	// With a type of its own, every mapping would have it.
	var documents []map[string]any
	if err := yaml.Load([]byte(text), &documents, yaml.WithAllDocuments()); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	var objects rendered
	for _, document := range documents {
		if len(document) > 0 {
			objects = append(objects, document)
		}
	}
	return objects
}

// of returns the objects of a kind.
func (r rendered) of(kind string) rendered {
	var found rendered
	for _, o := range r {
		if o.text("kind") == kind {
			found = append(found, o)
		}
	}
	return found
}

// only returns the one object of a kind.
func (r rendered) only(t *testing.T, kind string) object {
	t.Helper()
	found := r.of(kind)
	if len(found) != 1 {
		t.Fatalf("there are %d objects of kind %s", len(found), kind)
	}
	return found[0]
}

// container returns the exporter's container.
func (r rendered) container(t *testing.T) object {
	t.Helper()
	return r.only(t, "Deployment").list("spec", "template", "spec", "containers")[0]
}

// examples returns the chart's files of values by name.
func examples(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(chart, "ci", "*-values.yaml"))
	if err != nil || len(paths) < 6 {
		t.Fatalf("%q, %v", paths, err)
	}
	files := map[string]string{}
	for _, path := range paths {
		files[strings.TrimSuffix(filepath.Base(path), "-values.yaml")] = path
	}
	return files
}
