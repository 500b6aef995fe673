// Package release_test makes releases of the repository as it is, and checks their
// files with the tools of users: dpkg, rpm, tar, man, shells.
package release_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/deploy/e2e/livetest"
	"cckm_sync_exporter/deploy/e2e/testclone"
)

const (
	version = "1.2.3"
	// newer is what version is upgraded to: 10 is more than 3, but not as text.
	newer = "1.2.10"
)

// TestRelease shares the releases among its subtests, because building them takes
// most of the time.
func TestRelease(t *testing.T) {
	for _, tool := range []string{"git", "nfpm", "cyclonedx-gomod", "jq", "tar", "gzip", "zip"} {
		livetest.Program(t, tool)
	}
	c := testclone.New(t)
	c.Tag(t, "v"+version, version+" / 2026-11-22")
	revision := c.Git(t, "rev-parse", "HEAD")
	dist, _ := c.MustRelease(t, nil)

	t.Run("files", func(t *testing.T) { testFiles(t, dist) })
	t.Run("archives", func(t *testing.T) { testArchives(t, dist, revision) })
	t.Run("chart", func(t *testing.T) { testChart(t, dist) })
	t.Run("man page", func(t *testing.T) { testManPage(t, dist) })
	t.Run("completions", func(t *testing.T) { testCompletions(t, dist) })
	t.Run("lintian", func(t *testing.T) {
		// An override that excuses nothing fails as well.
		livetest.Run(t, dist, livetest.Program(t, "lintian"), "--allow-root", "--display-info", "--fail-on=error,warning,info",
			"--tag-display-limit=0", "cckm-sync-exporter_"+version+"-1_"+runtime.GOARCH+".deb")
	})
	t.Run("rpm", func(t *testing.T) { testRPM(t, dist) })
	t.Run("same bytes elsewhere", func(t *testing.T) { testSameBytes(t, c, dist) })

	old := filepath.Join(t.TempDir(), "old")
	if err := os.Rename(dist, old); err != nil {
		t.Fatal(err)
	}
	c.Write(t, "deploy/packages/default", "# Other settings.\n")
	c.Tag(t, "v"+newer, newer+" / 2026-11-22")
	native := []string{"PLATFORMS=linux/" + runtime.GOARCH}
	dist, _ = c.MustRelease(t, native)
	t.Run("deb", func(t *testing.T) { testDeb(t, old, dist) })

	t.Run("snapshot", func(t *testing.T) {
		c.Write(t, "README.md", "Changed.\n")
		dist, output := c.MustRelease(t, native, "--snapshot")
		want := "\ncckm_sync_exporter " + newer + "-snapshot.g" + c.Git(t, "rev-parse", "--short=12", "HEAD") + ".dirty\n"
		if names := namesIn(t, dist); len(names) != 6 || !strings.Contains("\n"+output, want) {
			t.Errorf("files: %q\n%s\nwant %s", names, output, want)
		}
		if output, err := c.Release(t, []string{"PLATFORMS=linux/none " + runtime.GOOS + "/" + runtime.GOARCH}, "--snapshot"); err == nil {
			t.Errorf("a platform that does not exist is no failure:\n%s", output)
		}
	})
}

// testFiles checks that a release has every file and a checksum of each.
func testFiles(t *testing.T, dist string) {
	t.Helper()
	want := []string{
		"cckm-sync-exporter-1.2.3-1.aarch64.rpm",
		"cckm-sync-exporter-1.2.3-1.armv7hl.rpm",
		"cckm-sync-exporter-1.2.3-1.ppc64le.rpm",
		"cckm-sync-exporter-1.2.3-1.riscv64.rpm",
		"cckm-sync-exporter-1.2.3-1.s390x.rpm",
		"cckm-sync-exporter-1.2.3-1.x86_64.rpm",
		"cckm-sync-exporter-1.2.3.tgz",
		"cckm-sync-exporter_1.2.3-1_amd64.deb",
		"cckm-sync-exporter_1.2.3-1_arm64.deb",
		"cckm-sync-exporter_1.2.3-1_armhf.deb",
		"cckm-sync-exporter_1.2.3-1_ppc64el.deb",
		"cckm-sync-exporter_1.2.3-1_riscv64.deb",
		"cckm-sync-exporter_1.2.3-1_s390x.deb",
		"cckm_sync_exporter-1.2.3.darwin-arm64.cdx.json",
		"cckm_sync_exporter-1.2.3.darwin-arm64.tar.gz",
		"cckm_sync_exporter-1.2.3.freebsd-amd64.cdx.json",
		"cckm_sync_exporter-1.2.3.freebsd-amd64.tar.gz",
		"cckm_sync_exporter-1.2.3.linux-amd64.cdx.json",
		"cckm_sync_exporter-1.2.3.linux-amd64.tar.gz",
		"cckm_sync_exporter-1.2.3.linux-arm64.cdx.json",
		"cckm_sync_exporter-1.2.3.linux-arm64.tar.gz",
		"cckm_sync_exporter-1.2.3.linux-armv7.cdx.json",
		"cckm_sync_exporter-1.2.3.linux-armv7.tar.gz",
		"cckm_sync_exporter-1.2.3.linux-ppc64le.cdx.json",
		"cckm_sync_exporter-1.2.3.linux-ppc64le.tar.gz",
		"cckm_sync_exporter-1.2.3.linux-riscv64.cdx.json",
		"cckm_sync_exporter-1.2.3.linux-riscv64.tar.gz",
		"cckm_sync_exporter-1.2.3.linux-s390x.cdx.json",
		"cckm_sync_exporter-1.2.3.linux-s390x.tar.gz",
		"cckm_sync_exporter-1.2.3.windows-amd64.cdx.json",
		"cckm_sync_exporter-1.2.3.windows-amd64.zip",
		"sha256sums.txt",
	}
	if diff := cmp.Diff(want, namesIn(t, dist)); diff != "" {
		t.Errorf("files of the release (-want +got):\n%s", diff)
	}
	checked := livetest.Run(t, dist, "sha256sum", "--check", "--strict", "sha256sums.txt")
	if diff := cmp.Diff(strings.Join(want[:len(want)-1], ": OK\n")+": OK\n", checked); diff != "" {
		t.Errorf("checksums (-want +got):\n%s", diff)
	}
}

// testChart checks that Helm accepts the chart, which deploys the image of its version, with the rules.
func testChart(t *testing.T, dist string) {
	t.Helper()
	rendered := livetest.Run(t, dist, livetest.Program(t, "helm"), "template", "release", "cckm-sync-exporter-"+version+".tgz",
		"--set", "image.registry=registry.example.com,ciphertrust.url=https://cm.example.com,ciphertrust.username=prometheus,ciphertrust.existingSecret=secret,prometheusRule.enabled=true,dashboards.enabled=true")
	for _, want := range []string{"/cckm_sync_exporter:" + version + "\"\n", "helm.sh/chart: cckm-sync-exporter-" + version, "alert: CCKMSyncFailed", "cckm-sync-fleet.json"} {
		if !strings.Contains(rendered, want) {
			t.Errorf("the chart's manifests lack %q", want)
		}
	}
}

// testSameBytes checks that another clone, time zone, environment and user make the
// same files. Two platforms have each kind of file between them.
func testSameBytes(t *testing.T, c testclone.Clone, dist string) {
	t.Helper()
	again, _ := c.Checkout(t, "v"+version).MustRelease(t, []string{
		"PLATFORMS=linux/arm64 windows/amd64", "TZ=Asia/Tokyo", "LC_ALL=C.UTF-8",
		"USER=somebody", "HOSTNAME=elsewhere", "GOFLAGS=-race", "GOAMD64=v3", "COLUMNS=40", "CM_ADDRESS=https://cm.example.com",
	})
	names := namesIn(t, again)
	if len(names) != 8 {
		t.Errorf("files: %q", names)
	}
	for _, name := range names {
		if name != "sha256sums.txt" && livetest.ReadFile(t, dist, name) != livetest.ReadFile(t, again, name) {
			t.Errorf("%s has other bytes", name)
		}
	}
}

// TestRefused checks that the script makes no release of a wrong tag, changelog or
// tree, and gives the reason.
func TestRefused(t *testing.T) {
	livetest.Program(t, "git")
	c := testclone.New(t)
	want := func(why string, args ...string) {
		t.Helper()
		output, err := c.Release(t, nil, args...)
		if err == nil || !strings.HasPrefix(output, "error: ") || !strings.Contains(output, why) {
			t.Errorf("want %q: %v\n%s", why, err, output)
		}
		if _, err := os.Stat(filepath.Join(c.Dir, "dist")); err == nil {
			t.Errorf("%s: there is a dist", why)
		}
	}
	want("there is no tag on HEAD")
	want("usage: ", "v1.2.3")
	c.Tag(t, "v1.2.3", "1.2.3 / unreleased")
	want("the first section of CHANGELOG.md is '1.2.3 / unreleased'")
	c.Tag(t, "v1.2.10", "1.2.3 / 2026-11-22")
	want("for v1.2.10 it has to be '1.2.10 / ")
	c.Tag(t, "v1.2", "1.2 / 2026-11-22")
	want("v1.2 is not of the form")
	c.Tag(t, "v2.0.0", "2.0.0 / 2026-11-22")
	c.Changelog(t, "2.0.0 / 2026-11-23")
	want("the tree has changes")
}

// namesIn returns the names of a directory's entries.
func namesIn(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}
