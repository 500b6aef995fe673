//go:build linux

package peers_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// usage is the resources that a program used.
type usage struct {
	wall, cpu time.Duration
	// peak is the largest memory of the program or of one of its children, in bytes.
	peak int64
}

// runOnce runs a program to its end and returns its output. GNU time starts it and
// reports its memory: Linux counts that of the starting process too, and a test's is large.
func runOnce(t *testing.T, env []string, name string, args ...string) (usage, string) {
	t.Helper()
	report := filepath.Join(t.TempDir(), "time")
	cmd := exec.CommandContext(t.Context(), "/usr/bin/time", append([]string{"--output=" + report, "--format=%M", name}, args...)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + t.TempDir()}, env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	begin := time.Now()
	output, err := cmd.Output()
	wall := time.Since(begin)
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, &stderr)
	}
	var kilobytes int64
	if _, err := fmt.Sscan(livetest.ReadFile(t, report), &kilobytes); err != nil {
		t.Fatal(err)
	}
	cpu := cmd.ProcessState.SystemTime() + cmd.ProcessState.UserTime()
	return usage{wall: wall, cpu: cpu, peak: kilobytes << 10}, string(output)
}

// runServer starts a program whose arguments name its port as PORT, scrapes it some
// times, ends it, and returns its last response. The wall time is that of the scrapes.
func runServer(t *testing.T, env []string, name string, args ...string) (usage, string) {
	t.Helper()
	address := livetest.FreeAddress(t)
	_, port, _ := strings.Cut(address, ":")
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "PORT", port)
	}
	p := livetest.Start(t, env, name, args...)
	// A request might already be a scrape.
	livetest.Eventually(t, 30*time.Second, name+" listens", func() bool {
		connection, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		return err == nil && connection.Close() == nil
	})
	begin := time.Now()
	var body string
	for range scrapes {
		status, text, ok := livetest.Get(t, "http://"+address+"/metrics")
		if !ok || status != http.StatusOK {
			t.Fatalf("%s: status %d\n%s", name, status, text)
		}
		body = text
	}
	used := usage{wall: time.Since(begin), peak: p.PeakMemory(t)}
	_, used.cpu = p.End(t)
	return used, body
}
