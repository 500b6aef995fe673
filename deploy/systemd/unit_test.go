// Package systemd_test checks the units with systemd and the exporter.
package systemd_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

const (
	unitName   = "cckm_sync_exporter.service"
	socketName = "cckm_sync_exporter.socket"
	// threshold is the highest exposure of 100 that systemd-analyze may find.
	threshold = "15"
)

// TestUnit checks the unit and its security with systemd-analyze, and that the program
// accepts the unit's flags and socket.
func TestUnit(t *testing.T) {
	program := livetest.BuildExporter(t)
	service, socket := livetest.ReadFile(t, unitName), livetest.ReadFile(t, socketName)
	start := regexp.MustCompile(`(?m)^ExecStart=/usr/bin/cckm_sync_exporter (.*)$`).FindStringSubmatch(service)
	if start == nil {
		t.Fatal("the unit does not start /usr/bin/cckm_sync_exporter")
	}
	// Debian 11 has systemd 247, which refuses a unit with a specifier that it does not know.
	if specifier := regexp.MustCompile(`(?m)^[^#\n]*%.`).FindString(service); specifier != "" {
		t.Errorf("a specifier of systemd: %s", specifier)
	}
	restart := regexp.MustCompile(`(?m)^RestartSec=(\d+)s$`).FindStringSubmatch(service)
	burst := regexp.MustCompile(`(?m)^StartLimitIntervalSec=1min\nStartLimitBurst=(\d+)$`).FindStringSubmatch(service)
	if restart == nil || burst == nil {
		t.Fatal("the unit has no limit of starts")
	}
	if seconds := number(t, restart[1]) * number(t, burst[1]); seconds >= 60 {
		t.Errorf("%d s of restarts never reach the limit of a minute", seconds)
	}
	t.Run("systemd-analyze", func(t *testing.T) {
		analyze, dir := livetest.Program(t, "systemd-analyze"), t.TempDir()
		// systemd looks for the program, and for the service of a socket in its directory.
		service := strings.ReplaceAll(service, "ExecStart=/usr/bin/cckm_sync_exporter ", "ExecStart="+program+" ")
		for name, content := range map[string]string{unitName: service, socketName: socket} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		// It only warns about unknown settings. The man page is in the packages.
		output, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", filepath.Join(dir, unitName), filepath.Join(dir, socketName)).CombinedOutput()
		if err != nil || len(output) > 0 {
			t.Errorf("systemd-analyze verify: %v\n%s", err, output)
		}
		livetest.Run(t, dir, analyze, "security", "--no-pager", "--offline=true", "--threshold="+threshold, filepath.Join(dir, unitName))
	})
	t.Run("command line", func(t *testing.T) {
		credentials := filepath.Dir(livetest.WriteFile(t, "password", []byte("long-password")))
		flags := strings.Fields(strings.ReplaceAll(start[1], "${CREDENTIALS_DIRECTORY}", credentials))
		check := exec.CommandContext(t.Context(), program, append([]string{"check", "--offline"}, flags...)...)
		check.Env = []string{"CM_ADDRESS=https://cm.example.com", "CM_USERNAME=prometheus"}
		if output, err := check.CombinedOutput(); err != nil || !strings.Contains(string(output), "ok    settings: 2 lists enabled\n") {
			t.Errorf("check --offline: %v\n%s", err, output)
		}
	})
	t.Run("socket", func(t *testing.T) { testSocket(t, socket, program) })
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// testSocket checks that the program serves on a socket of systemd, with the variable
// that the socket's unit documents.
func testSocket(t *testing.T, socket, program string) {
	t.Helper()
	activate := livetest.Program(t, "systemd-socket-activate")
	variable := regexp.MustCompile(`CCKM_\w+=\w+`).FindString(socket)
	if variable == "" || !strings.Contains(socket, "\nListenStream=10458\n") {
		t.Fatalf("the unit has another port or no variable:\n%s", socket)
	}
	address := livetest.FreeAddress(t)
	// It must not use its default port even if it ignores the variable.
	p := livetest.Start(t, nil, activate, "--listen="+address, "--setenv="+variable, program, "demo", "--web.listen-address="+livetest.FreeAddress(t))
	livetest.Eventually(t, 20*time.Second, "a scrape succeeds", func() bool {
		status, body, ok := livetest.Get(t, "http://"+address+"/metrics")
		return ok && status == http.StatusOK && strings.Contains(body, "cckm_sync_up{cloud=\"google\",item=\"key\"} 1\n")
	})
	if !strings.Contains(p.Log(), "Listening on systemd activated listeners") {
		t.Errorf("it does not serve on the socket of systemd:\n%s", p.Log())
	}
}
