package release_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

const (
	settings = "/etc/default/cckm_sync_exporter"
	password = "/etc/cckm_sync_exporter/password"
)

// testDeb installs the package below a directory, so that nothing of the machine
// is touched, and takes it through its life.
func testDeb(t *testing.T, old, dist string) {
	t.Helper()
	m := newMachine(t)
	path := func(dist, version string) string {
		return filepath.Join(dist, "cckm-sync-exporter_"+version+"-1_"+runtime.GOARCH+".deb")
	}

	said := m.dpkg(t, "--install", path(old, version))
	if !strings.Contains(said, "fill in "+settings+" and "+password+", then systemctl enable --now cckm_sync_exporter") {
		t.Errorf("the user is not told what to do:\n%s", said)
	}
	m.wantProgram(t, version)
	m.wantServing(t)
	m.wantUnits(t)
	packaged := t.TempDir()
	run(t, "", livetest.Program(t, "dpkg-deb"), "--extract", path(old, version), packaged)
	if diff := cmp.Diff(tree(t, packaged), m.files(t)); diff != "" {
		t.Errorf("installed (-packaged +installed):\n%s", diff)
	}
	if mode := m.files(t)["/etc/cckm_sync_exporter"]; !strings.HasPrefix(mode, "drwx------") {
		t.Errorf("the password's directory is %q", mode)
	}

	// The next version brings other settings, and the user has some as well.
	m.write(t, settings, "CM_ADDRESS=https://cm.example.com\n")
	m.write(t, password, "secret\n")
	m.dpkg(t, "--force-confold", "--install", path(dist, newer))
	m.wantProgram(t, newer)
	want := map[string]string{settings: "CM_ADDRESS=https://cm.example.com\n", password: "secret\n"}
	m.wantContent(t, want)
	if _, found := m.files(t)[settings+".dpkg-dist"]; !found {
		t.Error("the new settings are not there beside the user's")
	}
	m.wantServing(t)

	m.dpkg(t, "--remove", "cckm-sync-exporter")
	m.wantContent(t, want)
	if left := slices.Sorted(maps.Keys(m.files(t))); !slices.Equal(left, []string{password, settings, settings + ".dpkg-dist"}) {
		t.Errorf("remove leaves %q", left)
	}
	m.dpkg(t, "--purge", "cckm-sync-exporter")
	delete(want, settings)
	m.wantContent(t, want)
	if left := slices.Sorted(maps.Keys(m.files(t))); !slices.Equal(left, []string{password}) {
		t.Errorf("purge leaves %q", left)
	}

	if err := os.Remove(m.root + password); err != nil {
		t.Fatal(err)
	}
	m.dpkg(t, "--install", path(dist, newer))
	m.dpkg(t, "--purge", "cckm-sync-exporter")
	for left := range m.files(t) {
		if strings.Contains(left, "cckm") {
			t.Errorf("purge leaves %s", left)
		}
	}
}

// machine is a directory that dpkg takes for a machine.
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

// dpkg runs dpkg, be it as root or as another user, and returns what it wrote.
func (m *machine) dpkg(t *testing.T, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), livetest.Program(t, "dpkg"), append([]string{
		"--root=" + m.root, "--admindir=" + m.database, "--log=/dev/null",
		"--force-not-root", "--force-script-chrootless",
	}, args...)...)
	command.Env = append(os.Environ(), "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C")
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("dpkg %q: %v\n%s", args, err, output)
	}
	return string(output)
}

func (m *machine) files(t *testing.T) map[string]string {
	t.Helper()
	return tree(t, m.root)
}

func (m *machine) write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(m.root+path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// wantContent holds what files say.
func (m *machine) wantContent(t *testing.T, want map[string]string) {
	t.Helper()
	for path, content := range want {
		if got := string(read(t, m.root+path)); got != content {
			t.Errorf("%s is %q, want %q", path, got, content)
		}
	}
}

func (m *machine) wantProgram(t *testing.T, version string) {
	t.Helper()
	if got := run(t, "", m.root+"/usr/bin/cckm_sync_exporter", "--version"); !strings.HasPrefix(got, "cckm_sync_exporter, version "+version+" ") {
		t.Errorf("installed is not %s:\n%s", version, got)
	}
}

// wantServing holds that a scrape of the installed program reads its demo's lists.
func (m *machine) wantServing(t *testing.T) {
	t.Helper()
	address := livetest.FreeAddress(t)
	process := livetest.Start(t, nil, m.root+"/usr/bin/cckm_sync_exporter", "demo", "--web.listen-address="+address)
	defer process.End(t)
	livetest.Eventually(t, 20*time.Second, "a scrape reads the list", func() bool {
		_, metrics, ok := livetest.Get(t, "http://"+address+"/metrics")
		return ok && strings.Contains(metrics, "cckm_sync_up{cloud=\"google\",item=\"key\"} 1\n")
	})
}

// wantUnits holds that systemd takes the units where they are installed, enables
// them only when it is told to, and leaves nothing when it is told to stop that.
func (m *machine) wantUnits(t *testing.T) {
	t.Helper()
	systemctl := livetest.Program(t, "systemctl")
	for unit, target := range map[string]string{"service": "multi-user.target", "socket": "sockets.target"} {
		name := "cckm_sync_exporter." + unit
		state := exec.CommandContext(t.Context(), systemctl, "--root="+m.root, "is-enabled", name)
		if output, err := state.CombinedOutput(); err == nil || string(output) != "disabled\n" {
			t.Errorf("%s after the installation: %v, %s", name, err, output)
		}
		run(t, "", systemctl, "--quiet", "--root="+m.root, "enable", name)
		if _, err := os.Lstat(filepath.Join(m.root, "etc", "systemd", "system", target+".wants", name)); err != nil {
			t.Error(err)
		}
		run(t, "", systemctl, "--quiet", "--root="+m.root, "disable", name)
	}
	// systemctl leaves the directories that it made.
	if err := os.RemoveAll(filepath.Join(m.root, "etc", "systemd")); err != nil {
		t.Fatal(err)
	}
}
