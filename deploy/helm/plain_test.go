package helm_test

import (
	"bytes"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPlainManifests holds that deploy/kubernetes is what the chart makes of the
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
		text, everything, err := helm(t, slices.Concat([]string{"template", chart, chart, "--values", values}, only)...)
		if err != nil {
			t.Fatalf("%v\n%s", err, everything)
		}
		checkFile(t, filepath.Join(dir, file), plain(text))
	}
}

// plain leaves out what is Helm's own.
func plain(text string) string {
	var kept bytes.Buffer
	kept.WriteString("# Made from the chart in deploy/helm; the test beside it rewrites this file.\n")
	for line := range strings.Lines(text) {
		switch trimmed := strings.TrimSpace(line); {
		case strings.HasPrefix(trimmed, "# Source: "), strings.HasPrefix(trimmed, "helm.sh/chart: "),
			strings.HasPrefix(trimmed, "app.kubernetes.io/managed-by: "):
		default:
			kept.WriteString(line)
		}
	}
	text = regexp.MustCompile(`\n{2,}`).ReplaceAllString(kept.String(), "\n")
	return strings.TrimSpace(text) + "\n"
}
