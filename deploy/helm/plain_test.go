package helm_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPlainManifests checks that deploy/kubernetes is what the chart renders with the
// values there: go test ./deploy/helm -run TestPlainManifests -update.
func TestPlainManifests(t *testing.T) {
	dir := filepath.Join("..", "kubernetes")
	values := filepath.Join(dir, "values", "values.yaml")
	for file, templates := range map[string][]string{
		"exporter.yaml":       {"serviceaccount", "service", "deployment", "networkpolicy"},
		"servicemonitor.yaml": {"servicemonitor"},
		"prometheusrule.yaml": {"prometheusrule"},
	} {
		only := make([]string, 0, len(templates))
		for _, name := range templates {
			only = append(only, "--show-only=templates/"+name+".yaml")
		}
		text, err := helm(t, append([]string{"template", chart, chart, "--values", values}, only...)...)
		if err != nil {
			t.Fatal(err)
		}
		checkFile(t, filepath.Join(dir, file), plain(text))
	}
}

// plain removes the lines that are about Helm.
func plain(text string) string {
	text = regexp.MustCompile(`(?m)^ *(# Source|helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n`).ReplaceAllString(text, "")
	text = regexp.MustCompile(`\n{2,}`).ReplaceAllString(text, "\n")
	return "# Made from the chart in deploy/helm; the test beside it rewrites this file.\n" + strings.TrimSpace(text) + "\n"
}
