package release_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// What a registry has after an image was pushed: the digest of the index, and of each platform's image in it.
const (
	digest  = "sha256:6056db745a6b2fede183b234f5512cde5d5ed26f705b55a98b838c2b89813139"
	ofAMD64 = "sha256:be560bf04b570be5c03b2e105acd59f78ebfae17a211d1056d8996f1aa5cba07"
	ofARM   = "sha256:f16fc7b38a9c94eb176d4b392ffba4cfb8e79b1e70fb5a2484c4328203dd1abb"
	index   = `{"manifests": [
  {"digest": "` + ofARM + `", "platform": {"os": "linux", "architecture": "arm", "variant": "v7"}},
  {"digest": "` + ofAMD64 + `", "platform": {"os": "linux", "architecture": "amd64"}}
]}`
)

// registry returns the environment of a registry that answers with digest.
func registry(env ...string) []string {
	return append([]string{"REGISTRY_USER=robot", "REGISTRY_PASSWORD=token", "DIGEST=" + digest}, env...)
}

// publish runs a publishing script in a directory with a small release. Programs
// that would contact a registry or GitHub are replaced by ones that record their
// arguments, which it returns.
func publish(t *testing.T, script string, replaced map[string]string, env ...string) (output, calls string, err error) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(script, livetest.ReadFile(t, "../../", script))
	write("CHANGELOG.md", "## 1.2.3 / 2026-11-22\n\n* [FEATURE] New.\n\n## 1.2.2 / 2026-11-01\n\n* [BUGFIX] Old.\n")
	write("dist/cckm_sync_exporter-1.2.3.linux-amd64.tar.gz", "program")
	write("dist/cckm_sync_exporter-1.3.0-rc.0.linux-amd64.tar.gz", "candidate")
	write("dist/sha256sums.txt", livetest.Run(t, filepath.Join(dir, "dist"), "sh", "-c", "sha256sum -- *.gz"))
	const record = "#!/bin/sh\necho \"${0##*/} $*\" >>\"$CALLS\"\n"
	write("programs/cosign", record+`[ "$1" = sign ] || printf bundle >"$4"`)
	write("programs/helm", record+`case $1 in registry) cat >>"$CALLS" ;; push) printf 'Pushed: x\nDigest: %s\n' "$DIGEST" >&2 ;; esac`)
	write("programs/gh", record+`while [ $# -gt 0 ]; do [ "$1" != --notes-file ] || cat "$2" >>"$CALLS"; shift; done`)
	write("programs/buildah", record+`[ "$1" != login ] || cat >>"$CALLS"
[ "$1 $2" != "manifest push" ] || printf '%s' "$DIGEST" >"$5"
[ "$1 $2" != "manifest inspect" ] || echo '`+index+"'")
	write("deploy/address/published.env", "IMAGE='registry.example.com/owner/published'\nCHARTS='registry.example.com/owner/charts'\n")
	write("deploy/image/build.sh", "#!/bin/sh\necho \"build.sh $VERSION $*\" >>\"$CALLS\"\n")
	for name, content := range replaced {
		write(name, content)
	}
	callsFile := filepath.Join(dir, "calls")
	cmd := exec.CommandContext(t.Context(), livetest.Program(t, "bash"), script)
	cmd.Dir = dir
	cmd.Env = slices.Concat([]string{"PATH=" + filepath.Join(dir, "programs") + ":" + os.Getenv("PATH"), "HOME=" + dir, "CALLS=" + callsFile}, env)
	written, err := cmd.CombinedOutput()
	recorded, _ := os.ReadFile(callsFile)
	return string(written), regexp.MustCompile(`/tmp/tmp\.\w+`).ReplaceAllString(string(recorded), "TEMPORARY"), err
}

// TestPublishRelease checks what is signed and published, and in which order.
func TestPublishRelease(t *testing.T) {
	for tag, kind := range map[string]string{"v1.2.3": "", "v1.3.0-rc.0": "--prerelease "} {
		output, calls, err := publish(t, "deploy/release/publish.sh", nil, registry("TAG="+tag)...)
		want := "cosign sign-blob --yes --bundle dist/sha256sums.txt.sigstore.json dist/sha256sums.txt\n" +
			"helm registry login --username robot --password-stdin registry.example.com\ntoken\n" +
			"helm push dist/cckm-sync-exporter-" + tag[1:] + ".tgz oci://registry.example.com/owner/charts\n" +
			"cosign sign --yes registry.example.com/owner/charts/cckm-sync-exporter@" + digest + "\n" +
			"gh release create " + tag + " --verify-tag --title " + tag + " --notes-file TEMPORARY " + kind +
			"dist/cckm_sync_exporter-1.2.3.linux-amd64.tar.gz dist/cckm_sync_exporter-1.3.0-rc.0.linux-amd64.tar.gz " +
			"dist/sha256sums.txt dist/sha256sums.txt.sigstore.json\n\n* [FEATURE] New.\n\n"
		if diff := cmp.Diff(want, calls); diff != "" || err != nil || output != "chart=registry.example.com/owner/charts/cckm-sync-exporter\ndigest="+digest+"\n" {
			t.Errorf("%s: %v\n%s(-want +got):\n%s", tag, err, output, diff)
		}
	}
}

// TestPublishNothing checks that nothing but the tag's release is signed.
func TestPublishNothing(t *testing.T) {
	for _, test := range []struct{ tag, why, replaced, content string }{
		{tag: "", why: "TAG: is not set"},
		{tag: "v1.2", why: "not of the form"},
		{tag: "v1.2.4", why: "is not the release v1.2.4"},
		{"v1.2.3", "not what release.sh made", "dist/cckm_sync_exporter-1.2.3.linux-amd64.tar.gz", "another program"},
		{"v1.2.3", "has no entries for v1.2.3", "CHANGELOG.md", "## 1.2.3 / 2026-11-22\n\n## 1.2.2 / 2026-11-01\n\n* Old.\n"},
	} {
		replaced := map[string]string{}
		if test.replaced != "" {
			replaced[test.replaced] = test.content
		}
		output, calls, err := publish(t, "deploy/release/publish.sh", replaced, registry("TAG="+test.tag)...)
		if err == nil || calls != "" || !strings.Contains(output, test.why) {
			t.Errorf("%s: %v, programs run: %q\n%s", test.why, err, calls, output)
		}
	}
}

// TestPublishImage checks that the pushed digest is what is signed, and that the
// password is on no command line.
func TestPublishImage(t *testing.T) {
	const script = "deploy/image/publish.sh"
	env := registry("IMAGE=registry.example.com/owner/name", "TAG=v1.2.3", "PLATFORMS=linux/amd64 linux/arm/v7")
	sboms := map[string]string{"dist/cckm_sync_exporter-1.2.3.linux-amd64.cdx.json": "{}", "dist/cckm_sync_exporter-1.2.3.linux-armv7.cdx.json": "{}"}
	output, calls, err := publish(t, script, sboms, env...)
	want := `buildah login --username robot --password-stdin registry.example.com
token
buildah manifest create localhost/cckm_sync_exporter:1.2.3
build.sh 1.2.3 localhost/cckm_sync_exporter:1.2.3-linux-amd64 --platform linux/amd64
buildah manifest add localhost/cckm_sync_exporter:1.2.3 containers-storage:localhost/cckm_sync_exporter:1.2.3-linux-amd64
build.sh 1.2.3 localhost/cckm_sync_exporter:1.2.3-linux-arm-v7 --platform linux/arm/v7
buildah manifest add --variant=v7 localhost/cckm_sync_exporter:1.2.3 containers-storage:localhost/cckm_sync_exporter:1.2.3-linux-arm-v7
buildah manifest push --all --digestfile TEMPORARY localhost/cckm_sync_exporter:1.2.3 docker://registry.example.com/owner/name:1.2.3
cosign sign --yes registry.example.com/owner/name@` + digest + `
buildah manifest inspect registry.example.com/owner/name@` + digest + `
cosign attest --yes --type cyclonedx --predicate dist/cckm_sync_exporter-1.2.3.linux-amd64.cdx.json registry.example.com/owner/name@` + ofAMD64 + `
cosign attest --yes --type cyclonedx --predicate dist/cckm_sync_exporter-1.2.3.linux-armv7.cdx.json registry.example.com/owner/name@` + ofARM + "\n"
	if diff := cmp.Diff(want, calls); diff != "" || err != nil || output != "image=registry.example.com/owner/name\ndigest="+digest+"\n" {
		t.Errorf("%v\n%s(-want +got):\n%s", err, output, diff)
	}
	// An image of a program without an SBOM is not published.
	output, calls, err = publish(t, script, sboms, append(env, "PLATFORMS=linux/amd64 linux/386")...)
	if err == nil || calls != "" || !strings.Contains(output, "dist/cckm_sync_exporter-1.2.3.linux-386.cdx.json is missing") {
		t.Errorf("without an SBOM: %v\n%s\n%s", err, output, calls)
	}
	for _, script := range []string{script, "deploy/release/publish.sh"} {
		output, calls, err = publish(t, script, sboms, append(env, "DIGEST=")...)
		if err == nil || strings.Contains(calls, "cosign sign ") || strings.Contains(calls, "gh ") {
			t.Errorf("%s, no digest: %v\n%s\n%s", script, err, output, calls)
		}
	}
}
