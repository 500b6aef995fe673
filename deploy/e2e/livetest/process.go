package livetest

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a program that runs until the test ends it, or ends itself.
type Process struct {
	cmd   *exec.Cmd
	log   Buffer
	ended sync.Once
}

// Start starts a program with no environment but PATH and env. It gets SIGTERM
// when the test is over; what it wrote is shown where the test failed.
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

// End tells the program to end and waits until it has.
func (p *Process) End(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.wait()
}

// wait waits for the end. What a program that is told to end returns is not the
// tests' matter.
func (p *Process) wait() { p.ended.Do(func() { _ = p.cmd.Wait() }) }

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

// FreeAddress returns a loopback address where nobody listens, for programs that
// do not tell which port they chose.
func FreeAddress(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}
