// Package containers_test runs the image by podman and publishes it to a registry, on this machine alone.
package containers_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"cckm_sync_exporter/deploy/e2e/livetest"
	"cckm_sync_exporter/deploy/e2e/platforms/testimage"
)

const (
	image   = "localhost/exporter:test"
	program = "/bin/cckm_sync_exporter"
	// patience is how long a container may take to start on a busy machine.
	patience = time.Minute
)

// hardened are the options of a container that may do nothing but listen on its own loopback address.
func hardened() []string {
	return []string{"--network=none", "--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL", "--security-opt=no-new-privileges"}
}

// engine runs containers of the images in a storage.
type engine struct{ *testimage.Storage }

func newEngine(t *testing.T) engine {
	t.Helper()
	livetest.Root(t)
	for _, tool := range []string{"podman", "runc", "nsenter", "curl"} {
		livetest.Program(t, tool)
	}
	e := engine{testimage.New(t)}
	t.Cleanup(func() { _ = e.Command("podman", "rm", "--all", "--force", "--time=0").Run() })
	return e
}

// run runs a hardened container to its end, and returns its output and exit code.
func (e engine) run(t *testing.T, options []string, args ...string) (output string, code int) {
	t.Helper()
	command := append(append(append([]string{"run", "--rm"}, hardened()...), options...), image)
	text, err := e.Command("podman", append(command, args...)...).CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(text), exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return string(text), 0
}

// TestImage runs the image hardened.
func TestImage(t *testing.T) {
	e := newEngine(t)
	top, err := filepath.Abs("../../../..")
	if err != nil {
		t.Fatal(err)
	}
	e.Build(top, image)
	t.Logf("%s with %s", e.Run("podman", "--version"), strings.Split(e.Run("runc", "--version"), "\n")[0])
	for user, uids := range map[string]string{"65534:65534": "65534", "1000660000:0": "1000660000"} {
		t.Run("user "+user, func(t *testing.T) { e.lifecycle(t, user, uids) })
	}
	t.Run("commands", func(t *testing.T) { e.commands(t) })
}

// lifecycle starts the demo, checks what the kernel lets it do, scrapes it, and stops it.
func (e engine) lifecycle(t *testing.T, user, uid string) {
	t.Helper()
	options := append(hardened(), "--user="+user, "--health-interval=disable", `--health-cmd=["`+program+`", "healthy"]`)
	id := e.Run("podman", append(append([]string{"run", "--detach"}, options...), image, "demo")...)
	healthy := func() bool { return e.Command("podman", "healthcheck", "run", id).Run() == nil }
	livetest.Eventually(t, patience, "the container is healthy", healthy)
	pid := e.Run("podman", "inspect", "--format={{.State.Pid}}", id)
	status := livetest.ReadFile(t, "/proc", pid, "status")
	for _, want := range []string{"Uid:\t" + uid + "\t" + uid, "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(status, "\n"+want) {
			t.Errorf("the process lacks %q:\n%s", want, status)
		}
	}
	// Root of the host is not stopped by the modes of files.
	for _, dir := range []string{"", "/bin", "/etc", "/tmp"} {
		if err := os.WriteFile("/proc/"+pid+"/root"+dir+"/file", nil, 0o600); !errors.Is(err, syscall.EROFS) && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s can be written to: %v", dir, err)
		}
	}
	metrics := "\n" + livetest.Run(t, "", "nsenter", "--target="+pid, "--net", "curl", "--silent", "--show-error", "--fail", "http://localhost:10458/metrics")
	for _, want := range []string{`cckm_sync_up{cloud="google",item="key"} 1`, `cckm_sync_up{cloud="azure",item="certificate"} 1`} {
		if !strings.Contains(metrics, "\n"+want+"\n") {
			t.Errorf("%q is missing in:\n%s", want, metrics)
		}
	}
	// SIGTERM, and SIGKILL five seconds later, which is the exit code 137.
	e.Run("podman", "stop", "--time=5", id)
	if code := e.Run("podman", "inspect", "--format={{.State.ExitCode}}", id); code != "0" {
		t.Errorf("the container ended with %s:\n%s", code, e.Run("podman", "logs", id))
	}
}

// commands runs the image with other commands than the demo.
func (e engine) commands(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"targets.yml": "targets:\n- {name: eu, url: \"https://cm.example.com\", username: prometheus, password_file: /etc/cckm/password}\n",
		"password":    "secret\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		options, args []string
		code          int
		want          string
	}{
		"no settings":      {nil, nil, 1, "--ciphertrust.url is missing"},
		"check of a file":  {[]string{"--volume=" + dir + ":/etc/cckm:ro"}, []string{"check", "--offline", "--config.file=/etc/cckm/targets.yml"}, 0, "1 target"},
		"no exporter runs": {nil, []string{"healthy"}, 1, "does not respond"},
		"no shell":         {[]string{"--entrypoint=/bin/sh"}, []string{"-c", "id"}, 127, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if output, code := e.run(t, test.options, test.args...); code != test.code || !strings.Contains(output, test.want) {
				t.Errorf("code %d, want %d and %q:\n%s", code, test.code, test.want, output)
			}
		})
	}
}
