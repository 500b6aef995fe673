package helm_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// TestReadmeExamples checks that the chart accepts the examples of its README.md.
func TestReadmeExamples(t *testing.T) {
	readme := livetest.ReadFile(t, chart, "README.md")
	install := regexp.MustCompile(`(?m)^helm install \S+ deploy/helm/` + chart + `((?:.*\\\n)*.*)$`).FindStringSubmatch(readme)
	monitoring := regexp.MustCompile("`((?:--set \\w+\\.enabled=true ?)+)`").FindStringSubmatch(readme)
	values := regexp.MustCompile("(?s)\n```yaml\n(.*?\n)```\n").FindStringSubmatch(readme)
	if install == nil || monitoring == nil || values == nil {
		t.Fatal("README.md has no helm install, no flags for monitoring, or no values for several appliances")
	}
	flags := strings.Fields(strings.ReplaceAll(install[1], "\\\n", " "))
	objects, _ := template(t, slices.Concat(flags, strings.Fields(monitoring[1]))...)
	for _, kind := range []string{"ServiceMonitor", "PrometheusRule", "ConfigMap"} {
		if len(objects.of(kind)) == 0 {
			t.Errorf("README.md's flags make no %s", kind)
		}
	}
	file := livetest.WriteFile(t, "values.yaml", []byte(values[1]))
	objects, _ = template(t, "--values", file, "--set", "serviceMonitor.enabled=true")
	if endpoints := objects.only(t, "ServiceMonitor").list("spec", "endpoints"); len(endpoints) != 2 {
		t.Errorf("README.md's targets have %d endpoints", len(endpoints))
	}
}
