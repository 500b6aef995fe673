package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"cckm_sync_exporter/collector/sandbox"
)

// beConfined makes the test's own binary try what a confined process may do, in its
// working directory. The tests themselves must not be confined.
const beConfined = "CCKM_TEST_BE_CONFINED"

// unsupported is what the process prints if the kernel has no Landlock.
const unsupported = "unsupported"

func TestMain(m *testing.M) {
	if os.Getenv(beConfined) != "" {
		attempt()
		return
	}
	m.Run()
}

// attempts are what a process tries in its working directory, with whether it
// succeeds once it is confined.
func attempts() []attemptCase {
	const file, link = "file", "link"
	return []attemptCase{
		{"read", true, func() error { _, err := os.ReadFile(file); return err }},
		{"read another file", true, func() error { _, err := os.ReadFile("/proc/stat"); return err }},
		{"list", true, func() error { _, err := os.ReadDir("."); return err }},
		{"write", false, func() error { return os.WriteFile(file, []byte("x"), 0o600) }},
		{"create", false, func() error { return os.WriteFile("new", nil, 0o600) }},
		{"create in the temporary directory", false, func() error {
			_, err := os.CreateTemp("", "confined")
			return err
		}},
		{"make a directory", false, func() error { return os.Mkdir("directory", 0o700) }},
		{"link", false, func() error { return os.Symlink(file, link) }},
		{"rename", false, func() error { return os.Rename(file, link) }},
		{"remove", false, func() error { return os.Remove(file) }},
		{"execute", false, func() error { return exec.CommandContext(context.Background(), "/bin/true").Run() }},
		{"execute itself", false, func() error { return exec.CommandContext(context.Background(), "/proc/self/exe", "-h").Run() }},
	}
}

type attemptCase struct {
	what    string
	allowed bool
	do      func() error
}

// attempt confines the process and prints what each attempt brought, on a thread
// that existed before.
func attempt() {
	enforced, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		<-enforced
		for _, a := range attempts() {
			say(a.what + ": " + outcome(a.do()))
		}
	}()
	ok, err := sandbox.Enforce()
	if err != nil || !ok {
		say(fmt.Sprint(unsupported, " ", err))
		return
	}
	close(enforced)
	<-done
}

// say prints a line for the test. If it cannot, the test notices.
func say(line string) { _, _ = fmt.Fprintln(os.Stdout, line) }

func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return "refused"
	default:
		return err.Error()
	}
}

// TestEnforce checks that a confined process can read every file, and can write and execute none.
func TestEnforce(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env, cmd.Dir = append(os.Environ(), beConfined+"=1"), dir
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("the confined process: %v\n%s", err, output)
	}
	got := string(output)
	if strings.TrimSpace(got) == unsupported+" <nil>" {
		t.Skip("the kernel has no Landlock")
	}
	for _, a := range attempts() {
		want := a.what + ": refused\n"
		if a.allowed {
			want = a.what + ": ok\n"
		}
		if !strings.Contains(got, want) {
			t.Errorf("want %q, got:\n%s", want, got)
		}
	}
	if content, err := os.ReadFile(filepath.Join(dir, "file")); err != nil || string(content) != "content" {
		t.Errorf("the file holds %q, %v", content, err)
	}
}
