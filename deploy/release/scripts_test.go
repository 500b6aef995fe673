package release_test

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

// TestMaintainerScripts checks the calls of systemd by the packages' scripts at each
// step of a package's life: none if systemd is not running, and a failing call does not
// fail the installation. A fake program records each call and fails.
func TestMaintainerScripts(t *testing.T) {
	unshare := livetest.Program(t, "unshare")
	// In a namespace of its own, the script sees the /run of a machine with or without systemd.
	within := func(setup string) []string {
		return []string{unshare, "--mount", "--map-root-user", "sh", "-c", `mount -t tmpfs none /run && ` + setup + ` && exec sh "$@"`, "sh"}
	}
	systemd, none := within("mkdir -p /run/systemd/system"), within(":")
	if output, err := exec.CommandContext(t.Context(), unshare, append(none[1:], "-c", ":")...).CombinedOutput(); err != nil {
		t.Skipf("no namespace can be made here: %v, %s", err, output)
	}
	const (
		reload, restart = "systemctl daemon-reload", "systemctl try-restart cckm_sync_exporter.service"
		debReload       = "systemctl --system daemon-reload"
		debRestart      = "deb-systemd-invoke try-restart cckm_sync_exporter.service"
		units           = "cckm_sync_exporter.socket cckm_sync_exporter.service"
	)
	for script, want := range map[string][]string{
		"deb/postinst configure":             {debReload},
		"deb/postinst configure 1.2.3-1":     {debReload, debRestart},
		"deb/postinst abort-upgrade 1.2.3-1": nil,
		"deb/prerm upgrade 1.2.10-1":         nil,
		"deb/prerm remove":                   {"deb-systemd-invoke stop " + units, "systemctl --quiet --no-reload disable " + units},
		"deb/postrm upgrade 1.2.10-1":        nil,
		"deb/postrm remove":                  {debReload},
		"deb/postrm purge":                   nil,
		"rpm/post 1":                         {reload},
		"rpm/post 2":                         {reload},
		"rpm/preun 1":                        nil,
		"rpm/preun 0":                        {"systemctl --no-reload disable --now " + units},
		"rpm/postun 1":                       {reload, restart},
		"rpm/postun 0":                       {reload},
	} {
		t.Run(script, func(t *testing.T) {
			dir := t.TempDir()
			calls := filepath.Join(dir, "calls")
			for _, name := range []string{"systemctl", "deb-systemd-invoke"} {
				program := "#!/bin/sh\necho " + name + " \"$@\" >>" + calls + "\nexit 1\n"
				if err := os.WriteFile(filepath.Join(dir, name), []byte(program), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			words := strings.Fields(script)
			words[0] = filepath.Join("..", "packages", words[0])
			if strings.HasSuffix(script, "configure") {
				words = append(words, "") // The version before the first is empty.
			}
			called := func(run []string, env ...string) string {
				t.Helper()
				cmd := exec.CommandContext(t.Context(), run[0], slices.Concat(run[1:], words)...)
				cmd.Env = append([]string{"PATH=" + dir + ":/usr/sbin:/usr/bin:/sbin:/bin"}, env...)
				if err := os.WriteFile(calls, nil, 0o600); err != nil {
					t.Fatal(err)
				}
				if output, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, output)
				}
				return livetest.ReadFile(t, calls)
			}
			if diff := cmp.Diff(strings.Join(append(want, ""), "\n"), called(systemd)); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if got := called(none); got != "" {
				t.Errorf("calls without systemd: %s", got)
			}
			if got := called(systemd, "DPKG_ROOT=/elsewhere"); strings.HasPrefix(script, "deb/") && got != "" {
				t.Errorf("calls for another root: %s", got)
			}
		})
	}
}
