package livetest

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// BuildExporter builds the exporter and returns its path.
func BuildExporter(t *testing.T) string {
	t.Helper()
	executable := filepath.Join(t.TempDir(), "cckm_sync_exporter")
	//nolint:gosec // Go's own path and the test's directory.
	cmd := exec.CommandContext(t.Context(), Program(t, "go"), "build", "-buildvcs=false", "-o", executable, "cckm_sync_exporter/cmd/cckm_sync_exporter")
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the exporter cannot be built: %v\n%s", err, output)
	}
	return executable
}

// StartExporter starts the exporter with a command and its flags, waits until it
// listens, and returns its address.
func StartExporter(t *testing.T, executable string, env []string, args ...string) (p *Process, address string) {
	t.Helper()
	p = Start(t, env, executable, append(args, "--web.listen-address=127.0.0.1:0")...)
	listening := regexp.MustCompile(`msg="Listening on" address=(\S+)\n`)
	Eventually(t, time.Minute, "the exporter listens", func() bool {
		found := listening.FindStringSubmatch(p.Log())
		if found != nil {
			address = found[1]
		}
		return found != nil
	})
	return p, address
}
