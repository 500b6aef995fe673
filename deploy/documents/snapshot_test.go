package documents_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// TestSnapshot runs deploy/release/release.sh --snapshot on the newest commit, as
// somebody does who wants packages of it.
func TestSnapshot(t *testing.T) {
	for _, program := range []string{"bash", "git", "nfpm", "cyclonedx-gomod", "jq", "tar", "zip"} {
		livetest.Program(t, program)
	}
	dir := filepath.Join(t.TempDir(), "clone")
	from, err := filepath.Abs(top)
	if err != nil {
		t.Fatal(err)
	}
	// Whoever owns the files.
	settings := livetest.WriteFile(t, "gitconfig", []byte("[safe]\n\tdirectory = *\n"))
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+settings, "PLATFORMS=linux/"+runtime.GOARCH)
		output, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %q: %v\n%s", name, args, err, output)
		}
		return string(output)
	}
	run("git", "clone", "--quiet", "file://"+from, dir)
	revision := strings.TrimSpace(run("git", "-C", dir, "rev-parse", "--short=12", "HEAD"))
	output := run("bash", "-c", "cd "+dir+" && deploy/release/release.sh --snapshot")
	if !regexp.MustCompile(`(?m)^cckm_sync_exporter \d+\.\d+\.\d+-snapshot\.g` + revision + `$`).MatchString(output) {
		t.Errorf("release.sh made no snapshot of %s:\n%s", revision, output)
	}
	files, err := filepath.Glob(filepath.Join(dir, "dist", "*"))
	if err != nil || len(files) != 5 {
		t.Errorf("%d files, want a deb, an rpm, an archive, a bill of materials and checksums: %q, %v", len(files), files, err)
	}
}
