package deploy_test

import (
	"regexp"
	"testing"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// TestVersion checks that the chart, the manifests and README.md deploy the version that CHANGELOG.md has at the
// top, which a release's tag must have, too.
func TestVersion(t *testing.T) {
	find := func(pattern string, path ...string) string {
		t.Helper()
		found := regexp.MustCompile(`(?m)` + pattern).FindStringSubmatch(livetest.ReadFile(t, path...))
		if found == nil {
			t.Fatalf("%v has no version", path)
		}
		return found[1]
	}
	want := find(`^## (\S+) / `, "..", "CHANGELOG.md")
	for name, got := range map[string]string{
		"chart":     find(`^version: (\S+)$`, "helm", "cckm-sync-exporter", "Chart.yaml"),
		"app":       find(`^appVersion: (\S+)$`, "helm", "cckm-sync-exporter", "Chart.yaml"),
		"README":    find(`^docker push \S+:(\S+)$`, "README.md"),
		"manifests": find(`^ *image: "\S+:(\S+)"$`, "kubernetes", "exporter.yaml"),
	} {
		if got != want {
			t.Errorf("%s: version %s, and CHANGELOG.md has %s", name, got, want)
		}
	}
}
