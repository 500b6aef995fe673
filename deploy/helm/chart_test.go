// Package helm_test holds the chart against Helm itself, the schemas of
// Kubernetes and of the Prometheus Operator, the exporter's program, and the
// files of which it is made.
package helm_test

import (
	"bytes"
	"io/fs"
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
	// namespace is where the release is rendered for.
	namespace = "here"
	// mounts is where the chart mounts everything.
	mounts = "/etc/cckm-sync-exporter"
)

// helm runs Helm without any configuration of a user's, and returns what it
// wrote to standard output, and to both.
func helm(t *testing.T, args ...string) (output, everything string, err error) {
	t.Helper()
	program := livetest.Program(t, "helm")
	look(t)
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "KUBECONFIG=" + filepath.Join(home, "none")}
	var out, all bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &all
	err = cmd.Run()
	return out.String(), out.String() + all.String(), err
}

// look looks at every file that the chart is made of. The go command keeps the
// result of a test until a file changes that the test itself has looked at, and
// Helm's looking does not count.
func look(t *testing.T) {
	t.Helper()
	for _, root := range []string{chart, filepath.Join(chart, "files", "dashboards") + "/."} {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			_, err = os.Stat(path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// object is an object of Kubernetes.
type object map[string]any

// at returns what is at the end of a path of keys, or nil.
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

// text is at for a text.
func (o object) text(path ...string) string {
	text, _ := o.at(path...).(string)
	return text
}

// list is at for a list of mappings.
func (o object) list(path ...string) []object {
	items, _ := o.at(path...).([]any)
	objects := make([]object, 0, len(items))
	for _, item := range items {
		inner, _ := item.(map[string]any)
		objects = append(objects, inner)
	}
	return objects
}

// texts is at for a list of texts.
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

// template renders the chart, and fails the test where it cannot be.
func template(t *testing.T, args ...string) (objects rendered, text string) {
	t.Helper()
	text, everything, err := helm(t, append([]string{"template", release, chart, "--namespace", namespace}, args...)...)
	if err != nil {
		t.Fatalf("helm template %q: %v\n%s", args, err, everything)
	}
	return parse(t, text), text
}

// parse reads objects.
func parse(t *testing.T, text string) rendered {
	t.Helper()
	var documents []map[string]any
	if err := yaml.Load([]byte(text), &documents, yaml.WithAllDocuments()); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	objects := make(rendered, 0, len(documents))
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

// examples returns the files of values that the chart is tried with, by their
// names.
func examples(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(chart, "ci", "*-values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, path := range paths {
		files[strings.TrimSuffix(filepath.Base(path), "-values.yaml")] = path
	}
	if len(files) < 6 {
		t.Fatalf("there are only %d files of values in ci", len(files))
	}
	return files
}

// read returns what is in a file.
func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
