package helm_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// TestReadmeExamples holds that the chart takes what its README.md tells users to
// give it.
func TestReadmeExamples(t *testing.T) {
	readme := read(t, filepath.Join(chart, "README.md"))
	install := regexp.MustCompile(`(?m)^helm install (?:.*\\\n)*.*$`).FindString(readme)
	words := strings.Fields(strings.ReplaceAll(install, "\\\n", " "))
	if len(words) < 4 || words[3] != "deploy/helm/"+chart {
		t.Fatalf("README.md installs nothing: %q", install)
	}
	monitoring := regexp.MustCompile("`((?:--set \\w+\\.enabled=true ?)+)`").FindStringSubmatch(readme)
	if monitoring == nil {
		t.Fatal("README.md enables nothing")
	}
	objects, _ := template(t, slices.Concat(words[4:], strings.Fields(monitoring[1]))...)
	for _, kind := range []string{"ServiceMonitor", "PrometheusRule"} {
		objects.only(t, kind)
	}
	if len(objects.of("ConfigMap")) == 0 {
		t.Error("README.md's way to the boards gives none")
	}

	_, values, _ := strings.Cut(readme, "\n```yaml\n")
	values, _, found := strings.Cut(values, "\n```\n")
	if !found {
		t.Fatal("README.md has no values for several appliances")
	}
	objects, _ = template(t, "--values", livetest.WriteFile(t, "values.yaml", []byte(values)), "--set", "serviceMonitor.enabled=true")
	if endpoints := objects.only(t, "ServiceMonitor").list("spec", "endpoints"); len(endpoints) != 2 {
		t.Errorf("README.md's targets have %d endpoints", len(endpoints))
	}
}
