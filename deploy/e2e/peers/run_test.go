//go:build linux

package peers_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// usage is what a program took.
type usage struct {
	wall, cpu time.Duration
	// peak is the most memory that it, or one of its children, held at once, in
	// bytes.
	peak int64
}

func command(t *testing.T, env []string, log io.Writer, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + t.TempDir()}, env...)
	cmd.Stderr = log
	return cmd
}

// runOnce runs a program to its end, and returns what it printed. GNU time starts
// it, to tell its memory: Linux counts that of the process that starts another as
// the other's, and a test's is large.
func runOnce(t *testing.T, env []string, name string, args ...string) (usage, []byte) {
	t.Helper()
	report := filepath.Join(t.TempDir(), "time")
	var log livetest.Buffer
	cmd := command(t, env, &log, "/usr/bin/time", append([]string{"--output=" + report, "--format=%M", name}, args...)...)
	begun := time.Now()
	output, err := cmd.Output()
	wall := time.Since(begun)
	if err != nil {
		t.Fatalf("%s: %v, it wrote:\n%s", name, err, log.String())
	}
	var kilobytes int64
	if _, err := fmt.Sscan(string(readFile(t, report)), &kilobytes); err != nil {
		t.Fatal(err)
	}
	return usage{wall: wall, cpu: cpu(cmd), peak: kilobytes << 10}, output
}

// cpu returns the CPU time that an ended program and its children took.
func cpu(cmd *exec.Cmd) time.Duration {
	return cmd.ProcessState.SystemTime() + cmd.ProcessState.UserTime()
}

// runServer starts a program, scrapes it some times, ends it, and returns what it
// answered last. The wall time is that of the scrapes.
func runServer(t *testing.T, env []string, program func(address string) (string, []string)) (usage, []byte) {
	t.Helper()
	address := livetest.FreeAddress(t)
	name, args := program(address)
	var log livetest.Buffer
	cmd := command(t, env, &log, name, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	end := func() {
		if !ended {
			ended = true
			_ = cmd.Process.Signal(syscall.SIGTERM) // It may have ended by itself.
			_ = cmd.Wait()                          // How it ends after a signal is its own matter.
		}
	}
	t.Cleanup(func() {
		end()
		if t.Failed() {
			t.Logf("%s wrote:\n%s", name, log.String())
		}
	})
	livetest.Eventually(t, 30*time.Second, name+" listens", func() bool {
		connection, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err == nil {
			_ = connection.Close()
		}
		return err == nil
	})
	begun := time.Now()
	var body []byte
	for range scrapes {
		body = scrape(t, "http://"+address+"/metrics")
	}
	took := usage{wall: time.Since(begun), peak: peakMemory(t, cmd.Process.Pid)}
	end()
	took.cpu = cpu(cmd)
	return took, body
}

// peakMemory returns the most memory that a running program has held so far.
func peakMemory(t *testing.T, pid int) int64 {
	t.Helper()
	for line := range strings.Lines(string(readFile(t, fmt.Sprintf("/proc/%d/status", pid)))) {
		if text, found := strings.CutPrefix(line, "VmHWM:"); found {
			var kilobytes int64
			if _, err := fmt.Sscan(text, &kilobytes); err != nil {
				t.Fatal(err)
			}
			return kilobytes << 10
		}
	}
	t.Fatal("the system does not tell a program's memory")
	return 0
}

func scrape(t *testing.T, url string) []byte {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{}, Timeout: 5 * time.Minute}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d, %v", url, resp.StatusCode, err)
	}
	return body
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
