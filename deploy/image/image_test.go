package image_test

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

// maxImageBytes limits the size of the image, because every node pulls it.
const maxImageBytes = 24 << 20

// The files of the image, besides the license.
const (
	program     = "/bin/cckm_sync_exporter"
	authorities = "/etc/ssl/certs/ca-certificates.crt"
)

// buildah runs the program with a storage of its own.
type buildah struct {
	t       *testing.T
	options []string
}

func newBuildah(t *testing.T) *buildah {
	t.Helper()
	path := livetest.Program(t, "buildah")
	dir := t.TempDir()
	b := &buildah{t: t, options: []string{path, "--storage-driver", "vfs", "--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run")}}
	// A mounted layer leaves files that t.TempDir cannot always remove.
	t.Cleanup(func() { _ = b.command("rm", "--all").Run() })
	return b
}

func (b *buildah) command(args ...string) *exec.Cmd {
	args = slices.Concat(b.options, args)
	cmd := exec.CommandContext(context.WithoutCancel(b.t.Context()), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "BUILDAH_ISOLATION=chroot")
	return cmd
}

// run runs a command of buildah and returns its output without the last newline.
func (b *buildah) run(args ...string) string {
	b.t.Helper()
	return b.output(b.command(args...))
}

func (b *buildah) output(cmd *exec.Cmd) string {
	b.t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		b.t.Fatalf("%s: %v\n%s%s", cmd, err, output, stderr.Bytes())
	}
	return strings.TrimSpace(string(output))
}

// standIn makes an image that replaces Go's image in the Dockerfile, because tests do
// not use a registry. It has a shell and the system's CAs; Go itself is mounted.
func (b *buildah) standIn(name string) {
	b.t.Helper()
	container := b.run("from", "scratch")
	root := b.run("mount", container)
	for _, dir := range []string{"bin", "tmp", "usr/local/go", "go/pkg/mod", "cache"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			b.t.Fatal(err)
		}
	}
	b.copyTo(root+"/bin", "/", "--dereference", livetest.Program(b.t, "busybox"))
	if err := os.Symlink("busybox", filepath.Join(root, "bin", "sh")); err != nil {
		b.t.Fatal(err)
	}
	b.copyTo(root, "/", "--dereference", "--parents", authorities)
	b.run("umount", container)
	b.run("config", "--env", "PATH=/usr/local/go/bin:/bin", "--env", "GOPATH=/go", "--env", "GOPROXY=off", "--env", "GOCACHE=/cache", container)
	b.run("commit", "--rm", container, name)
}

// copyTo copies files with GNU cp, which gives them the current time.
func (b *buildah) copyTo(dir, from string, options ...string) {
	b.t.Helper()
	cmd := exec.CommandContext(b.t.Context(), "cp", append(options, "--target-directory="+dir)...)
	cmd.Dir = from
	b.output(cmd)
}

// build builds the image of a source tree with the users' script and options of it.
func (b *buildah) build(source, name string, options ...string) {
	b.t.Helper()
	_, version, _ := strings.Cut(livetest.ReadFile(b.t, source, "Dockerfile"), "ARG GO_VERSION=")
	version, _, _ = strings.Cut(version, "\n")
	if b.run("images", "--quiet", "--filter", "reference=localhost/golang:"+version) == "" {
		b.standIn("localhost/golang:" + version)
	}
	cmd := exec.CommandContext(b.t.Context(), filepath.Join(source, "deploy", "image", "build.sh"), slices.Concat([]string{name, "--pull=never"}, options)...)
	for name, mount := range map[string]string{"GOROOT": "/usr/local/go:ro", "GOMODCACHE": "/go/pkg/mod:ro", "GOCACHE": "/cache"} {
		cmd.Args = append(cmd.Args, "--volume", strings.TrimSpace(livetest.Run(b.t, "", "go", "env", name))+":"+mount)
	}
	cmd.Env = append(os.Environ(), "BUILDAH="+strings.Join(b.options, " "), "BUILDAH_ISOLATION=chroot",
		"VERSION=1.2.3", "REVISION=abc", "SOURCE_DATE_EPOCH=1700000000")
	b.output(cmd)
}

// TestImage builds the image and runs it.
func TestImage(t *testing.T) {
	b := newBuildah(t)
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	b.build(root, "exporter:a")
	t.Run("same source, same bytes", func(t *testing.T) { b.rebuild(t, root) })
	// publish.sh builds for a platform that is not this machine's.
	b.build(root, "exporter:arm64", "--platform=linux/arm64")
	t.Run("configuration", func(t *testing.T) { b.configuration(t) })
	container := b.run("from", "--pull-never", "exporter:a")
	files := b.run("mount", container)
	t.Run("files", func(t *testing.T) { checkFiles(t, files) })
	b.run("umount", container)
	t.Run("version", func(t *testing.T) {
		if got := b.run("run", container, "--", program, "--version"); !strings.Contains(got, "version 1.2.3 (branch: , revision: abc)") {
			t.Errorf("--version prints %q", got)
		}
	})
	t.Run("once", func(t *testing.T) { b.once(t, container) })
	t.Run("demo", func(t *testing.T) { b.demo(t, container) })
}

// rebuild builds a copy of the tree, whose files have other times.
func (b *buildah) rebuild(t *testing.T, root string) {
	t.Helper()
	tree := t.TempDir()
	b.copyTo(tree, root, "--recursive", "--parents", "cmd", "collector", "deploy/image", "go.mod", "go.sum", "LICENSE", "Dockerfile", ".dockerignore")
	b.build(tree, "exporter:b")
	id := func(name string) string { return b.run("images", "--no-trunc", "--quiet", name) }
	if first, second := id("exporter:a"), id("exporter:b"); first == "" || first != second {
		t.Errorf("two builds of one source are %s and %s", first, second)
	}
}

// configuration checks the metadata that Docker and Kubernetes use.
func (b *buildah) configuration(t *testing.T) {
	t.Helper()
	type settings struct {
		User         string            `json:"User"`
		ExposedPorts map[string]any    `json:"ExposedPorts"`
		Entrypoint   []string          `json:"Entrypoint"`
		Labels       map[string]string `json:"Labels"`
	}
	var image struct {
		OCIv1 struct {
			Config settings `json:"config"`
		} `json:"OCIv1"`
	}
	// Not all versions of buildah add the protocol to a port.
	inspected := strings.ReplaceAll(b.run("inspect", "--type", "image", "exporter:a"), "10458/tcp", "10458")
	if err := json.Unmarshal([]byte(inspected), &image); err != nil {
		t.Fatal(err)
	}
	got := image.OCIv1.Config
	const label = "org.opencontainers.image."
	want := settings{
		User: "65534:65534", ExposedPorts: map[string]any{"10458": map[string]any{}}, Entrypoint: []string{program},
		Labels: map[string]string{
			label + "title": "cckm_sync_exporter", label + "version": "1.2.3", label + "revision": "abc",
			label + "licenses": "Apache-2.0", label + "created": "2023-11-14T22:13:20Z",
		},
	}
	maps.DeleteFunc(got.Labels, func(name, _ string) bool { return want.Labels[name] == "" })
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

// checkFiles checks that the image has only the necessary files, that they are
// read-only, and that the binary is static.
func checkFiles(t *testing.T, root string) {
	t.Helper()
	var got []string
	var size int64
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o022 != 0 {
			t.Errorf("%s is writable: %s", path, info.Mode())
		}
		size += info.Size()
		got = append(got, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff([]string{"LICENSE", "bin/cckm_sync_exporter", "etc/ssl/certs/ca-certificates.crt"}, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if size > maxImageBytes {
		t.Errorf("the image has %d bytes, more than %d", size, maxImageBytes)
	}
	binary, err := elf.Open(root + program)
	if err != nil {
		t.Fatal(err)
	}
	if err := binary.Close(); err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(binary.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		t.Error("the binary is not static")
	}
}

// once reads a simulated appliance from within the image.
func (b *buildah) once(t *testing.T, container string) {
	t.Helper()
	appliance := simulator.New(simulator.Options{})
	appliance.SetFixture("cckm/google/synchronization-jobs", simulator.GoogleKeysExample())
	appliance.SetFixture("cckm/azure/certificates/synchronization-jobs", simulator.AzureCertificatesExample())
	server := livetest.Serve(t, appliance)
	ca := livetest.WriteFile(t, "ca.pem", server.CAPEM)
	if err := os.Chmod(ca, 0o644); err != nil {
		t.Fatal(err)
	}
	metrics := "\n" + b.run("run", "--volume", ca+":/ca.pem:ro", "--env", "CM_ADDRESS="+server.URL,
		"--env", "CM_USERNAME="+simulator.DefaultUsername, "--env", "CM_PASSWORD="+simulator.DefaultPassword,
		container, "--", program, "once", "--ciphertrust.ca-file=/ca.pem") + "\n"
	for _, want := range []string{`cckm_sync_up{cloud="google",item="key"} 1`, `cckm_sync_up{cloud="azure",item="certificate"} 1`} {
		if !strings.Contains(metrics, "\n"+want+"\n") {
			t.Errorf("%q is missing in:\n%s", want, metrics)
		}
	}
}

// demo serves from within the image.
func (b *buildah) demo(t *testing.T, container string) {
	t.Helper()
	address := livetest.FreeAddress(t)
	args := slices.Concat(b.options[1:], []string{"run", "--isolation=chroot", container, "--", program, "demo", "--web.listen-address=" + address})
	livetest.Start(t, nil, b.options[0], args...)
	healthy := func() bool {
		status, _, ok := livetest.Get(t, "http://"+address+"/-/healthy")
		return ok && status == http.StatusOK
	}
	livetest.Eventually(t, time.Minute, "the image is healthy", healthy)
}
