package helm_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// TestLint checks that Helm's strict linter has no warning with any of the files of values.
func TestLint(t *testing.T) {
	for _, values := range examples(t) {
		if _, err := helm(t, "lint", "--strict", "--values", values, chart); err != nil {
			t.Error(err)
		}
	}
}

// TestPacked checks that a packed chart has the rules and boards that the links in the
// chart lead to.
func TestPacked(t *testing.T) {
	dir, values := t.TempDir(), examples(t)["monitoring"]
	if _, err := helm(t, "package", chart, "--destination", dir); err != nil {
		t.Fatal(err)
	}
	packed, err := filepath.Glob(filepath.Join(dir, chart+"-*.tgz"))
	if err != nil || len(packed) != 1 {
		t.Fatalf("%v, %v", packed, err)
	}
	_, want := template(t, "--values", values)
	if got, err := helm(t, "template", release, packed[0], "--namespace", namespace, "--values", values); err != nil || got != want {
		t.Errorf("the packed chart renders other objects: %v\n%s", err, got)
	}
}

// TestLinksLost checks that a chart without the files that its links lead to, as some
// tools fetch it, is refused instead of rendering empty objects.
func TestLinksLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), chart)
	if err := os.CopyFS(path, os.DirFS(chart)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(path, "files")); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"prometheusRule", "dashboards"} {
		_, err := helm(t, "template", path, "--values", examples(t)["minimal"], "--set", part+".enabled=true")
		if err == nil || !strings.Contains(err.Error(), "symbolic links") {
			t.Errorf("%s: %v", part, err)
		}
	}
}

// TestSchemas checks every object with the schemas of Kubernetes, in the oldest
// version that the chart allows and a newer one, and of the Prometheus Operator.
func TestSchemas(t *testing.T) {
	validate := livetest.Program(t, "kubectl-validate")
	crds := livetest.OperatorCRDs(t)
	files, err := filepath.Glob(filepath.Join("..", "kubernetes", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for name, values := range examples(t) {
		_, text := template(t, "--values", values)
		files = append(files, livetest.WriteFile(t, name+".yaml", []byte(text)))
	}
	for _, version := range []string{"1.25", "1.30"} {
		cmd := exec.CommandContext(t.Context(), validate, append([]string{"--version", version, "--local-crds", crds}, files...)...)
		home := t.TempDir()
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "KUBECONFIG=" + filepath.Join(home, "none")}
		if output, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("Kubernetes %s: %v\n%s", version, err, output)
		}
	}
}
