package main

import (
	"bytes"
	"strings"
	"testing"

	"cckm_sync_exporter/collector/syncjob"
)

// TestHelp checks that --help fits on a screen, and names all lists.
func TestHelp(t *testing.T) {
	t.Setenv("COLUMNS", "100")
	app, _ := newApp()
	var page bytes.Buffer
	app.UsageWriter(&page).Terminate(nil)
	if _, err := app.Parse([]string{"--help"}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(page.String(), "\n"), "\n")
	if len(lines) > 45 {
		t.Errorf("the help has %d lines:\n%s", len(lines), &page)
	}
	for _, line := range lines {
		if len(line) > 100 {
			t.Errorf("the line has %d columns: %s", len(line), line)
		}
	}
	for _, list := range syncjob.Lists() {
		if !strings.Contains(page.String(), " "+list.Name) {
			t.Errorf("the help does not have %s:\n%s", list.Name, &page)
		}
	}
}
