// Package livetest starts what tests need and ends it: simulated appliances, the exporter, and programs such
// as Prometheus.
package livetest

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"cckm_sync_exporter/collector/simulator"
)

// All skips a test that takes long or needs an installed program, unless the
// environment asks for every test, as .ci/run does in its later steps.
func All(t *testing.T) {
	t.Helper()
	if !Everything() {
		t.Skip("set CCKM_TEST_ALL=1 to run the tests that take long or need installed programs")
	}
}

// Root skips a test that needs root as All does, and fails it for another user.
func Root(t *testing.T) {
	t.Helper()
	All(t)
	if os.Geteuid() != 0 {
		t.Fatal("this test needs root: run .ci/run platforms")
	}
}

// Everything reports whether the environment asks for every test and every random case.
func Everything() bool { return os.Getenv("CCKM_TEST_ALL") != "" }

// Program returns the path of the first of these programs that is installed:
// distributions name the same one differently. It skips the test as All does, and
// fails it if none is installed, or if its version is not the one that the environment
// asks for.
func Program(t *testing.T, names ...string) string {
	t.Helper()
	All(t)
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			checkVersion(t, names[0], path)
			return path
		}
	}
	t.Fatalf("%s is needed and not installed: run .ci/run install", strings.Join(names, " or "))
	return ""
}

// checkVersion fails the test if CCKM_TEST_VERSIONS, such as "prometheus=3.16 amtool=0.34", has another version
// of the program.
func checkVersion(t *testing.T, name, path string) {
	t.Helper()
	for wanted := range strings.FieldsSeq(os.Getenv("CCKM_TEST_VERSIONS")) {
		program, version, _ := strings.Cut(wanted, "=")
		if program != name {
			continue
		}
		found := Version(t, path)
		if !strings.HasPrefix(found+".", version+".") {
			t.Fatalf("%s has the version %s, want %s", path, found, version)
		}
		t.Logf("%s %s", name, found)
	}
}

// Version returns the version of a program of Prometheus or Alertmanager, such as "3.16.0".
func Version(t *testing.T, path string) string {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), path, "--version").CombinedOutput()
	found := regexp.MustCompile(`, version (\d+(\.\d+)*)`).FindSubmatch(output)
	if err != nil || found == nil {
		t.Fatalf("%s --version: %v\n%s", path, err, output)
	}
	return string(found[1])
}

// Eventually waits until a condition holds, and fails the test after patience has passed.
func Eventually(t *testing.T, patience time.Duration, what string, condition func() bool) {
	t.Helper()
	if !WaitFor(patience, condition) {
		t.Fatalf("not within %s: %s", patience, what)
	}
}

// WaitFor waits until a condition holds. It returns false after patience has passed.
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

// Run runs a program in a directory, or in the test's if dir is empty, and returns
// its standard output. A failure ends the test.
func Run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...) //nolint:gosec // Tests name the programs.
	var stderr strings.Builder
	cmd.Dir, cmd.Stderr = dir, &stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s%s", filepath.Base(name), args, err, output, stderr.String())
	}
	return string(output)
}

// OperatorCRDs returns the directory of the Prometheus Operator's CustomResourceDefinitions.
func OperatorCRDs(t *testing.T) string {
	t.Helper()
	var module struct {
		Dir string `json:"Dir"`
	}
	output := Run(t, "", "go", "mod", "download", "-json", "github.com/prometheus-operator/prometheus-operator@v0.85.0")
	if err := json.Unmarshal([]byte(output), &module); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(module.Dir, "example", "prometheus-operator-crd")
}

// ReadFile returns the content of a file, whose path may be given in parts.
func ReadFile(t *testing.T, path ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// WriteFile writes a file that is removed after the test, and returns its path.
func WriteFile(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Serve serves a simulated appliance over TLS until the test ends.
func Serve(t *testing.T, appliance *simulator.Appliance) *simulator.Server {
	t.Helper()
	server, err := appliance.StartTLS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return server
}
