package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPublished holds that the table of performance.md and the chart are those of the run
// that is kept beside them, and that this run measured everything.
func TestPublished(t *testing.T) {
	readme, chart := filepath.Join("..", "docs", "performance.md"), "cost.svg"
	args := []string{"-from", "run.txt"}
	if *update {
		args = append(args, "-readme", readme, "-chart", chart)
	}
	table := printed(t, args...)
	if strings.Contains(table, "not measured") {
		t.Errorf("the run is not a whole one:\n%s", table)
	}
	if _, published, _ := strings.Cut(readFile(t, readme), tableBegin); !strings.HasPrefix(published, table+tableEnd) {
		t.Error("the table of performance.md is not that of run.txt: go test ./deploy/performance -update")
	}
	drawn := filepath.Join(t.TempDir(), "cost.svg")
	printed(t, "-from", "run.txt", "-chart", drawn)
	if diff := cmp.Diff(readFile(t, drawn), readFile(t, chart)); diff != "" {
		t.Errorf("the chart is not that of run.txt (-want +got): go test ./deploy/performance -update\n%s", diff)
	}
}
