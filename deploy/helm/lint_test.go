package helm_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// TestLint checks that Helm's strict linter has no warning with any of the files of values.
func TestLint(t *testing.T) {
	for name, values := range examples(t) {
		if _, everything, err := helm(t, "lint", "--strict", "--values", values, chart); err != nil {
			t.Errorf("%s: %v\n%s", name, err, everything)
		}
	}
}

// withoutLinks returns a copy of the chart that lacks what its links lead to.
func withoutLinks(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), chart)
	if err := os.CopyFS(path, os.DirFS(chart)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(path, "files")); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestOneSource holds that rules and boards are in the chart as links to the very
// files of deploy, all of them, and that a packed chart holds what they lead to.
func TestOneSource(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("git makes no links on Windows by default")
	}
	rules, err := filepath.Glob(filepath.Join("..", "prometheus", "cckm_sync_*.yml"))
	if err != nil || len(rules) == 0 {
		t.Fatalf("%v, %v", rules, err)
	}
	linked, err := filepath.Glob(filepath.Join(chart, "files", "rules", "*"))
	if err != nil || len(linked) != len(rules) {
		t.Errorf("%d of %d rule files are linked: %v", len(linked), len(rules), err)
	}
	for _, rule := range rules {
		leadsTo(t, filepath.Join(chart, "files", "rules", filepath.Base(rule)), rule)
	}
	leadsTo(t, filepath.Join(chart, "files", "dashboards"), filepath.Join("..", "grafana", "dashboards"))

	dir := t.TempDir()
	if _, everything, err := helm(t, "package", chart, "--destination", dir); err != nil {
		t.Fatalf("%v\n%s", err, everything)
	}
	packed, err := filepath.Glob(filepath.Join(dir, chart+"-*.tgz"))
	if err != nil || len(packed) != 1 {
		t.Fatalf("%v, %v", packed, err)
	}
	values := examples(t)["monitoring"]
	_, want := template(t, "--values", values)
	got, everything, err := helm(t, "template", release, packed[0], "--namespace", namespace, "--values", values)
	if err != nil {
		t.Fatalf("%v\n%s", err, everything)
	}
	if got != want {
		t.Errorf("the packed chart renders something else:\n%s", got)
	}
}

func leadsTo(t *testing.T, link, file string) {
	t.Helper()
	info, err := os.Lstat(link)
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("%s is no symbolic link: %v", link, err)
		return
	}
	at, err := os.Stat(link)
	if err != nil {
		t.Error(err)
		return
	}
	if want, err := os.Stat(file); err != nil || !os.SameFile(at, want) {
		t.Errorf("%s leads elsewhere than to %s: %v", link, file, err)
	}
}

// TestLinksLost holds that a chart without the files that its links lead to, as
// some tools that fetch a repository leave it, is refused and makes no empty
// objects.
func TestLinksLost(t *testing.T) {
	lost, minimal := withoutLinks(t), examples(t)["minimal"]
	for _, part := range []string{"prometheusRule", "dashboards"} {
		_, everything, err := helm(t, "template", lost, "--values", minimal, "--set", part+".enabled=true")
		if err == nil || !strings.Contains(everything, "symbolic links") {
			t.Errorf("%s: %v\n%s", part, err, everything)
		}
	}
}

// TestSchemas checks every object with the schemas of Kubernetes, in the oldest
// version that the chart allows and a newer one, and of the Prometheus Operator.
func TestSchemas(t *testing.T) {
	validate := livetest.Program(t, "kubectl-validate")
	livetest.Program(t, "helm")
	crds := operatorCRDs(t)
	run := func(version string, files ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), validate, append([]string{"--version", version, "--local-crds", crds}, files...)...)
		home := t.TempDir()
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "KUBECONFIG=" + filepath.Join(home, "none")}
		output, err := cmd.CombinedOutput()
		return string(output), err
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name+".yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	files := make([]string, 0, len(examples(t)))
	for name, values := range examples(t) {
		_, text := template(t, "--values", values)
		files = append(files, write(name, text))
	}
	plain, err := filepath.Glob(filepath.Join("..", "kubernetes", "*.yaml"))
	if err != nil || len(plain) == 0 {
		t.Fatalf("%v, %v", plain, err)
	}
	for _, version := range []string{"1.25", "1.30"} {
		if output, err := run(version, append(files, plain...)...); err != nil {
			t.Errorf("Kubernetes %s: %v\n%s", version, err, output)
		}
	}

	// The validator reads the Operator's schemas only if it finds the files.
	_, monitoring := template(t, "--values", examples(t)["monitoring"])
	broken := strings.Replace(monitoring, "scrapeTimeout: 1m", "scrape_timeout: 1m", 1)
	if output, err := run("1.30", write("broken", broken)); err == nil || !strings.Contains(output, "scrape_timeout") {
		t.Errorf("an unknown key of the Operator is accepted: %v\n%s", err, output)
	}
}

// operatorModule holds the Operator's CRDs; .ci/run has it in its cache.
const operatorModule = "github.com/prometheus-operator/prometheus-operator@v0.85.0"

// operatorCRDs returns the directory of the Operator's CRDs.
func operatorCRDs(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", operatorModule)
	output, err := cmd.Output()
	dir := parse(t, string(output))[0].text("Dir")
	if err != nil || dir == "" {
		t.Fatalf("%s: %v\n%s", operatorModule, err, output)
	}
	return filepath.Join(dir, "example", "prometheus-operator-crd")
}
