package workflows_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

const digest = "sha256:6056db745a6b2fede183b234f5512cde5d5ed26f705b55a98b838c2b89813139"

// bench is a copy of what a publishing script sees, with programs in place of those
// that reach the outside: each writes down what it was asked.
type bench struct {
	dir string
	env []string
}

func newBench(t *testing.T, script string) *bench {
	t.Helper()
	b := &bench{dir: t.TempDir()}
	programs := filepath.Join(b.dir, "programs")
	b.env = []string{"PATH=" + programs + ":" + os.Getenv("PATH"), "HOME=" + b.dir, "CALLS=" + filepath.Join(b.dir, "calls")}
	b.write(t, script, read(t, script))
	b.write(t, "CHANGELOG.md", "## 1.2.3 / 2026-11-22\n\n* [FEATURE] New.\n\n## 1.2.2 / 2026-11-01\n\n* [BUGFIX] Old.\n")
	b.write(t, "dist/cckm_sync_exporter-1.2.3.linux-amd64.tar.gz", "program")
	b.write(t, "dist/cckm_sync_exporter-1.3.0-rc.0.linux-amd64.tar.gz", "candidate")
	for name, does := range map[string]string{
		"cosign": `[ "$1" = sign ] || printf bundle >"$4"`,
		"gh":     `while [ $# -gt 0 ]; do [ "$1" != --notes-file ] || cat "$2" >>"$CALLS"; shift; done`,
		"buildah": `case "$1" in login) read -r password; printf '%s\n' "$password" >>"$CALLS" ;; esac
[ "$1 $2" != "manifest push" ] || printf '%s' "$DIGEST" >"$5"`,
	} {
		b.write(t, filepath.Join("programs", name), "#!/bin/sh\necho \"${0##*/} $*\" >>\"$CALLS\"\n"+does+"\n")
	}
	b.write(t, "deploy/image/build.sh", "#!/bin/sh\necho \"build.sh $VERSION $*\" >>\"$CALLS\"\n")
	sum := exec.CommandContext(t.Context(), "sh", "-c", "cd dist && sha256sum -- * >../sums && mv ../sums sha256sums.txt")
	sum.Dir = b.dir
	if output, err := sum.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return b
}

func (b *bench) write(t *testing.T, name, content string) {
	t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}

// run runs the script and returns what it wrote, and what it asked of others. The
// path of temporary files is cut off.
func (b *bench) run(t *testing.T, script string, env ...string) (output, calls string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), livetest.Program(t, "bash"), script)
	cmd.Dir, cmd.Env = b.dir, slices.Concat(b.env, env)
	written, err := cmd.CombinedOutput()
	content, _ := os.ReadFile(filepath.Join(b.dir, "calls"))
	lines := strings.Split(string(content), "\n")
	for i, line := range lines {
		words := strings.Fields(line)
		for j, word := range words {
			if strings.HasPrefix(word, "/tmp/tmp.") {
				words[j] = "TEMPORARY"
			}
		}
		lines[i] = strings.Join(words, " ")
	}
	return string(written), strings.Join(lines, "\n"), err
}

// TestPublishRelease holds what is signed and published, and in which order.
func TestPublishRelease(t *testing.T) {
	const script = "deploy/release/publish.sh"
	for tag, kind := range map[string]string{"v1.2.3": "", "v1.3.0-rc.0": "--prerelease "} {
		output, calls, err := newBench(t, script).run(t, script, "TAG="+tag)
		want := "cosign sign-blob --yes --bundle dist/sha256sums.txt.sigstore.json dist/sha256sums.txt\n" +
			"gh release create " + tag + " --verify-tag --title " + tag + " --notes-file TEMPORARY " + kind +
			"dist/cckm_sync_exporter-1.2.3.linux-amd64.tar.gz dist/cckm_sync_exporter-1.3.0-rc.0.linux-amd64.tar.gz " +
			"dist/sha256sums.txt dist/sha256sums.txt.sigstore.json\n\n* [FEATURE] New.\n\n"
		if diff := cmp.Diff(want, calls); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s(-want +got):\n%s", tag, err, output, diff)
		}
	}
}

// TestPublishNothing holds that nothing is signed that is not this release.
func TestPublishNothing(t *testing.T) {
	const script = "deploy/release/publish.sh"
	for name, spoil := range map[string]func(*bench) string{
		"TAG: is not set": func(*bench) string { return "" },
		"not of the form": func(*bench) string { return "v1.2" },
		"not of v1.2.4":   func(*bench) string { return "v1.2.4" },
		"not what release.sh made": func(b *bench) string {
			b.write(t, "dist/cckm_sync_exporter-1.2.3.linux-amd64.tar.gz", "another program")
			return "v1.2.3"
		},
		"says nothing of": func(b *bench) string {
			b.write(t, "CHANGELOG.md", "## 1.2.3 / 2026-11-22\n\n## 1.2.2 / 2026-11-01\n\n* Old.\n")
			return "v1.2.3"
		},
	} {
		b := newBench(t, script)
		output, calls, err := b.run(t, script, "TAG="+spoil(b))
		if err == nil || calls != "" || !strings.Contains(output, name) {
			t.Errorf("%s: %v, asked of others: %q\n%s", name, err, calls, output)
		}
	}
}

// TestPublishImage holds that what is signed is the digest that was pushed, and that
// the password is on no command line.
func TestPublishImage(t *testing.T) {
	const script = "deploy/image/publish.sh"
	env := []string{"IMAGE=registry.example.com/owner/name", "TAG=v1.2.3", "REGISTRY_USER=robot", "REGISTRY_PASSWORD=token"}
	output, calls, err := newBench(t, script).run(t, script, append(env, "DIGEST="+digest)...)
	want := `buildah login --username robot --password-stdin registry.example.com
token
buildah manifest create localhost/cckm_sync_exporter:1.2.3
build.sh 1.2.3 localhost/cckm_sync_exporter:1.2.3-amd64 --platform linux/amd64
buildah manifest add localhost/cckm_sync_exporter:1.2.3 containers-storage:localhost/cckm_sync_exporter:1.2.3-amd64
build.sh 1.2.3 localhost/cckm_sync_exporter:1.2.3-arm64 --platform linux/arm64
buildah manifest add localhost/cckm_sync_exporter:1.2.3 containers-storage:localhost/cckm_sync_exporter:1.2.3-arm64
buildah manifest push --all --digestfile TEMPORARY localhost/cckm_sync_exporter:1.2.3 docker://registry.example.com/owner/name:1.2.3
cosign sign --yes registry.example.com/owner/name@` + digest + "\n"
	if diff := cmp.Diff(want, calls); diff != "" || err != nil || output != "digest="+digest+"\n" {
		t.Errorf("%v\n%s(-want +got):\n%s", err, output, diff)
	}
	output, calls, err = newBench(t, script).run(t, script, append(env, "DIGEST=")...)
	if err == nil || strings.Contains(calls, "cosign") {
		t.Errorf("no digest: %v\n%s\n%s", err, output, calls)
	}
}
