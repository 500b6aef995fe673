package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/go-kit/log"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/simulator"
)

// TestCrash crashes the process while it is logged in, with the most detailed stacks of Go: no core file
// is left, and the stacks have no secret.
func TestCrash(t *testing.T) {
	const limits = "ulimit -c unlimited"
	// Another program leaves a core file, or the test would prove nothing.
	crash := shell(t, limits+"; kill -ABRT $$")
	crash.Dir = t.TempDir()
	_ = crash.Run()
	if left, err := os.ReadDir(crash.Dir); err != nil || len(left) == 0 {
		pattern, _ := os.ReadFile("/proc/sys/kernel/core_pattern")
		t.Skipf("a crash leaves no file in its directory here: core_pattern is %q, %v", pattern, err)
	}

	r := newRig(t)
	r.passwordFile(t)
	asked := make(chan struct{}, 100)
	r.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPost {
			next.ServeHTTP(w, r)
			return
		}
		asked <- struct{}{}
		<-r.Context().Done()
	})
	// A server is confined, and could not write the file for that reason.
	cmd := shell(t, limits+`; exec "$0" once`)
	cmd.Dir = t.TempDir()
	p := launch(t, cmd, append(r.env, "GOTRACEBACK=crash"))
	<-asked
	p.signal(t, syscall.SIGABRT)
	<-p.done
	if err := p.cmd.Wait(); err == nil || !strings.Contains(p.log(), "goroutine 1 ") {
		t.Errorf("it has not crashed: %v\n%s", err, p.log())
	}
	if left, err := os.ReadDir(cmd.Dir); err != nil || len(left) > 0 {
		t.Errorf("the crash left %v, %v", left, err)
	}
	for _, secret := range []string{simulator.DefaultPassword, "eyJ"} {
		if strings.Contains(p.log(), secret) {
			t.Errorf("the stacks have %q", secret)
		}
	}
}

// TestSettingsAreNeverPrinted formats the settings in every way of fmt and of the log.
func TestSettingsAreNeverPrinted(t *testing.T) {
	const secret = "settings-secret"
	t.Setenv(envPassword, secret)
	_, s, err := parse([]string{"--ciphertrust.url=https://u:" + secret + "@cm", "--ciphertrust.username=prometheus"})
	if err != nil {
		t.Fatal(err)
	}
	if string(s.credentials.Password) != secret {
		t.Fatal("the settings lack the password")
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

// TestExposedFiles checks that the log and check name a password file that every user can read: at the
// start and when it becomes one, and not at each login.
func TestExposedFiles(t *testing.T) {
	const warning = "every user of this machine can read "
	r := newRig(t)
	// As in a Kubernetes Secret, the path is a link.
	target := r.passwordFile(t)
	file := filepath.Join(r.dir, "link")
	if err := os.Symlink("password", file); err != nil {
		t.Fatal(err)
	}
	r.env = append(r.env, "CM_PASSWORD_FILE="+file)
	p := r.start(t)
	for _, step := range []struct {
		mode     os.FileMode
		warnings int
	}{{0o440, 0}, {0o444, 1}, {0o444, 1}, {0o400, 1}, {0o604, 2}} {
		if err := os.Chmod(target, step.mode); err != nil {
			t.Fatal(err)
		}
		r.renewTokens()
		p.wantUp(t, "/metrics")
		p.await(t, warning, step.warnings)
		if n := strings.Count(p.log(), warning); n != step.warnings {
			t.Errorf("%d warnings, want %d:\n%s", n, step.warnings, p.log())
		}
	}
	r.start(t).await(t, warning+file, 1)
	f := newTargetsFile(t)
	f.set(t, f.entry("one", ", proxy_url: http://proxy.example.com, no_proxy: 127.0.0.1"))
	if err := os.Chmod(f.path, 0o644); err != nil {
		t.Fatal(err)
	}
	p = f.serve(t)
	f.set(t, f.entry("one", ", proxy_url: 'http://u:geheim@proxy.example.com', no_proxy: 127.0.0.1"))
	if err := os.Chmod(f.path, 0o644); err != nil {
		t.Fatal(err)
	}
	p.mustRequest(t, http.MethodPost, "/-/reload", http.StatusOK)
	p.await(t, warning+f.path, 1)
	if n := strings.Count(p.log(), warning); n != 1 || strings.Contains(p.log(), "geheim") {
		t.Errorf("%d warnings of a file with a proxy, with and without a password:\n%s", n, p.log())
	}
	out, _, code := runCommand(t, r.env, "check")
	for _, want := range []string{"WARN  settings: " + warning + file, "      hint: chmod o-rw " + file, "ok    list google-keys"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("check ends with the code %d and lacks %q:\n%s", code, want, out)
		}
	}
}
