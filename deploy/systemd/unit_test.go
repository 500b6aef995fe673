// Package systemd_test holds the systemd unit against systemd itself.
package systemd_test

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

const (
	unitName   = "cckm_sync_exporter.service"
	socketName = "cckm_sync_exporter.socket"
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
	program = livetest.BuildExporter(t)
	changed := bytes.ReplaceAll(content, []byte("ExecStart=/usr/bin/cckm_sync_exporter "), []byte("ExecStart="+program+" "))
	if bytes.Equal(changed, content) {
		t.Fatal("the unit does not start /usr/bin/cckm_sync_exporter")
	}
	socket, err := os.ReadFile(socketName)
	if err != nil {
		t.Fatal(err)
	}
	// In one directory, because systemd looks for the service of a socket.
	path = filepath.Join(dir, unitName)
	for name, content := range map[string][]byte{unitName: changed, socketName: socket} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path, program
}

// TestUnit holds that systemd finds nothing to remark, where it exits well with
// settings that it does not know; how much it finds that the service could do;
// and that the program takes the flags that the unit gives it.
func TestUnit(t *testing.T) {
	path, program := unit(t)
	t.Run("verify", func(t *testing.T) {
		analyze := livetest.Program(t, "systemd-analyze")
		output, err := exec.CommandContext(t.Context(), analyze, "verify", path, filepath.Join(filepath.Dir(path), socketName)).CombinedOutput()
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
	t.Run("socket", func(t *testing.T) { testSocket(t, path, program) })
	t.Run("command line", func(t *testing.T) {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`(?m)^ExecStart=(.*)$`).FindSubmatch(content)
		if found == nil {
			t.Fatal("no ExecStart")
		}
		credentials := filepath.Dir(livetest.WriteFile(t, "password", []byte("long-password")))
		words := strings.Fields(strings.ReplaceAll(string(found[1]), "%d", credentials))
		check := exec.CommandContext(t.Context(), program, append([]string{"check", "--offline"}, words[1:]...)...)
		check.Env = []string{"CM_ADDRESS=https://cm.example.com", "CM_USERNAME=prometheus"}
		if output, err := check.CombinedOutput(); err != nil || !strings.Contains(string(output), "ok    settings: 2 lists enabled\n") {
			t.Errorf("check --offline: %v\n%s", err, output)
		}
	})
}

// testSocket has the program serve on a socket that systemd bound, as it passes
// one to the service: the socket's own unit names its port, and the settings the
// variable that the program needs for it.
func testSocket(t *testing.T, unit, program string) {
	t.Helper()
	activate := livetest.Program(t, "systemd-socket-activate")
	socket, err := os.ReadFile(filepath.Join(filepath.Dir(unit), socketName))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(socket), "\nListenStream=10458\n") {
		t.Errorf("the socket is not the exporter's:\n%s", socket)
	}
	variable := regexp.MustCompile(`CCKM_\w+=\w+`).FindString(string(socket))
	if variable == "" {
		t.Fatalf("the socket does not tell the variable:\n%s", socket)
	}
	address := livetest.FreeAddress(t)
	// Its default port is not to be touched, even where the variable is not known.
	p := livetest.Start(t, nil, activate, "--listen="+address, "--setenv="+variable, program, "demo", "--web.listen-address="+livetest.FreeAddress(t))
	var metrics string
	livetest.Eventually(t, 20*time.Second, "a scrape is answered", func() bool {
		status, body, ok := livetest.Get(t, "http://"+address+"/metrics")
		metrics = body
		return ok && status == http.StatusOK
	})
	if !strings.Contains(metrics, "cckm_sync_up{cloud=\"google\",item=\"key\"} 1\n") {
		t.Errorf("the list is not read:\n%s", metrics)
	}
	if !strings.Contains(p.Log(), "Listening on systemd activated listeners") {
		t.Errorf("it does not serve on systemd's socket:\n%s", p.Log())
	}
}
