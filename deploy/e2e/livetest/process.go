package livetest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a running program.
type Process struct {
	cmd   *exec.Cmd
	log   Buffer
	ended sync.Once
}

// Start starts a program whose environment is PATH and env. It gets SIGTERM at the
// end of the test, which logs its standard error if it has failed.
func Start(t *testing.T, env []string, name string, args ...string) *Process {
	t.Helper()
	p := &Process{cmd: exec.CommandContext(t.Context(), name, args...)} //nolint:gosec // Tests name the programs.
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	p.cmd.Stderr = &p.log
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 20 * time.Second
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.wait()
		if t.Failed() {
			t.Logf("%s %q wrote:\n%s", filepath.Base(name), args, p.Log())
		}
	})
	return p
}

// Log returns what the program has written to standard error so far.
func (p *Process) Log() string { return p.log.String() }

// End sends SIGTERM and waits until the program has ended. It returns the program's
// exit code and the CPU time that it used.
func (p *Process) End(t *testing.T) (code int, cpu time.Duration) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.wait()
	state := p.cmd.ProcessState
	return state.ExitCode(), state.UserTime() + state.SystemTime()
}

// PID returns the program's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

func (p *Process) wait() { p.ended.Do(func() { _ = p.cmd.Wait() }) }

// PeakMemory returns the largest resident memory that the running program has had,
// in bytes. Only Linux reports it.
func (p *Process) PeakMemory(t *testing.T) int64 {
	t.Helper()
	return PeakMemory(t, p.cmd.Process.Pid)
}

// PeakMemory returns the largest resident memory that a running process has had, in
// bytes. Unlike rusage's, it leaves out what the parent had before exec.
func PeakMemory(tb testing.TB, pid int) (bytes int64) {
	tb.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		tb.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "\nVmHWM:")
	if _, err := fmt.Sscanf(after, "%d kB", &bytes); err != nil {
		tb.Fatalf("no peak memory in %s: %v", status, err)
	}
	return bytes << 10
}

// Buffer is a buffer that may be read while a program writes to it.
type Buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (b *Buffer) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(text)
}

// String returns what was written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// FreeAddress returns a loopback address on which nothing listens, for programs that
// do not report the port that they chose.
func FreeAddress(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}
