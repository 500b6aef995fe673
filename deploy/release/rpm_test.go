package release_test

import (
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// testLintian holds that Debian's checks find nothing that is not excused, with a
// reason, in lintian-overrides; an excuse that nothing needs counts as well.
func testLintian(t *testing.T, dist string) {
	t.Helper()
	run(t, dist, livetest.Program(t, "lintian"), "--allow-root", "--display-info", "--fail-on=error,warning,info",
		"--tag-display-limit=0", "cckm-sync-exporter_"+version+"-1_"+runtime.GOARCH+".deb")
}

// testRPM holds that both rpm packages are sound, and that the one for this
// machine holds the same files as the deb, but for what is each system's own.
func testRPM(t *testing.T, dist string) {
	t.Helper()
	rpm, cpio, dpkg := livetest.Program(t, "rpm"), livetest.Program(t, "cpio"), livetest.Program(t, "dpkg-deb")
	convert := livetest.Program(t, "rpm2cpio")
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}
	for _, name := range arch {
		run(t, dist, rpm, "--checksig", "--nosignature", "cckm-sync-exporter-1.2.3-1."+name+".rpm")
	}
	path := filepath.Join(dist, "cckm-sync-exporter-1.2.3-1."+arch[runtime.GOARCH]+".rpm")
	info := run(t, "", rpm, "--query", "--package", "--queryformat", "%{NAME} %{VERSION} %{RELEASE} %{LICENSE} %{BUILDHOST} %{BUILDTIME}\n", path)
	if want := "cckm-sync-exporter 1.2.3 1 Apache-2.0 localhost " + strconv.FormatInt(committed().Unix(), 10) + "\n"; info != want {
		t.Errorf("it says of itself %q, want %q", info, want)
	}
	if got := run(t, "", rpm, "--query", "--package", "--configfiles", path); got != "/etc/default/cckm_sync_exporter\n" {
		t.Errorf("configuration files: %q", got)
	}

	fromRPM, fromDeb := t.TempDir(), t.TempDir()
	run(t, fromRPM, "sh", "-c", `"$1" "$2" | "$3" --extract --quiet --make-directories --no-absolute-filenames`, "sh", convert, path, cpio)
	run(t, "", dpkg, "--extract", filepath.Join(dist, "cckm-sync-exporter_"+version+"-1_"+runtime.GOARCH+".deb"), fromDeb)
	got, want := tree(t, fromRPM), tree(t, fromDeb)
	move(want, "/usr/share/zsh/vendor-completions/_cckm_sync_exporter", "/usr/share/zsh/site-functions/_cckm_sync_exporter")
	for _, debians := range []string{
		"/usr/share/doc/cckm-sync-exporter/changelog.Debian.gz", "/usr/share/doc/cckm-sync-exporter/copyright",
		"/usr/share/lintian/overrides/cckm-sync-exporter",
	} {
		move(want, debians, "")
	}
	license := "/usr/share/licenses/cckm-sync-exporter/LICENSE"
	if !strings.HasSuffix(got[license], string(read(t, "../../LICENSE"))) {
		t.Errorf("%s is not the license", license)
	}
	move(got, license, "")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files beside the deb's (-deb +rpm):\n%s", diff)
	}
}

// move gives a file another name, or none.
func move(files map[string]string, from, to string) {
	if to != "" {
		files[to] = files[from]
	}
	delete(files, from)
}
