package collector_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestImports checks that imports go one way. Data flows through the packages in this order, from
// the appliance to HTTP, and each package imports only packages that stand before it. Others,
// such as the simulated appliance, import none of these.
func TestImports(t *testing.T) {
	const module = "cckm_sync_exporter/"
	order := []string{
		"collector/reason", "collector/printable", "collector/syncjob",
		"collector/ciphertrust", "collector/jobjson", "collector/recordjson",
		"collector/inventory", "collector/schedule", "collector/plan", "collector/sources", "collector/joblist", "collector/scrape", "collector/state", "collector",
		"collector/config", "collector/targets", "collector/doctor",
		"collector/web/statuspage", "collector/web/statuspage/fleettest", "collector/web/documents", "collector/web",
		"cmd/cckm_sync_exporter",
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	listed := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		importer := strings.TrimPrefix(words[0], module)
		listed[importer] = true
		at := slices.Index(order, importer)
		for _, word := range words[1:] {
			imported, ours := strings.CutPrefix(word, module)
			if i := slices.Index(order, imported); ours && i >= 0 && i >= at && !strings.HasPrefix(importer, "deploy/") {
				t.Errorf("%s imports %s", importer, imported)
			}
		}
	}
	for _, name := range order {
		if !listed[name] {
			t.Errorf("there is no package %s", name)
		}
	}
}
