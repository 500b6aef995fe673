// Package systemd_test holds the systemd unit against systemd itself.
package systemd_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cckm_sync_exporter/deploy/livetest"
)

const (
	unitName = "cckm_sync_exporter.service"
	// threshold is the highest exposure that systemd may find, of 100.
	threshold = "15"
)

// unit writes a copy of the unit whose program is a file that exists, because
// systemd looks for it, and returns its path and the program's.
func unit(t *testing.T) (path, program string) {
	t.Helper()
	content, err := os.ReadFile(unitName)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program = filepath.Join(dir, "cckm_sync_exporter")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../cmd/cckm_sync_exporter")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, output)
	}
	changed := bytes.ReplaceAll(content, []byte("ExecStart=/usr/bin/cckm_sync_exporter "), []byte("ExecStart="+program+" "))
	if bytes.Equal(changed, content) {
		t.Fatal("the unit does not start /usr/bin/cckm_sync_exporter")
	}
	return livetest.WriteFile(t, unitName, changed), program
}

// TestUnit holds that systemd finds nothing to remark, where it exits well with
// settings that it does not know; how much it finds that the service could do;
// and that the program takes the flags that the unit gives it.
func TestUnit(t *testing.T) {
	path, program := unit(t)
	t.Run("verify", func(t *testing.T) {
		analyze := livetest.Program(t, "systemd-analyze")
		output, err := exec.CommandContext(t.Context(), analyze, "verify", path).CombinedOutput()
		if err != nil || len(output) > 0 {
			t.Errorf("systemd-analyze verify: %v\n%s", err, output)
		}
	})
	t.Run("security", func(t *testing.T) {
		analyze := livetest.Program(t, "systemd-analyze")
		output, err := exec.CommandContext(t.Context(), analyze, "security", "--no-pager", "--offline=true", "--threshold="+threshold, path).CombinedOutput()
		if err != nil {
			t.Errorf("systemd-analyze security: %v\n%s", err, output)
		}
		lines := strings.Split(strings.TrimSpace(string(output)), "\n")
		t.Log(lines[len(lines)-1])
	})
	t.Run("command line", func(t *testing.T) {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`(?m)^ExecStart=(.*)$`).FindSubmatch(content)
		if found == nil {
			t.Fatal("no ExecStart")
		}
		credentials := filepath.Dir(livetest.WriteFile(t, "password", []byte("p")))
		words := strings.Fields(strings.ReplaceAll(string(found[1]), "%d", credentials))
		check := exec.CommandContext(t.Context(), program, append([]string{"check", "--offline"}, words[1:]...)...)
		check.Env = []string{"CM_ADDRESS=https://cm.example.com", "CM_USERNAME=prometheus"}
		if output, err := check.CombinedOutput(); err != nil || string(output) != "ok    settings: 2 lists enabled\n" {
			t.Errorf("check --offline: %v\n%s", err, output)
		}
	})
}
