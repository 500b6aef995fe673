package release_test

import (
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

const (
	settings = "/etc/default/cckm_sync_exporter"
	password = "/etc/cckm_sync_exporter/password"
)

// testDeb installs, upgrades, removes and purges the package below a directory, so
// that the machine does not change.
func testDeb(t *testing.T, old, dist string) {
	t.Helper()
	m := newMachine(t)
	path := func(dist, version string) string {
		return filepath.Join(dist, "cckm-sync-exporter_"+version+"-1_"+runtime.GOARCH+".deb")
	}

	output := m.dpkg(t, "--install", path(old, version))
	if !strings.Contains(output, "fill in "+settings+" and "+password+", then systemctl enable --now cckm_sync_exporter") {
		t.Errorf("the output does not say what to do:\n%s", output)
	}
	m.wantProgram(t, version)
	// systemd finds both units and where to enable them, and they are not enabled.
	enabled := exec.CommandContext(t.Context(), livetest.Program(t, "systemctl"), "--root="+m.root, "is-enabled", "cckm_sync_exporter.service", "cckm_sync_exporter.socket")
	if output, err := enabled.CombinedOutput(); strings.Count(string(output), "disabled\n") != 2 {
		t.Errorf("systemctl is-enabled: %v\n%s", err, output)
	}
	packaged := t.TempDir()
	livetest.Run(t, "", livetest.Program(t, "dpkg-deb"), "--extract", path(old, version), packaged)
	if diff := cmp.Diff(tree(t, packaged), tree(t, m.root)); diff != "" {
		t.Errorf("installed (-packaged +installed):\n%s", diff)
	}
	if mode := tree(t, m.root)["/etc/cckm_sync_exporter"]; !strings.HasPrefix(mode, "drwx------") {
		t.Errorf("the password's directory is %q", mode)
	}

	// Both the user and the next version have changed the settings.
	for path, content := range map[string]string{settings: "CM_ADDRESS=https://cm.example.com\n", password: "secret\n"} {
		if err := os.WriteFile(m.root+path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m.dpkg(t, "--force-confold", "--install", path(dist, newer))
	m.wantProgram(t, newer)
	m.dpkg(t, "--remove", "cckm-sync-exporter")
	m.wantFiles(t, password, settings, settings+".dpkg-dist")
	if got := livetest.ReadFile(t, m.root, settings); got != "CM_ADDRESS=https://cm.example.com\n" {
		t.Errorf("the user's settings are now %q", got)
	}
	m.dpkg(t, "--purge", "cckm-sync-exporter")
	m.wantFiles(t, password)

	if err := os.Remove(m.root + password); err != nil {
		t.Fatal(err)
	}
	m.dpkg(t, "--install", path(dist, newer))
	m.dpkg(t, "--purge", "cckm-sync-exporter")
	for left := range tree(t, m.root) {
		if strings.Contains(left, "cckm") {
			t.Errorf("purge leaves %s", left)
		}
	}
}

// machine is a directory that dpkg uses as the root of a machine.
type machine struct{ root, database string }

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{root: t.TempDir(), database: t.TempDir()}
	for _, dir := range []string{"info", "updates", "triggers"} {
		if err := os.Mkdir(filepath.Join(m.database, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(m.database, "status"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return m
}

// dpkg runs dpkg, which need not be root, and returns its output.
func (m *machine) dpkg(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), livetest.Program(t, "dpkg"), append([]string{
		"--root=" + m.root, "--admindir=" + m.database, "--log=/dev/null",
		"--force-not-root", "--force-script-chrootless",
	}, args...)...)
	cmd.Env = append(os.Environ(), "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C")
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("dpkg %q: %v\n%s", args, err, output)
	}
	return string(output)
}

func (m *machine) wantProgram(t *testing.T, version string) {
	t.Helper()
	if got := livetest.Run(t, "", m.root+"/usr/bin/cckm_sync_exporter", "--version"); !strings.HasPrefix(got, "cckm_sync_exporter, version "+version+" ") {
		t.Errorf("want %s, installed is\n%s", version, got)
	}
}

func (m *machine) wantFiles(t *testing.T, want ...string) {
	t.Helper()
	if got := slices.Sorted(maps.Keys(tree(t, m.root))); !slices.Equal(got, want) {
		t.Errorf("there are the files %q, want %q", got, want)
	}
}

// testRPM checks that the rpm has the same files as the deb, except those that each
// system has for itself.
func testRPM(t *testing.T, dist string) {
	t.Helper()
	rpm := livetest.Program(t, "rpm")
	path := filepath.Join(dist, "cckm-sync-exporter-1.2.3-1."+map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]+".rpm")
	livetest.Run(t, "", rpm, "--checksig", "--nosignature", path)
	info := livetest.Run(t, "", rpm, "--query", "--package", "--queryformat", "%{NAME} %{VERSION} %{RELEASE} %{LICENSE} %{BUILDHOST}\n", "--configfiles", path)
	if want := "cckm-sync-exporter 1.2.3 1 Apache-2.0 localhost\n/etc/default/cckm_sync_exporter\n"; info != want {
		t.Errorf("rpm --query prints %q, want %q", info, want)
	}

	fromRPM, fromDeb := t.TempDir(), t.TempDir()
	livetest.Run(t, fromRPM, "sh", "-c", `"$1" "$2" | "$3" --extract --quiet --make-directories --no-absolute-filenames`,
		"sh", livetest.Program(t, "rpm2cpio"), path, livetest.Program(t, "cpio"))
	livetest.Run(t, "", livetest.Program(t, "dpkg-deb"), "--extract", filepath.Join(dist, "cckm-sync-exporter_"+version+"-1_"+runtime.GOARCH+".deb"), fromDeb)
	got, want := tree(t, fromRPM), tree(t, fromDeb)
	for _, name := range []string{
		"prometheus/cckm_sync_alerts.yml", "config/cckm_sync_exporter.yml", "config/cckm_sync_exporter.schema.json",
	} {
		if want["/usr/share/cckm_sync_exporter/"+name] != "-rw-r--r--\n"+livetest.ReadFile(t, "../", name) {
			t.Errorf("the packages do not have deploy/%s", name)
		}
	}
	for _, name := range []string{"docs/lists.md", "runbooks/CCKMSyncFailed.md"} {
		if want["/usr/share/doc/cckm-sync-exporter/deploy/"+name] == "" {
			t.Errorf("the packages do not have deploy/%s", name)
		}
	}
	const debZsh, rpmZsh = "/usr/share/zsh/vendor-completions/_cckm_sync_exporter", "/usr/share/zsh/site-functions/_cckm_sync_exporter"
	want[rpmZsh] = want[debZsh]
	want["/usr/share/licenses/cckm-sync-exporter/LICENSE"] = "-rw-r--r--\n" + livetest.ReadFile(t, "../../LICENSE")
	for _, ofDeb := range []string{
		debZsh, "/usr/share/doc/cckm-sync-exporter/changelog.Debian.gz", "/usr/share/doc/cckm-sync-exporter/copyright",
		"/usr/share/lintian/overrides/cckm-sync-exporter",
	} {
		delete(want, ofDeb)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-deb +rpm):\n%s", diff)
	}
}

// tree returns the mode and content of each file and empty directory below a
// directory.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content := ""
		if !entry.IsDir() {
			content = livetest.ReadFile(t, path)
		} else if within, err := os.ReadDir(path); err != nil || len(within) > 0 {
			return err
		}
		files[strings.TrimPrefix(path, root)] = info.Mode().String() + "\n" + content
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
