package release_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// testManPage holds that man's programs find nothing to remark in the page, and
// that it shows each flag of --help.
func testManPage(t *testing.T, dist string) {
	t.Helper()
	dir := unpack(t, dist, "linux-"+runtime.GOARCH)
	page := filepath.Join(dir, "man", "cckm_sync_exporter.1")
	t.Run("mandoc", func(t *testing.T) {
		// Below a warning, it asks for short lines in the source.
		output, err := exec.CommandContext(t.Context(), livetest.Program(t, "mandoc"), "-T", "lint", "-W", "warning", page).CombinedOutput()
		if err != nil || len(output) > 0 {
			t.Errorf("mandoc: %v\n%s", err, output)
		}
	})
	t.Run("flags", func(t *testing.T) {
		command := exec.CommandContext(t.Context(), livetest.Program(t, "man"), "--warnings", "--encoding=ascii", "--no-hyphenation", "--local-file", page)
		command.Env = []string{"PATH=/usr/bin:/bin", "MANWIDTH=200", "LC_ALL=C"}
		var mistakes strings.Builder
		command.Stderr = &mistakes
		output, err := command.Output()
		if err != nil || mistakes.Len() > 0 {
			t.Errorf("man: %v\n%s", err, &mistakes)
		}
		shown := string(output)
		if !strings.Contains(shown, "cckm_sync_exporter "+version) || !strings.Contains(shown, "2026-11-22") {
			t.Errorf("it has not the version and the day:\n%s", shown)
		}
		flags := regexp.MustCompile(`(?m)^ {2,6}(?:-\w, )?(--[^ ]+)`).FindAllStringSubmatch(run(t, "", filepath.Join(dir, "cckm_sync_exporter"), "--help"), -1)
		if len(flags) < 20 {
			t.Fatalf("--help has %d flags", len(flags))
		}
		for _, flag := range flags {
			if !strings.Contains(shown, " "+flag[1]+"\n") && !strings.Contains(shown, " "+flag[1]+" ...\n") {
				t.Errorf("%s is not shown", flag[1])
			}
		}
		if t.Failed() {
			t.Log(shown)
		}
	})
}
