package image_test

import (
	"debug/elf"
	"encoding/json"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/deploy/e2e/livetest"
	"cckm_sync_exporter/deploy/e2e/platforms/testimage"
)

// maxImageBytes limits the size of the image, because every node pulls it.
const maxImageBytes = 24 << 20

// program is the path of the exporter in the image.
const program = "/bin/cckm_sync_exporter"

// images are the image and its variants.
type images struct{ *testimage.Storage }

// TestImage builds the image and runs it.
func TestImage(t *testing.T) {
	b := &images{testimage.New(t)}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	b.Build(root, "exporter:a")
	t.Run("same source, same bytes", func(t *testing.T) { b.rebuild(t, root) })
	// publish.sh builds for a platform that is not this machine's.
	b.Build(root, "exporter:arm64", "--platform=linux/arm64")
	t.Run("configuration", func(t *testing.T) { b.configuration(t) })
	container := b.Run("buildah", "from", "--pull-never", "exporter:a")
	files := b.Run("buildah", "mount", container)
	t.Run("files", func(t *testing.T) { checkFiles(t, files) })
	b.Run("buildah", "umount", container)
	t.Run("version", func(t *testing.T) {
		if got := b.Run("buildah", "run", container, "--", program, "--version"); !strings.Contains(got, "version 1.2.3 (branch: HEAD, revision: abc)") {
			t.Errorf("--version prints %q", got)
		}
	})
	t.Run("once", func(t *testing.T) { b.once(t, container) })
	t.Run("demo", func(t *testing.T) { b.demo(t, container) })
}

// rebuild builds a copy of the tree, whose files have other times.
func (b *images) rebuild(t *testing.T, root string) {
	t.Helper()
	tree := t.TempDir()
	livetest.Run(t, root, "cp", "--recursive", "--parents", "--target-directory="+tree, "cmd", "collector",
		"deploy/address", "deploy/docs", "deploy/documents.go", "deploy/image", "deploy/release", "deploy/runbooks", "go.mod", "go.sum", "LICENSE", "Dockerfile", ".dockerignore")
	b.Build(tree, "exporter:b")
	id := func(name string) string { return b.Run("buildah", "images", "--no-trunc", "--quiet", name) }
	if first, second := id("exporter:a"), id("exporter:b"); first == "" || first != second {
		t.Errorf("two builds of one source are %s and %s", first, second)
	}
}

// configuration checks the metadata that Docker and Kubernetes use.
func (b *images) configuration(t *testing.T) {
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
	inspected := strings.ReplaceAll(b.Run("buildah", "inspect", "--type", "image", "exporter:a"), "10458/tcp", "10458")
	if err := json.Unmarshal([]byte(inspected), &image); err != nil {
		t.Fatal(err)
	}
	got := image.OCIv1.Config
	const label = "org.opencontainers.image."
	want := settings{
		User: "65534:65534", ExposedPorts: map[string]any{"10458": map[string]any{}}, Entrypoint: []string{program},
		Labels: map[string]string{
			label + "title": "cckm_sync_exporter", label + "description": "Prometheus exporter for the synchronization jobs of CipherTrust Cloud Key Management",
			label + "authors": "The cckm_sync_exporter authors", label + "vendor": "The cckm_sync_exporter authors", label + "version": "1.2.3", label + "revision": "abc",
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
	if diff := gocmp.Diff([]string{"LICENSE", "THIRD_PARTY_NOTICES.txt", "bin/cckm_sync_exporter", "etc/ssl/certs/ca-certificates.crt"}, got); diff != "" {
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
func (b *images) once(t *testing.T, container string) {
	t.Helper()
	appliance := simulator.New(simulator.Options{})
	appliance.SetFixture("cckm/google/synchronization-jobs", simulator.GoogleKeysExample())
	appliance.SetFixture("cckm/azure/certificates/synchronization-jobs", simulator.AzureCertificatesExample())
	server := livetest.Serve(t, appliance)
	ca := livetest.WriteFile(t, "ca.pem", server.CAPEM)
	if err := os.Chmod(ca, 0o644); err != nil {
		t.Fatal(err)
	}
	metrics := "\n" + b.Run("buildah", "run", "--volume", ca+":/ca.pem:ro", "--env", "CM_ADDRESS="+server.URL,
		"--env", "CM_USERNAME="+simulator.DefaultUsername, "--env", "CM_PASSWORD="+simulator.DefaultPassword,
		container, "--", program, "once", "--ciphertrust.ca-file=/ca.pem") + "\n"
	for _, want := range []string{`cckm_sync_up{cloud="google",item="key"} 1`, `cckm_sync_up{cloud="azure",item="certificate"} 1`} {
		if !strings.Contains(metrics, "\n"+want+"\n") {
			t.Errorf("%q is missing in:\n%s", want, metrics)
		}
	}
}

// demo serves from within the image.
func (b *images) demo(t *testing.T, container string) {
	t.Helper()
	address := livetest.FreeAddress(t)
	livetest.Start(t, b.Env, "buildah", "run", container, "--", program, "demo", "--web.listen-address="+address)
	healthy := func() bool {
		status, _, ok := livetest.Get(t, "http://"+address+"/-/healthy")
		return ok && status == http.StatusOK
	}
	livetest.Eventually(t, time.Minute, "the image is healthy", healthy)
}
