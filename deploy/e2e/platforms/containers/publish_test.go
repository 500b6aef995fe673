package containers_test

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/bcrypt"

	"cckm_sync_exporter/deploy/e2e/livetest"
	"cckm_sync_exporter/deploy/e2e/platforms/testimage"
	"cckm_sync_exporter/deploy/e2e/testclone"
)

const (
	version        = "1.2.3"
	repository     = "https://git.example.com/owner/name"
	user, password = "robot", "registry-password"
)

// registry is a registry that wants TLS and a login.
type registry struct {
	address string
	client  *http.Client
	// env makes programs trust the registry.
	env []string
}

func startRegistry(t *testing.T) registry {
	t.Helper()
	program := livetest.Program(t, "docker-registry")
	// Its certificate is for 127.0.0.1, and a CA.
	issuer := httptest.NewTLSServer(nil)
	defer issuer.Close()
	pair := issuer.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	certFile := livetest.WriteFile(t, "registry.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}))
	r := registry{address: livetest.FreeAddress(t), client: issuer.Client(), env: []string{"SSL_CERT_FILE=" + certFile}}
	config := fmt.Sprintf(`version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: %q}}
auth: {htpasswd: {realm: test, path: %q}}
http: {addr: %q, tls: {certificate: %q, key: %q}}
`, t.TempDir(), livetest.WriteFile(t, "htpasswd", []byte(user+":"+string(hash)+"\n")), r.address, certFile,
		livetest.WriteFile(t, "registry.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	livetest.Start(t, nil, program, "serve", livetest.WriteFile(t, "config.yml", []byte(config)))
	livetest.Eventually(t, patience, "the registry responds", func() bool {
		resp, err := r.get(t, "")
		if err != nil {
			return false
		}
		return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
	})
	return r
}

// get requests a path below /v2/.
func (r registry) get(t *testing.T, path string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+r.address+"/v2/"+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(user, password)
	req.Header.Set("Accept", "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json")
	return r.client.Do(req)
}

// decode decodes the JSON of a path into value.
func (r registry) decode(t *testing.T, path string, value any) {
	t.Helper()
	resp, err := r.get(t, path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(value); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", path, resp.Status, err)
	}
}

// publisher runs the publishing scripts of a clone that has a release.
type publisher struct {
	clone    testclone.Clone
	registry registry
	dir      string
}

// publish runs a script, and returns its output and the calls of cosign and gh, which
// would contact other services.
func (p *publisher) publish(t *testing.T, script string, env ...string) (output string, calls []string) {
	t.Helper()
	const record = "#!/bin/sh\necho \"${0##*/} $*\" >>\"$CALLS\"\n"
	for name, content := range map[string]string{"cosign": record + "[ \"$1\" != sign-blob ] || : >\"$4\"\n", "gh": record, "calls": ""} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(p.clone.Dir, script))
	cmd.Env = slices.Concat(os.Environ(), p.registry.env, []string{
		"PATH=" + p.dir + ":" + os.Getenv("PATH"), "CALLS=" + filepath.Join(p.dir, "calls"), "DOCKER_CONFIG=" + p.dir, "GITHUB_OUTPUT=/dev/stdout",
		"TAG=v" + version, "REGISTRY_USER=" + user, "REGISTRY_PASSWORD=" + password,
	}, env)
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, text)
	}
	return string(text), strings.Split(strings.TrimSpace(livetest.ReadFile(t, p.dir, "calls")), "\n")
}

// TestPublish makes a release, publishes its image and its chart to a registry, and pulls them.
func TestPublish(t *testing.T) {
	livetest.Root(t)
	for _, tool := range []string{"buildah", "git", "helm", "jq", "nfpm", "cyclonedx-gomod"} {
		livetest.Program(t, tool)
	}
	p := &publisher{clone: testclone.New(t), dir: t.TempDir(), registry: startRegistry(t)}
	p.clone.Write(t, "deploy/address/published.env", fmt.Sprintf("REPOSITORY=%s\nIMAGE=%s/owner/name\nCHARTS=%[2]s/owner/charts\nMAINTAINER=\n", repository, p.registry.address))
	p.clone.Tag(t, "v"+version, version+" / 2026-11-22")
	p.clone.MustRelease(t, []string{"PLATFORMS=linux/amd64 linux/arm/v7"})
	t.Run("image", p.image)
	t.Run("chart", p.chart)
}

// image publishes the image twice, as two machines would.
func (p *publisher) image(t *testing.T) {
	digests := map[string]bool{}
	var calls []string
	for range 2 {
		storage := testimage.New(t)
		// The script builds from a registry, which is not here.
		buildah := "#!/bin/sh\n[ \"$1\" != build ] || { shift; set -- build " + strings.Join(storage.Offline(p.clone.Dir), " ") + " \"$@\"; }\nexec buildah \"$@\"\n"
		wrapper := livetest.WriteFile(t, "buildah", []byte(buildah))
		if err := os.Chmod(wrapper, 0o700); err != nil {
			t.Fatal(err)
		}
		var output string
		output, calls = p.publish(t, "deploy/image/publish.sh", append(storage.Env, "BUILDAH="+wrapper, "PLATFORMS=linux/amd64 linux/arm/v7")...)
		_, digest, _ := strings.Cut(output, "\ndigest=")
		digests[strings.TrimSpace(digest)] = true
	}
	if len(digests) != 1 {
		t.Fatalf("two publications have the digests %v", digests)
	}
	type descriptor struct {
		Digest   string
		Platform struct{ OS, Architecture, Variant string }
	}
	var index struct{ Manifests []descriptor }
	p.registry.decode(t, "owner/name/manifests/"+version, &index)
	name := p.registry.address + "/owner/name@"
	want, platforms := make([]string, 0, 3), make([]string, 0, 2)
	for digest := range digests {
		want = append(want, "cosign sign --yes "+name+digest)
	}
	for _, d := range index.Manifests {
		platform := d.Platform.OS + "-" + d.Platform.Architecture + d.Platform.Variant
		platforms = append(platforms, platform)
		sbom := "dist/cckm_sync_exporter-" + version + "." + platform + ".cdx.json"
		want = append(want, "cosign attest --yes --type cyclonedx --predicate "+sbom+" "+name+d.Digest)
		t.Run(platform, func(t *testing.T) { p.platform(t, d.Digest, sbom) })
	}
	if diff := cmp.Diff([]string{"linux-amd64", "linux-armv7"}, platforms); diff != "" {
		t.Errorf("platforms (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// platform checks the labels of a platform's image, and that the SBOM that was attached to it describes its program.
func (p *publisher) platform(t *testing.T, digest, sbom string) {
	t.Helper()
	var manifest struct {
		Config struct{ Digest string }
		Layers []struct{ Digest string }
	}
	p.registry.decode(t, "owner/name/manifests/"+digest, &manifest)
	var config struct {
		Config struct{ Labels map[string]string }
	}
	p.registry.decode(t, "owner/name/blobs/"+manifest.Config.Digest, &config)
	for label, want := range map[string]string{
		"version": version, "revision": p.clone.Git(t, "rev-parse", "HEAD"), "created": "2026-11-22T12:34:56Z", "licenses": "Apache-2.0",
		"source": repository, "url": repository, "documentation": repository,
	} {
		if got := config.Config.Labels["org.opencontainers.image."+label]; got != want {
			t.Errorf("the label %s is %q, want %q", label, got, want)
		}
	}
	if len(manifest.Layers) != 1 {
		t.Fatalf("the image has %d layers", len(manifest.Layers))
	}
	if hash := p.hashOf(t, program, manifest.Layers[0].Digest); !strings.Contains(livetest.ReadFile(t, p.clone.Dir, sbom), `"`+hash+`"`) {
		t.Errorf("the program has the hash %s, which %s does not have", hash, sbom)
	}
}

// hashOf returns the SHA-256 of a file in a layer.
func (p *publisher) hashOf(t *testing.T, path, layer string) string {
	t.Helper()
	resp, err := p.registry.get(t, "owner/name/blobs/"+layer)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	content, err := gzip.NewReader(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for files := tar.NewReader(content); ; {
		file, err := files.Next()
		if err != nil {
			t.Fatalf("looking for %s: %v", path, err)
		}
		if "/"+file.Name == path {
			sum := sha256.New()
			if _, err := io.Copy(sum, files); err != nil { //nolint:gosec // The image is our own.
				t.Fatal(err)
			}
			return hex.EncodeToString(sum.Sum(nil))
		}
	}
}

// chart publishes the chart, and renders what Helm pulls.
func (p *publisher) chart(t *testing.T) {
	_, calls := p.publish(t, "deploy/release/publish.sh")
	chart := p.registry.address + "/owner/charts/cckm-sync-exporter"
	if !slices.ContainsFunc(calls, func(call string) bool { return strings.HasPrefix(call, "cosign sign --yes "+chart+"@sha256:") }) {
		t.Errorf("the chart is not signed: %q", calls)
	}
	cmd := exec.CommandContext(t.Context(), livetest.Program(t, "helm"), "template", "release", "oci://"+chart, "--version="+version,
		"--set=image.registry=registry.example.com,ciphertrust.url=https://cm.example.com,ciphertrust.username=prometheus,ciphertrust.existingSecret=secret")
	cmd.Env = slices.Concat(os.Environ(), p.registry.env, []string{"HELM_REGISTRY_CONFIG=" + filepath.Join(p.dir, "config.json")})
	rendered, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(rendered), "/cckm_sync_exporter:"+version+"\"\n") {
		t.Errorf("%v\n%s", err, rendered)
	}
}
