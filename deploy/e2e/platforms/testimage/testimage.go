// Package testimage builds the container image as its users do but without a registry,
// in a storage of the test's own, where buildah and podman find it.
package testimage

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// The Dockerfile copies the certificates from Go's image.
const authorities = "/etc/ssl/certs/ca-certificates.crt"

// Storage has images and containers that exist until the end of a test.
type Storage struct {
	t *testing.T

	// Env makes buildah and podman use the storage.
	Env []string
}

// New returns an empty storage. It needs buildah as livetest.Program does.
func New(t *testing.T) *Storage {
	t.Helper()
	livetest.Program(t, "buildah")
	dir := t.TempDir()
	storage := fmt.Sprintf("[storage]\ndriver = \"vfs\"\ngraphroot = %q\nrunroot = %q\n", filepath.Join(dir, "root"), filepath.Join(dir, "run"))
	// Of the runtimes, runc also accepts a machine with both versions of cgroups. Limits
	// that are higher than the test's own need CAP_SYS_RESOURCE.
	const engine = `[containers]
default_ulimits = ["nofile=4096:4096", "nproc=1000:1000"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "runc"
`
	s := &Storage{t: t, Env: []string{
		"CONTAINERS_STORAGE_CONF=" + livetest.WriteFile(t, "storage.conf", []byte(storage)),
		"CONTAINERS_CONF=" + livetest.WriteFile(t, "containers.conf", []byte(engine)),
		"BUILDAH_ISOLATION=chroot",
	}}
	// A mounted layer leaves files that t.TempDir cannot always remove.
	t.Cleanup(func() { _ = s.Command("buildah", "rm", "--all").Run() })
	return s
}

// Command returns a command that uses the storage, also after the test.
func (s *Storage) Command(name string, args ...string) *exec.Cmd {
	//nolint:gosec // Tests name the programs.
	cmd := exec.CommandContext(context.WithoutCancel(s.t.Context()), name, args...)
	cmd.Env = append(os.Environ(), s.Env...)
	return cmd
}

// Run runs a command that uses the storage and returns its standard output without the
// last newline. A failure ends the test.
func (s *Storage) Run(name string, args ...string) string {
	s.t.Helper()
	return s.output(s.Command(name, args...))
}

func (s *Storage) output(cmd *exec.Cmd) string {
	s.t.Helper()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("%s: %v\n%s%s", cmd, err, output, stderr.String())
	}
	return strings.TrimSpace(string(output))
}

// Build builds the image of a source tree with the users' script and options of it.
func (s *Storage) Build(source, name string, options ...string) {
	s.t.Helper()
	cmd := s.Command(filepath.Join(source, "deploy", "image", "build.sh"), slices.Concat([]string{name}, s.Offline(source), options)...)
	cmd.Env = append(cmd.Env, "VERSION=1.2.3", "REVISION=abc", "SOURCE_DATE_EPOCH=1700000000")
	s.output(cmd)
}

// Offline returns the options with which buildah builds the image of a source tree without a registry.
func (s *Storage) Offline(source string) []string {
	s.t.Helper()
	_, version, _ := strings.Cut(livetest.ReadFile(s.t, source, "Dockerfile"), "ARG GO_VERSION=")
	version, _, _ = strings.Cut(version, "\n")
	if s.Run("buildah", "images", "--quiet", "--filter", "reference=localhost/golang:"+version) == "" {
		s.standIn("localhost/golang:" + version)
	}
	options := make([]string, 0, 7)
	options = append(options, "--pull=never")
	for _, mount := range [][2]string{{"GOROOT", "/usr/local/go:ro"}, {"GOMODCACHE", "/go/pkg/mod:ro"}, {"GOCACHE", "/cache"}} {
		options = append(options, "--volume", strings.TrimSpace(livetest.Run(s.t, "", "go", "env", mount[0]))+":"+mount[1])
	}
	return options
}

// standIn makes an image that replaces Go's image in the Dockerfile. It has a shell and
// the system's CAs; Go itself is mounted.
func (s *Storage) standIn(name string) {
	s.t.Helper()
	container := s.Run("buildah", "from", "scratch")
	root := s.Run("buildah", "mount", container)
	for _, dir := range []string{"bin", "tmp", "usr/local/go", "go/pkg/mod", "cache"} {
		//nolint:gosec // As in Go's image.
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			s.t.Fatal(err)
		}
	}
	s.Run("cp", "--dereference", livetest.Program(s.t, "busybox"), root+"/bin/busybox")
	if err := os.Symlink("busybox", filepath.Join(root, "bin", "sh")); err != nil {
		s.t.Fatal(err)
	}
	s.Run("cp", "--dereference", "--parents", authorities, root)
	s.Run("buildah", "umount", container)
	s.Run("buildah", "config", "--env", "PATH=/usr/local/go/bin:/bin", "--env", "GOPATH=/go", "--env", "GOPROXY=off", "--env", "GOCACHE=/cache", container)
	s.Run("buildah", "commit", "--rm", container, name)
}
