package release_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// withSystemd runs a script in a namespace of its own whose /run is that of a
// machine that systemd has started.
const withSystemd = `mount -t tmpfs none /run && mkdir -p /run/systemd/system && exec sh "$@"`

// TestMaintainerScripts holds what the packages' scripts ask of systemd at each
// step of a package's life, that they ask nothing where there is none, and that
// its failure is not the installation's. A program takes systemd's place, which
// writes down how it was called, and fails.
func TestMaintainerScripts(t *testing.T) {
	unshare := livetest.Program(t, "unshare")
	namespace := []string{"--mount", "--map-root-user"}
	if output, err := exec.CommandContext(t.Context(), unshare, append(namespace, "sh", "-c", withSystemd, "sh", "-c", ":")...).CombinedOutput(); err != nil {
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
			asked := func(args []string, env ...string) []string {
				t.Helper()
				command := exec.CommandContext(t.Context(), args[0], append(args[1:], words...)...)
				command.Env = append([]string{"PATH=" + dir + ":/usr/sbin:/usr/bin:/sbin:/bin"}, env...)
				if output, err := command.CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, output)
				}
				defer func() { _ = os.Remove(calls) }()
				content, err := os.ReadFile(calls)
				if os.IsNotExist(err) {
					return nil
				}
				if err != nil {
					t.Fatal(err)
				}
				return strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
			}
			systemd := append(append([]string{unshare}, namespace...), "sh", "-c", withSystemd, "sh")
			if diff := cmp.Diff(want, asked(systemd)); diff != "" {
				t.Errorf("asked of systemd (-want +got):\n%s", diff)
			}
			if strings.HasPrefix(script, "deb/") {
				if got := asked(systemd, "DPKG_ROOT=/elsewhere"); got != nil {
					t.Errorf("for another root: %q", got)
				}
			}
			without := append(append([]string{unshare}, namespace...), "sh", "-c", `mount -t tmpfs none /run && exec sh "$@"`, "sh")
			if got := asked(without); got != nil {
				t.Errorf("without systemd: %q", got)
			}
		})
	}
}
