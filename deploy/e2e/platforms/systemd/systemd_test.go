// Package systemd_test installs the packages on machines with a running systemd, and uses the service as its users do.
package systemd_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

const (
	service = "cckm_sync_exporter.service"
	socket  = "cckm_sync_exporter.socket"

	settingsFile = "/etc/default/cckm_sync_exporter"
	targetsFile  = "/etc/cckm_sync_exporter.yml"
	passwordFile = "/etc/cckm_sync_exporter/password"
	secretFile   = "/etc/cckm_sync_exporter/prod-eu"
	// dropIn is what "systemctl edit" writes.
	dropIn = "/etc/systemd/system/" + service + ".d/override.conf"
	readme = "../../../systemd/README.md"

	clientID = "client-1"

	googleUp = `cckm_sync_up{cloud="google",item="key"} 1` + "\n"
	azureUp  = `cckm_sync_up{cloud="azure",item="certificate"} 1` + "\n"
)

// world is a machine, an appliance that it reaches, and the packages.
type world struct {
	*machine
	*simulator.Appliance

	server *simulator.Server
	// version is systemd's, such as 252.
	version int
}

// TestSystemd goes through the life of the packages on each release of Debian. The steps need each other.
func TestSystemd(t *testing.T) {
	livetest.Root(t)
	deb, rpm := buildPackages(t)
	old := olderDeb(t, deb)
	for _, release := range []string{"bullseye", "bookworm", "trixie"} {
		t.Run(release, func(t *testing.T) {
			begun := time.Now()
			w := &world{machine: boot(t, rootfs(t, release)), Appliance: simulator.New(simulator.Options{ClientID: clientID})}
			w.serveAppliance(t)
			for path, from := range map[string]string{"/root/old.deb": old, "/root/new.deb": deb, "/root/new.rpm": rpm} {
				w.write(t, path, livetest.ReadFile(t, from))
			}
			printed := w.must(t, "systemctl", "--version")
			if _, err := fmt.Sscanf(printed, "systemd %d", &w.version); err != nil {
				t.Fatalf("systemctl --version: %v\n%s", err, printed)
			}
			t.Logf("%s booted in %.1f s", strings.SplitN(printed, "\n", 2)[0], time.Since(begun).Seconds())
			for _, step := range []struct {
				name string
				do   func(*testing.T)
			}{
				{"installed and disabled", w.testInstalled},
				{"a wrong setting ends in a failed service", w.testWrongSetting},
				{"reads the lists once started", w.testStarted},
				{"has no rights", w.testRights},
				{"starts again after a crash", w.testCrash},
				{"another password", w.testPassword},
				{"a certificate instead of the password", w.testCertificate},
				{"reload returns the result", w.testReload},
				{"stop revokes the token", w.testStopped},
				{"socket", w.testSocket},
				{"upgrade keeps the settings", w.testUpgrade},
				{"removed and purged", w.testRemoved},
				{"rpm", w.testRPM},
			} {
				if !t.Run(step.name, step.do) {
					t.FailNow()
				}
			}
		})
	}
}

// rootfs returns the root file system that build-rootfs.sh wrote into the tool's directory of .ci/run.
func rootfs(t *testing.T, release string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(cache, "cckm_sync_exporter", "bin", "rootfs-"+release+"-"+runtime.Version(), "rootfs.tar")
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("run .ci/run install programs: %v", err)
	}
	return path
}

// buildPackages makes the packages of the repository's files as they are now, and returns their paths.
func buildPackages(t *testing.T) (deb, rpm string) {
	t.Helper()
	for _, tool := range []string{"git", "nfpm", "cyclonedx-gomod", "jq", "zip"} {
		livetest.Program(t, tool)
	}
	top, err := filepath.Abs("../../../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, args := range [][]string{
		{"init", "--quiet"},
		{"--git-dir=" + dir + "/.git", "--work-tree=" + top, "-C", top, "add", "--all"},
		{"-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "--quiet", "--message", "commit"},
		{"reset", "--quiet", "--hard"},
	} {
		livetest.Run(t, dir, "git", args...)
	}
	build := exec.CommandContext(t.Context(), filepath.Join(dir, "deploy", "release", "release.sh"), "--snapshot")
	build.Env = append(os.Environ(), "PLATFORMS=linux/"+runtime.GOARCH)
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("release.sh: %v\n%s", err, output)
	}
	built := func(format string) string {
		packages, err := filepath.Glob(filepath.Join(dir, "dist", "*."+format))
		if err != nil || len(packages) != 1 {
			t.Fatalf("packages: %q, %v", packages, err)
		}
		return packages[0]
	}
	return built("deb"), built("rpm")
}

// olderDeb returns a copy of a package with a lower version.
func olderDeb(t *testing.T, deb string) string {
	t.Helper()
	dir, old := filepath.Join(t.TempDir(), "package"), filepath.Join(t.TempDir(), "old.deb")
	livetest.Run(t, "", livetest.Program(t, "dpkg-deb"), "--raw-extract", deb, dir)
	control := livetest.ReadFile(t, dir, "DEBIAN", "control")
	control = regexp.MustCompile(`(?m)^Version: .*$`).ReplaceAllString(control, "Version: 0.0.1-1")
	if err := os.WriteFile(filepath.Join(dir, "DEBIAN", "control"), []byte(control), 0o644); err != nil {
		t.Fatal(err)
	}
	livetest.Run(t, "", "dpkg-deb", "--root-owner-group", "--build", dir, old)
	return old
}

// serveAppliance serves the appliance in the machine's network, and makes the machine trust its CA.
func (w *world) serveAppliance(t *testing.T) {
	t.Helper()
	w.SetFixture("cckm/google/synchronization-jobs", simulator.GoogleKeysExample())
	w.SetFixture("cckm/azure/certificates/synchronization-jobs", simulator.AzureCertificatesExample())
	var err error
	if joined := w.inNetwork(func() { w.server, err = w.StartTLS() }); joined != nil || err != nil {
		t.Fatalf("the appliance does not start: %v, %v", joined, err)
	}
	t.Cleanup(w.server.Close)
	w.write(t, "/etc/ssl/cm-ca.pem", string(w.server.CAPEM))
}

func (w *world) testInstalled(t *testing.T) {
	t.Helper()
	w.must(t, "dpkg", "--install", "/root/old.deb")
	w.wantDisabled(t)
}

func (w *world) wantDisabled(t *testing.T) {
	t.Helper()
	for _, unit := range []string{service, socket} {
		enabled, _ := w.run(t, "systemctl", "is-enabled", unit)
		active, _ := w.run(t, "systemctl", "is-active", unit)
		if enabled != "disabled\n" || active != "inactive\n" {
			t.Errorf("%s is %q and %q", unit, enabled, active)
		}
	}
}

// testWrongSetting checks that systemctl start reports a service that cannot start, and that systemd stops
// trying. Only the pause between two attempts is shorter than the unit's.
func (w *world) testWrongSetting(t *testing.T) {
	t.Helper()
	w.write(t, dropIn, "[Service]\nRestartSec=100ms\n")
	w.must(t, "systemctl", "daemon-reload")
	w.writeMode(t, passwordFile, simulator.DefaultPassword+"\n", 0o600)
	w.write(t, settingsFile, "CM_ADDRESS=http://cm.example.com\nCM_USERNAME=prometheus\n")
	output, err := w.run(t, "systemctl", "start", service)
	if err == nil || !strings.Contains(output, "failed") {
		t.Errorf("systemctl start: %v\n%s", err, output)
	}
	w.await(t, "the service has failed", func() bool {
		return w.show(t, "ActiveState") == "failed" && w.show(t, "SubState") == "failed"
	})
	if restarts := w.show(t, "NRestarts"); restarts != "5" {
		t.Errorf("systemd has restarted it %s times", restarts)
	}
	if status, _ := w.run(t, "systemctl", "status", "--no-pager", service); !strings.Contains(status, `Status: "error: --ciphertrust.url`) {
		t.Errorf("systemctl status does not show why:\n%s", status)
	}
	w.must(t, "systemctl", "reset-failed", service)
}

// testStarted scrapes at once after systemctl start, which waits until the exporter listens.
func (w *world) testStarted(t *testing.T) {
	t.Helper()
	w.configure(t)
	w.must(t, "systemctl", "enable", "--now", service)
	w.wantMetrics(t)
	if status := w.show(t, "StatusText"); status != "1 target" {
		t.Errorf("the status is %q", status)
	}
}

// configure writes the settings.
func (w *world) configure(t *testing.T) {
	t.Helper()
	w.write(t, settingsFile, fmt.Sprintf("CM_ADDRESS=%s\nCM_USERNAME=%s\nCCKM_SYNC_EXPORTER_CIPHERTRUST_CA_FILE=/etc/ssl/cm-ca.pem\n",
		w.server.URL, simulator.DefaultUsername))
}

func (w *world) testRights(t *testing.T) {
	t.Helper()
	status := w.must(t, "cat", "/proc/"+w.show(t, "MainPID")+"/status")
	for _, want := range []string{`CapPrm:\t0+`, `CapEff:\t0+`, `CapBnd:\t0+`, `NoNewPrivs:\t1`, `Uid:\t6[1-5]\d{3}\t.*`, `Seccomp:\t2`} {
		if !regexp.MustCompile(`(?m)^` + want + `$`).MatchString(status) {
			t.Errorf("want %s in\n%s", want, status)
		}
	}
	security := w.must(t, "systemd-analyze", "security", "--no-pager", service)
	found := regexp.MustCompile(`exposure level for \S+ (\d+\.\d)`).FindStringSubmatch(security)
	if found == nil {
		t.Fatalf("no exposure in\n%s", security)
	}
	if exposure, err := strconv.ParseFloat(found[1], 64); err != nil || exposure > 1.5 {
		t.Errorf("the exposure is %s", found[1])
	}
	if log := w.must(t, "journalctl", "--no-pager", "--unit="+service); !strings.Contains(log, "the process is confined by Landlock") {
		t.Errorf("it is not confined:\n%s", log)
	}
}

func (w *world) testCrash(t *testing.T) {
	t.Helper()
	pid := w.show(t, "MainPID")
	w.must(t, "kill", "-9", pid)
	w.await(t, "another process serves", func() bool {
		now := w.show(t, "MainPID")
		return now != pid && now != "0" && w.show(t, "ActiveState") == "active"
	})
	w.wantMetrics(t)
	// The killed process could not revoke its token.
	w.RevokeAllTokens()
	w.RevokeRefreshTokens()
}

// testPassword checks that a restart reads another password.
func (w *world) testPassword(t *testing.T) {
	t.Helper()
	const another = "another-password"
	w.SetPassword(another)
	defer w.SetPassword(simulator.DefaultPassword)
	w.writeMode(t, passwordFile, another, 0o600)
	w.restart(t)
	w.wantMetrics(t)
	w.writeMode(t, passwordFile, simulator.DefaultPassword, 0o600)
}

// testCertificate uses the drop-in for a login by certificate of the README.
func (w *world) testCertificate(t *testing.T) {
	t.Helper()
	cert, key, err := w.server.ClientCertificate("exporter")
	if err != nil {
		t.Fatal(err)
	}
	const keyFile, certFile = "/etc/cckm_sync_exporter/key.pem", "/etc/ssl/cm-client.pem"
	w.writeMode(t, keyFile, string(key), 0o600)
	defer func() { _ = os.Remove(w.root + keyFile) }()
	w.write(t, certFile, string(cert))
	settings, before := livetest.ReadFile(t, w.root, settingsFile), livetest.ReadFile(t, w.root, dropIn)
	user := regexp.MustCompile(`(?m)^CM_USERNAME=.*$`)
	w.write(t, settingsFile, user.ReplaceAllString(settings, "CCKM_SYNC_EXPORTER_CIPHERTRUST_CLIENT_ID="+clientID+"\n"+
		"CCKM_SYNC_EXPORTER_CIPHERTRUST_CERT_FILE="+certFile))
	w.edit(t, before+block(t, "ini", "key.pem"))
	w.wantMetrics(t)
	w.write(t, settingsFile, settings)
	w.edit(t, before)
}

// edit replaces the drop-in and restarts the service.
func (w *world) edit(t *testing.T, settings string) {
	t.Helper()
	w.write(t, dropIn, settings)
	w.must(t, "systemctl", "daemon-reload")
	w.restart(t)
}

// restart restarts the service. The test does so more often than the limit of starts allows.
func (w *world) restart(t *testing.T) {
	t.Helper()
	w.must(t, "systemctl", "reset-failed", service)
	w.must(t, "systemctl", "restart", service)
}

// testReload uses the drop-in for several appliances of the README, and then signals: systemd 253 waits for the end
// of the reload.
func (w *world) testReload(t *testing.T) {
	t.Helper()
	w.must(t, "systemctl", "reload", service)
	before := livetest.ReadFile(t, w.root, dropIn)
	defer func() { _ = errors.Join(os.Remove(w.root+targetsFile), os.Remove(w.root+secretFile)) }()
	edit := func(settings string) { w.edit(t, before+settings) }
	wantTargets := func(want ...string) {
		t.Helper()
		_, body, err := w.get(t.Context(), "/sd")
		var groups []struct {
			Labels map[string]string `json:"labels"`
		}
		if err == nil {
			err = json.Unmarshal([]byte(body), &groups)
		}
		names := make([]string, 0, len(groups))
		for _, group := range groups {
			names = append(names, group.Labels["__param_target"])
		}
		if err != nil || !slices.Equal(names, want) {
			t.Errorf("the targets are %q, want %q: %v", names, want, err)
		}
	}
	several := block(t, "ini", "prod-eu")
	w.writeMode(t, secretFile, simulator.DefaultPassword, 0o600)
	w.writeTargets(t, "one")
	edit(several)

	w.writeTargets(t, "one", "two")
	w.must(t, "systemctl", "reload", service)
	wantTargets("one", "two")
	if status, body, err := w.get(t.Context(), "/probe?target=two"); err != nil || status != http.StatusOK || !strings.Contains(body, googleUp) {
		t.Errorf("the new target is not read: %v, status %d\n%s", err, status, body)
	}

	w.write(t, targetsFile, "targets:\n- {name: three, nonsense: 1}\n")
	if output, err := w.run(t, "systemctl", "reload", service); err == nil || !strings.Contains(output, "failed") {
		t.Errorf("the reload of an invalid file: %v\n%s", err, output)
	}
	if status, _ := w.run(t, "systemctl", "status", "--no-pager", service); !strings.Contains(status, `Status: "2 targets; the configuration was not loaded: `+targetsFile+":2: ") ||
		!strings.Contains(status, "Active: active (running)") {
		t.Errorf("systemctl status does not show why:\n%s", status)
	}
	wantTargets("one", "two")

	w.writeTargets(t, "four")
	w.must(t, "systemctl", "reload", service)
	wantTargets("four")
	if status := w.show(t, "StatusText"); status != "1 target; the configuration was loaded" {
		t.Errorf("the status is %q", status)
	}

	if w.version >= 253 {
		edit(several + "Type=notify-reload\nExecReload=\n")
		w.writeTargets(t, "five", "six")
		w.must(t, "systemctl", "reload", service)
		wantTargets("five", "six")
	}
	edit("")
}

// writeTargets writes a file of targets with these names.
func (w *world) writeTargets(t *testing.T, names ...string) {
	t.Helper()
	var content strings.Builder
	_, _ = content.WriteString("targets:\n")
	for _, name := range names {
		_, _ = fmt.Fprintf(&content, "- {name: %s, url: %q, username: %s, password_file: /run/credentials/%s/prod-eu, tls_config: {ca_file: /etc/ssl/cm-ca.pem}}\n",
			name, w.server.URL, simulator.DefaultUsername, service)
	}
	w.write(t, targetsFile, content.String())
}

func (w *world) testStopped(t *testing.T) {
	t.Helper()
	w.wantMetrics(t)
	if len(w.RefreshTokens()) == 0 {
		t.Fatal("the exporter has no token")
	}
	w.must(t, "systemctl", "stop", service)
	if n := len(w.RefreshTokens()); n != 0 {
		t.Errorf("%d tokens are left", n)
	}
	if result := w.show(t, "Result"); result != "success" {
		t.Errorf("the service ended with %s", result)
	}
}

// testSocket runs the README's commands. The first scrape starts the service, and none is refused while it restarts.
func (w *world) testSocket(t *testing.T) {
	t.Helper()
	w.must(t, "sh", "-ec", block(t, "sh", socket))
	if state := w.show(t, "ActiveState"); state != "inactive" {
		t.Errorf("before a scrape, the service is %s", state)
	}
	w.wantMetrics(t)
	pid, scrapes := w.show(t, "MainPID"), 0
	w.must(t, "systemctl", "restart", "--no-block", service)
	w.await(t, "another process serves", func() bool {
		scrapes++
		// Go's server closes a connection whose request arrives in the moment of its shutdown: golang/go#75591.
		if _, _, err := w.get(t.Context(), "/metrics"); err != nil && !errors.Is(err, io.EOF) {
			t.Errorf("scrape %d: %v", scrapes, err)
		}
		return w.show(t, "MainPID") != pid && w.show(t, "ActiveState") == "active"
	})
	w.wantMetrics(t)
}

func (w *world) testUpgrade(t *testing.T) {
	t.Helper()
	settings, pid := livetest.ReadFile(t, w.root, settingsFile), w.show(t, "MainPID")
	output := w.must(t, "dpkg", "--install", "/root/new.deb")
	if !regexp.MustCompile(`over \(0\.0\.1-1\)`).MatchString(output) {
		t.Errorf("it is not an upgrade:\n%s", output)
	}
	if now := w.show(t, "MainPID"); now == pid || now == "0" {
		t.Errorf("the process was %s and is %s", pid, now)
	}
	if got := livetest.ReadFile(t, w.root, settingsFile); got != settings {
		t.Errorf("the settings are %q", got)
	}
	w.wantMetrics(t)
}

// testRemoved checks that nothing listens after the removal, and that purge leaves what the user wrote alone.
func (w *world) testRemoved(t *testing.T) {
	t.Helper()
	w.must(t, "dpkg", "--remove", "cckm-sync-exporter")
	w.wantEnd(t)
	w.must(t, "dpkg", "--purge", "cckm-sync-exporter")
	w.wantLeft(t, passwordFile, dropIn)
}

// wantEnd fails if the exporter serves, or has left a token or a unit.
func (w *world) wantEnd(t *testing.T) {
	t.Helper()
	if _, _, err := w.get(t.Context(), "/-/healthy"); err == nil {
		t.Error("the exporter still serves")
	}
	if n := len(w.RefreshTokens()); n != 0 {
		t.Errorf("%d tokens are left", n)
	}
	if units := w.must(t, "systemctl", "list-units", "--all", "--no-legend", "cckm*"); units != "" {
		t.Errorf("units are left:\n%s", units)
	}
}

// wantLeft fails unless these are the only files that are left.
func (w *world) wantLeft(t *testing.T, want ...string) {
	t.Helper()
	left := strings.Fields(w.must(t, "find", "/etc", "/usr", "/var", "-path", "*cckm*", "!", "-type", "d"))
	slices.Sort(left)
	if !slices.Equal(left, want) {
		t.Errorf("there are the files %q, want %q", left, want)
	}
}

// testRPM installs the rpm, reinstalls it, which runs the scripts of an upgrade, and erases it. The password is still
// there.
func (w *world) testRPM(t *testing.T) {
	t.Helper()
	if err := os.Remove(w.root + dropIn); err != nil {
		t.Fatal(err)
	}
	// Debian's packages are not in the database of rpm.
	w.must(t, "rpm", "--nodeps", "--install", "/root/new.rpm")
	w.wantDisabled(t)
	w.configure(t)
	w.must(t, "systemctl", "enable", "--now", service)
	w.wantMetrics(t)

	settings, pid := livetest.ReadFile(t, w.root, settingsFile), w.show(t, "MainPID")
	w.must(t, "rpm", "--nodeps", "--reinstall", "/root/new.rpm")
	if now := w.show(t, "MainPID"); now == pid || now == "0" {
		t.Errorf("the process was %s and is %s", pid, now)
	}
	if got := livetest.ReadFile(t, w.root, settingsFile); got != settings {
		t.Errorf("the settings are %q", got)
	}
	w.wantMetrics(t)

	w.must(t, "rpm", "--erase", "cckm-sync-exporter")
	w.wantEnd(t)
	w.wantLeft(t, passwordFile, settingsFile+".rpmsave")
}

func (w *world) await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	if !livetest.WaitFor(30*time.Second, condition) {
		t.Fatalf("not within 30 s: %s\n%s", what, w.journal(t))
	}
}

// block returns the README's block of a language that has a text.
func block(t *testing.T, language, text string) string {
	t.Helper()
	for _, found := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(livetest.ReadFile(t, readme), -1) {
		if strings.Contains(found[1], text) {
			return found[1]
		}
	}
	t.Fatalf("%s has no block with %s", readme, text)
	return ""
}
