package systemd_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// machine is a Debian with a systemd of its own, a network of its own, and the files below root.
type machine struct {
	root string
	// leader is the process of its systemd.
	leader int
	client *http.Client
}

// boot starts a machine with the files of a root file system, and ends it after the test.
func boot(t *testing.T, rootfs string) *machine {
	t.Helper()
	m := &machine{root: t.TempDir()}
	livetest.Run(t, "", livetest.Program(t, "tar"), "-C", m.root, "-xf", rootfs)
	m.write(t, "/etc/machine-id", "")
	m.write(t, "/etc/hosts", "127.0.0.1 localhost\n")
	// Newer versions of systemd need cgroups of version 2. nspawn's own filter would hide Landlock.
	nspawn := livetest.Start(t, []string{"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1"}, livetest.Program(t, "systemd-nspawn"),
		"--boot", "--directory="+m.root, "--machine=cckm-"+strconv.Itoa(os.Getpid()), "--register=no", "--keep-unit",
		"--private-network", "--console=pipe", "--resolv-conf=off", "--timezone=off",
		"--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self")
	livetest.Eventually(t, 2*time.Minute, "the machine has booted", func() bool {
		m.leader = systemdOf(nspawn.PID())
		if m.leader == 0 {
			return false
		}
		state, _ := m.run(t, "systemctl", "is-system-running")
		return state == "running\n" || state == "degraded\n"
	})
	m.client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: m.dial}}
	return m
}

// systemdOf returns the systemd that nspawn started, or 0 if there is none yet.
func systemdOf(nspawn int) int {
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", nspawn, nspawn))
	if err != nil {
		return 0
	}
	for child := range strings.FieldsSeq(string(children)) {
		if name, err := os.ReadFile("/proc/" + child + "/comm"); err == nil && string(name) == "systemd\n" {
			pid, _ := strconv.Atoi(child)
			return pid
		}
	}
	return 0
}

// run runs a command in the machine, and returns what it printed.
func (m *machine) run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), livetest.Program(t, "nsenter"), append([]string{
		"--target=" + strconv.Itoa(m.leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup",
	}, args...)...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "SYSTEMD_PAGER=", "DEBIAN_FRONTEND=noninteractive"}
	output, err := cmd.CombinedOutput()
	return string(output), err
}

// must is run. A failure ends the test.
func (m *machine) must(t *testing.T, args ...string) string {
	t.Helper()
	output, err := m.run(t, args...)
	if err != nil {
		t.Fatalf("%q: %v\n%s\n%s", args, err, output, m.journal(t))
	}
	return output
}

// journal returns the last lines of the service's log.
func (m *machine) journal(t *testing.T) string {
	t.Helper()
	lines, err := m.run(t, "journalctl", "--no-pager", "--lines=40", "--unit="+service)
	if err != nil {
		t.Errorf("journalctl: %v", err)
	}
	return lines
}

// show returns a property of the service.
func (m *machine) show(t *testing.T, property string) string {
	t.Helper()
	return strings.TrimSpace(m.must(t, "systemctl", "show", "--property="+property, "--value", service))
}

// write writes a file that only root can write.
func (m *machine) write(t *testing.T, path, content string) {
	t.Helper()
	m.writeMode(t, path, content, 0o644)
}

func (m *machine) writeMode(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(m.root+path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(m.root+path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// get requests a page of the exporter.
func (m *machine) get(ctx context.Context, path string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:10458"+path, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	resp, err := m.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// dial connects within the machine's network.
func (m *machine) dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	joined := m.inNetwork(func() { conn, err = new(net.Dialer).DialContext(ctx, network, address) })
	return conn, cmp.Or(joined, err)
}

// inNetwork calls a function that opens sockets, which then belong to the machine's network.
func (m *machine) inNetwork(open func()) (err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The thread is not used again, because it ends with a goroutine that is locked to it.
		runtime.LockOSThread()
		file, failed := os.Open(fmt.Sprintf("/proc/%d/ns/net", m.leader))
		if failed != nil {
			err = failed
			return
		}
		defer func() { _ = file.Close() }()
		if err = unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err == nil {
			open()
		}
	}()
	<-done
	return err
}

// wantMetrics fails unless a scrape reads both lists.
func (m *machine) wantMetrics(t *testing.T) {
	t.Helper()
	status, body, err := m.get(t.Context(), "/metrics")
	if err != nil || status != http.StatusOK || !strings.Contains(body, googleUp) || !strings.Contains(body, azureUp) {
		t.Fatalf("the lists are not read: %v, status %d\n%s\n%s", err, status, body, m.journal(t))
	}
}
