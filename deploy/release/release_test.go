// Package release_test makes a release of the repository as it is, and holds what
// is in it against the tools that its users have: dpkg, rpm, tar, man, shells.
package release_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

const (
	version = "1.2.3"
	// newer is what version is upgraded to. A packager's order knows that 10 is more than 3.
	newer = "1.2.10"
)

// TestRelease makes releases and looks at them from all sides. They are made
// once: that takes most of the time.
func TestRelease(t *testing.T) {
	for _, tool := range []string{"git", "nfpm", "cyclonedx-gomod", "jq", "tar", "gzip", "zip"} {
		livetest.Program(t, tool)
	}
	c := newClone(t)
	c.tag(t, version)
	revision := c.git(t, "rev-parse", "HEAD")
	dist := c.mustRelease(t)

	t.Run("files", func(t *testing.T) { testFiles(t, dist) })
	t.Run("checksums", func(t *testing.T) { testChecksums(t, dist) })
	t.Run("archives", func(t *testing.T) { testArchives(t, dist, revision) })
	t.Run("bills of materials", func(t *testing.T) { testBills(t, dist) })
	t.Run("man page", func(t *testing.T) { testManPage(t, dist) })
	t.Run("completions", func(t *testing.T) { testCompletions(t, dist) })
	t.Run("lintian", func(t *testing.T) { testLintian(t, dist) })
	t.Run("rpm", func(t *testing.T) { testRPM(t, dist) })
	t.Run("same bytes elsewhere", func(t *testing.T) { testSameBytes(t, c, dist) })

	// Away with the first: the next one begins with an empty dist.
	old := filepath.Join(t.TempDir(), "old")
	if err := os.Rename(dist, old); err != nil {
		t.Fatal(err)
	}
	c.write(t, "deploy/packages/default", "# Other settings.\n")
	c.tag(t, newer)
	dist = c.mustRelease(t, "PLATFORMS=linux/"+runtime.GOARCH)
	t.Run("deb", func(t *testing.T) { testDeb(t, old, dist) })
}

// testFiles holds that a release is whole, and nothing else is in it.
func testFiles(t *testing.T, dist string) {
	t.Helper()
	want := []string{
		"cckm-sync-exporter-1.2.3-1.aarch64.rpm",
		"cckm-sync-exporter-1.2.3-1.x86_64.rpm",
		"cckm-sync-exporter_1.2.3-1_amd64.deb",
		"cckm-sync-exporter_1.2.3-1_arm64.deb",
		"cckm_sync_exporter-1.2.3.darwin-arm64.cdx.json",
		"cckm_sync_exporter-1.2.3.darwin-arm64.tar.gz",
		"cckm_sync_exporter-1.2.3.linux-amd64.cdx.json",
		"cckm_sync_exporter-1.2.3.linux-amd64.tar.gz",
		"cckm_sync_exporter-1.2.3.linux-arm64.cdx.json",
		"cckm_sync_exporter-1.2.3.linux-arm64.tar.gz",
		"cckm_sync_exporter-1.2.3.windows-amd64.cdx.json",
		"cckm_sync_exporter-1.2.3.windows-amd64.zip",
		"sha256sums.txt",
	}
	if diff := cmp.Diff(want, namesIn(t, dist)); diff != "" {
		t.Errorf("files of the release (-want +got):\n%s", diff)
	}
}

// testChecksums holds that users can check all the files with coreutils.
func testChecksums(t *testing.T, dist string) {
	t.Helper()
	output := run(t, dist, "sha256sum", "--check", "--strict", "sha256sums.txt")
	if n := strings.Count(output, ": OK\n"); n != len(namesIn(t, dist))-1 {
		t.Errorf("%d checksums:\n%s", n, output)
	}
}

// testSameBytes holds that another clone, time zone, umask and user make the
// same files. Two platforms have each kind of file between them.
func testSameBytes(t *testing.T, c clone, dist string) {
	t.Helper()
	again := c.checkout(t, "v"+version).mustRelease(t, "PLATFORMS=linux/arm64 windows/amd64", "TZ=Asia/Tokyo", "LC_ALL=C.UTF-8",
		"USER=somebody", "HOSTNAME=elsewhere", "GOFLAGS=-race", "GOAMD64=v3", "COLUMNS=40", "CM_ADDRESS=https://cm.example.com")
	names := namesIn(t, again)
	if len(names) != 7 {
		t.Errorf("files: %q", names)
	}
	for _, name := range names {
		if name == "sha256sums.txt" {
			continue
		}
		if !bytes.Equal(read(t, filepath.Join(dist, name)), read(t, filepath.Join(again, name))) {
			t.Errorf("%s has other bytes", name)
		}
	}
}

// TestRefused holds that no release is made of what is none, and that the
// script says why.
func TestRefused(t *testing.T) {
	livetest.Program(t, "git")
	c := newClone(t)
	want := func(why string, args ...string) {
		t.Helper()
		output, err := c.release(t, nil, args...)
		if err == nil || !strings.HasPrefix(output, "error: ") || !strings.Contains(output, why) {
			t.Errorf("want %q: %v\n%s", why, err, output)
		}
		if _, err := os.Stat(filepath.Join(c.dir, "dist")); err == nil {
			t.Errorf("%s: there is a dist", why)
		}
	}
	want("there is no tag on HEAD")
	want("usage: ", "--no-such-flag")
	want("usage: ", "v1.2.3")

	c.changelog(t, version+" / unreleased")
	c.commit(t)
	c.git(t, "tag", "v"+version)
	want("the first section of CHANGELOG.md is '1.2.3 / unreleased'")

	c.changelog(t, version+" / 2026-11-22")
	c.commit(t)
	c.git(t, "tag", "v"+newer)
	want("for v1.2.10 it has to be '1.2.10 / ")

	c.git(t, "tag", "--delete", "v"+newer)
	c.git(t, "tag", "v1.2")
	want("v1.2 is not of the form")
	c.git(t, "tag", "--delete", "v1.2")

	c.tag(t, "2.0.0")
	c.changelog(t, "2.0.0 / 2026-11-23")
	want("the tree has changes")
}

// TestSameStamps holds that the image's program is compiled like the packages'.
func TestSameStamps(t *testing.T) {
	stamps := regexp.MustCompile(`-ldflags ".*"`)
	script, image := stamps.Find(read(t, "build.sh")), stamps.Find(read(t, "../../Dockerfile"))
	if len(script) == 0 || !bytes.Equal(script, image) {
		t.Errorf("build.sh:\n%s\nDockerfile:\n%s", script, image)
	}
}
