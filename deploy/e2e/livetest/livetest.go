// Package livetest starts the real programs that tests need, such as Prometheus,
// waits for what they do, and ends them.
package livetest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Required says whether a missing program is a failure, as it is under .ci/run,
// which has installed them all.
func Required() bool { return os.Getenv("CCKM_REQUIRE_PROGRAMS") != "" }

// leftOut says whether programs are taken for missing although they are there, as
// in those steps of .ci/run before the one that requires them.
func leftOut() bool { return os.Getenv("CCKM_WITHOUT_PROGRAMS") != "" }

// Program returns the path of the first program that is there: distributions
// name the same one differently. Where there is none, the test is skipped, or
// fails where programs are required.
func Program(t *testing.T, names ...string) string {
	t.Helper()
	if leftOut() {
		t.Skipf("%s is left to another run of the tests, by CCKM_WITHOUT_PROGRAMS", strings.Join(names, " or "))
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if Required() {
		t.Fatalf("%s is needed and not installed", strings.Join(names, " or "))
	}
	t.Skipf("%s is not installed", strings.Join(names, " or "))
	return ""
}

// Eventually waits until a condition holds, and fails after a while.
func Eventually(t *testing.T, patience time.Duration, what string, condition func() bool) {
	t.Helper()
	if !WaitFor(patience, condition) {
		t.Fatalf("after %s it is still not so: %s", patience, what)
	}
}

// WaitFor waits until a condition holds, and says whether it came to hold in a
// while.
func WaitFor(patience time.Duration, condition func() bool) bool {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-deadline.C:
			return false
		case <-tick.C:
		}
	}
	return true
}

// WriteFile writes a file that is gone after the test, and returns its path.
func WriteFile(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
