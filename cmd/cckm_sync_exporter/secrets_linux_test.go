package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/go-kit/log"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/simulator"
)

// TestCrash has the process crash while it is logged in, with everything that
// Go can tell of it: no core file is left, and the stacks show no secret.
func TestCrash(t *testing.T) {
	const limits = "ulimit -c unlimited"
	dir := t.TempDir()
	// A program that does not mind leaves one, or the test would show nothing.
	crash := exec.CommandContext(t.Context(), "sh", "-c", limits+"; kill -ABRT $$")
	crash.Dir = t.TempDir()
	_ = crash.Run()
	if left, err := os.ReadDir(crash.Dir); err != nil || len(left) == 0 {
		pattern, _ := os.ReadFile("/proc/sys/kernel/core_pattern")
		t.Skipf("a crash leaves no file in its directory here: core_pattern is %q, %v", pattern, err)
	}

	const password = "crash-password"
	appliance, _, env := startAppliance(t, dir)
	appliance.SetPassword(password)
	file := write(t, dir, "password", []byte(password))
	asked := make(chan struct{}, 100)
	appliance.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPost {
			next.ServeHTTP(w, r)
			return
		}
		asked <- struct{}{}
		<-r.Context().Done()
	})
	// A server is confined, which would keep the file from being written as well.
	cmd := exec.Command("sh", "-c", limits+`; exec "$0" once`, executable(t)) //nolint:noctx // The test ends it.
	cmd.Dir = t.TempDir()
	p := launch(t, cmd, append(env, "CM_PASSWORD_FILE="+file, "GOTRACEBACK=crash"))
	<-asked
	p.signal(t, syscall.SIGABRT)
	if err := p.wait(); err == nil {
		t.Error("it has not crashed")
	}
	left, err := os.ReadDir(cmd.Dir)
	if err != nil || len(left) > 0 {
		t.Errorf("the crash left %v, %v", left, err)
	}
	if !strings.Contains(p.log(), "goroutine 1 ") {
		t.Errorf("no stacks:\n%s", p.log())
	}
	for _, secret := range []string{password, simulator.DefaultPassword, "eyJ"} {
		if strings.Contains(p.log(), secret) {
			t.Errorf("the stacks show %q", secret)
		}
	}
}

// TestSettingsAreNeverPrinted prints the settings, as they are given and as the
// demo fills them, in every way that Go has.
func TestSettingsAreNeverPrinted(t *testing.T) {
	const secret = "settings-secret"
	t.Setenv(envPassword, secret)
	_, s, err := parse([]string{"--ciphertrust.url=https://u:" + secret + "@cm", "--ciphertrust.username=prometheus"})
	if err != nil {
		t.Fatal(err)
	}
	if string(s.credentials.Password) != secret {
		t.Fatal("the settings do not hold the password")
	}
	s.tls.Key = secret
	for what, value := range map[string]any{
		"pointer": s, "copy": *s, "list": []*settings{s}, "credentials": s.credentials, "TLS": s.tls, "pointer to TLS": &s.tls,
		"client's configuration": ciphertrust.Config{Credentials: s.credentials, TLS: s.tls},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			text := fmt.Sprintf(verb, value)
			if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
				t.Errorf("%s by %s shows the secret: %s", what, verb, text)
			}
		}
		line := new(strings.Builder)
		_ = log.NewLogfmtLogger(line).Log("value", value)
		if strings.Contains(line.String(), secret) {
			t.Errorf("%s shows the secret in a log line: %s", what, line)
		}
	}
}

// TestExposedFiles holds that a password file that everybody can read is told
// at the start, and again when it becomes one, and not at every login; one that
// only a group can read is not.
func TestExposedFiles(t *testing.T) {
	dir := t.TempDir()
	appliance, server, env := startAppliance(t, dir)
	cert, key, err := server.ClientCertificate("client-1")
	if err != nil {
		t.Fatal(err)
	}
	// As in a Kubernetes Secret, the path is a link.
	target := write(t, dir, "target", []byte(simulator.DefaultPassword))
	file := filepath.Join(dir, "password")
	if err := os.Symlink("target", file); err != nil {
		t.Fatal(err)
	}
	keyFile := write(t, dir, "client.key", key)
	env = append(env, "CM_PASSWORD_FILE="+file)
	certFlag, keyFlag := "--ciphertrust.cert-file="+write(t, dir, "client.pem", cert), "--ciphertrust.key-file="+keyFile
	mode := func(path string, mode os.FileMode) {
		t.Helper()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	const told = "every user of this machine can "

	mode(target, 0o440)
	p := start(t, env, certFlag, keyFlag)
	login := func(warnings int) {
		t.Helper()
		renewTokens(appliance)
		wantUp(t, p, "after a login")
		p.awaitCount(t, told, warnings)
		if n := strings.Count(p.log(), told); n != warnings {
			t.Errorf("%d warnings, want %d:\n%s", n, warnings, p.log())
		}
	}
	login(0)
	mode(target, 0o444)
	login(1)
	login(1)
	mode(target, 0o400)
	login(1)
	mode(target, 0o604)
	mode(keyFile, 0o602)
	login(3)
	for _, want := range []string{"level=warn", told + "read " + file, "(mode 0604)", "chmod o-rw " + file, told + "change " + keyFile} {
		if !strings.Contains(p.log(), want) {
			t.Errorf("%q is not logged:\n%s", want, p.log())
		}
	}
	p.terminate(t)

	p = start(t, env, certFlag, keyFlag)
	login(2)
	login(2)
	p.terminate(t)

	check := exec.CommandContext(t.Context(), executable(t), "check", certFlag, keyFlag)
	check.Env = slices.Concat(env, []string{actAsProgram + "=1"})
	output, err := check.CombinedOutput()
	if err != nil {
		t.Errorf("check: %v", err)
	}
	for _, want := range []string{"WARN  settings: " + told + "read " + file, "      hint: chmod o-rw " + file, "ok    list google-keys"} {
		if !strings.Contains(string(output), want) {
			t.Errorf("check does not say %q:\n%s", want, output)
		}
	}
}
