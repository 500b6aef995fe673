package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cckm_sync_exporter/collector/simulator"
)

// targetsFile is a configuration file of targets of one simulated appliance.
type targetsFile struct {
	appliance *simulator.Appliance
	server    *simulator.Server
	dir, path string
}

func newTargetsFile(tb testing.TB) *targetsFile {
	tb.Helper()
	f := &targetsFile{dir: tb.TempDir()}
	f.appliance, f.server, _ = startAppliance(tb, f.dir)
	write(tb, f.dir, "password", []byte(simulator.DefaultPassword))
	f.path = filepath.Join(tb.TempDir(), "targets.yml")
	return f
}

// entry is a target of the file.
func (f *targetsFile) entry(name, more string) string {
	return f.entryOf(name, f.server.URL, filepath.Join(f.dir, "password"), more)
}

// entryOf is an entry with an address and a password file of its own.
func (f *targetsFile) entryOf(name, url, password, more string) string {
	return fmt.Sprintf("- {name: %s, url: %q, username: %s, password_file: %q, tls_config: {ca_file: %q}%s}\n",
		name, url, simulator.DefaultUsername, password, filepath.Join(f.dir, "ca.pem"), more)
}

// set puts a new file in the place of the last one.
func (f *targetsFile) set(tb testing.TB, entries ...string) {
	tb.Helper()
	replace(tb, f.path, []byte("targets:\n"+strings.Join(entries, "")))
}

// serve starts the exporter with the file.
func (f *targetsFile) serve(tb testing.TB) *process {
	tb.Helper()
	return start(tb, nil, "--config.file="+f.path)
}

// request asks the process, and returns the body of an answer of that status.
func (p *process) request(tb testing.TB, method, path string, status int) string {
	tb.Helper()
	req, err := http.NewRequestWithContext(tb.Context(), method, "http://"+p.address+path, http.NoBody)
	if err != nil {
		tb.Fatal(err)
	}
	return do(tb, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, req, status)
}

// probe reads a target, whose lists must be there.
func (p *process) probe(tb testing.TB, name string) {
	tb.Helper()
	wantLines(tb, p.request(tb, http.MethodGet, "/probe?target="+name, http.StatusOK),
		`cckm_sync_up{cloud="google",item="key"} 1`, `cckm_sync_up{cloud="azure",item="certificate"} 1`)
}

// lastReload returns what the metrics say of the last reload.
func (p *process) lastReload(t *testing.T) (successful, at string) {
	t.Helper()
	metrics := p.metrics(t)
	value := func(name string) string {
		found := regexp.MustCompile(`(?m)^cckm_sync_exporter_config_last_reload_` + name + ` (\S+)$`).FindStringSubmatch(metrics)
		if found == nil {
			t.Fatalf("there is no metric of the last reload's %s", name)
		}
		return found[1]
	}
	return value("successful"), value("success_timestamp_seconds")
}

// TestReload has the file change under a process: by SIGHUP and by POST, for the
// better, for the worse, and for the better again.
func TestReload(t *testing.T) {
	f := newTargetsFile(t)
	f.set(t, f.entry("one", ""), f.entry("two", ""))
	p := f.serve(t)
	p.probe(t, "one")
	p.probe(t, "two")
	successful, begun := p.lastReload(t)
	if successful != "1" {
		t.Errorf("at first: %s", successful)
	}

	f.set(t, f.entry("three", ", labels: {region: eu}"), f.entry("one", ", labels: {region: us}"))
	p.signal(t, syscall.SIGHUP)
	p.await(t, "the configuration was loaded")
	p.probe(t, "one")
	p.probe(t, "three")
	p.request(t, http.MethodGet, "/probe?target=two", http.StatusNotFound)
	_, loaded := p.lastReload(t)
	if loaded == begun {
		t.Error("the time of the last reload did not change")
	}
	if sd := p.request(t, http.MethodGet, "/sd", http.StatusOK); !strings.Contains(sd, `"region":"us"`) || strings.Contains(sd, "two") {
		t.Errorf("/sd: %s", sd)
	}
	wantLines(t, p.metrics(t), `cckm_sync_exporter_logins_total{grant="password",result="success",target="one"} 1`)

	f.set(t, f.entry("four", ", nonsense: 1"), f.entry("four", ""), f.entry("five", ", timeout: never"))
	answer := p.request(t, http.MethodPost, "/-/reload", http.StatusInternalServerError)
	for _, want := range []string{"targets.yml:2: ", "targets.yml:3: ", "targets.yml:4: "} {
		if !regexp.MustCompile(`(?m)^\S*` + want).MatchString(answer) {
			t.Errorf("no line of the answer begins with %s:\n%s", want, answer)
		}
	}
	p.await(t, "the configuration was not loaded, the previous one remains in use")
	if successful, at := p.lastReload(t); successful != "0" || at != loaded {
		t.Errorf("after a bad file: %s, at %s instead of %s", successful, at, loaded)
	}
	p.probe(t, "one")
	p.probe(t, "three")
	p.request(t, http.MethodGet, "/probe?target=four", http.StatusNotFound)

	const password = "the-password-itself"
	f.set(t, f.entryOf("five", f.server.URL, password, ""))
	answer = p.request(t, http.MethodPost, "/-/reload", http.StatusInternalServerError)
	p.awaitCount(t, "the configuration was not loaded", 2)
	if !strings.Contains(answer, "targets.yml:2: targets[0].password_file: ") || strings.Contains(answer+p.log(), password) {
		t.Errorf("a password instead of its file: %s\nlog:\n%s", answer, p.log())
	}

	f.set(t, f.entry("one", ""))
	p.request(t, http.MethodPost, "/-/reload", http.StatusOK)
	if successful, at := p.lastReload(t); successful != "1" || at == loaded {
		t.Errorf("after it was mended: %s, at %s", successful, at)
	}
	wantLines(t, p.metrics(t), `cckm_sync_exporter_logins_total{grant="password",result="success",target="one"} 1`)
	for range 10 {
		if answer := p.request(t, http.MethodPost, "/-/reload", http.StatusOK); answer != "the configuration has not changed\n" {
			t.Errorf("a reload of the same file: %s", answer)
		}
	}
	if n := strings.Count(p.log(), "during=reload"); n != 4 {
		t.Errorf("%d lines about 4 reloads of another file and 10 of the same:\n%s", n, p.log())
	}
	p.terminate(t)
	if n := len(f.appliance.RefreshTokens()); n != 0 {
		t.Errorf("%d refresh tokens are left on the appliance", n)
	}
}

// TestReloadStorm has SIGHUP and POST come all the time while targets are probed,
// and the process end in the middle of it.
func TestReloadStorm(t *testing.T) {
	f := newTargetsFile(t)
	f.set(t, f.entry("one", ""), f.entry("two", ""))
	p := f.serve(t)
	for i := range 40 {
		f.set(t, f.entry("one", ""), f.entry("two", fmt.Sprintf(", timeout: %ds", 60+i)))
		var wait sync.WaitGroup
		wait.Go(func() { p.request(t, http.MethodPost, "/-/reload", http.StatusOK) })
		wait.Go(func() { p.probe(t, "one") })
		wait.Go(func() { p.probe(t, "two") })
		for range 5 {
			_ = p.cmd.Process.Signal(syscall.SIGHUP)
		}
		wait.Wait()
	}
	wantLines(t, p.metrics(t), `cckm_sync_exporter_logins_total{grant="password",result="success",target="one"} 1`)
	ended := make(chan struct{})
	var storm sync.WaitGroup
	storm.Go(func() {
		for {
			select {
			case <-ended:
				return
			default:
				_ = p.cmd.Process.Signal(syscall.SIGHUP)
			}
		}
	})
	took := p.terminate(t)
	close(ended)
	storm.Wait()
	if took > shutdownLimit {
		t.Errorf("it ended %s after SIGTERM", took)
	}
	if n := len(f.appliance.RefreshTokens()); n != 0 {
		t.Errorf("%d refresh tokens are left on the appliance", n)
	}
}

// TestFleetShutdown has 200 targets, of which some hang in a probe when the signal
// comes: the process ends in time, and revokes the refresh tokens of all others.
func TestFleetShutdown(t *testing.T) {
	const targets, hung = 200, 10
	f := newTargetsFile(t)
	slow := newTargetsFile(t)
	asked := make(chan struct{}, targets)
	entries := make([]string, 0, targets)
	for i := range targets - hung {
		entries = append(entries, f.entry(fmt.Sprintf("good-%d", i), ", collectors: [google-keys]"))
	}
	for i := range hung {
		entries = append(entries, slow.entry(fmt.Sprintf("slow-%d", i), ""))
	}
	f.set(t, entries...)
	p := f.serve(t)
	for i := range targets - hung {
		p.request(t, http.MethodGet, fmt.Sprintf("/probe?target=good-%d", i), http.StatusOK)
	}
	for i := range hung {
		p.probe(t, fmt.Sprintf("slow-%d", i))
	}
	// Each target has a token of its own.
	var tokens sync.Map
	slow.appliance.Intercept(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		if _, known := tokens.LoadOrStore(r.Header.Get("Authorization"), true); !known {
			asked <- struct{}{}
		}
		<-r.Context().Done()
	})
	if n := len(f.appliance.RefreshTokens()); n != targets-hung {
		t.Fatalf("%d refresh tokens of %d targets", n, targets-hung)
	}
	var wait sync.WaitGroup
	for i := range hung {
		wait.Go(func() {
			body := p.request(t, http.MethodGet, fmt.Sprintf("/probe?target=slow-%d", i), http.StatusOK)
			wantLines(t, body, `cckm_sync_up{cloud="google",item="key"} 0`)
		})
	}
	for range hung {
		<-asked
	}
	if took := p.terminate(t); took > shutdownLimit {
		t.Errorf("it ended %s after SIGTERM", took.Round(time.Millisecond))
	}
	wait.Wait()
	if n := len(f.appliance.RefreshTokens()); n != 0 {
		t.Errorf("%d refresh tokens are left on the appliance that answers", n)
	}
}
