package main

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// lastReload returns the metrics about the last reload.
func (p *process) lastReload(t *testing.T) (successful, at string) {
	t.Helper()
	metrics := p.metrics(t)
	value := func(name string) string {
		found := regexp.MustCompile(`(?m)^cckm_sync_exporter_config_last_reload_` + name + ` (\S+)$`).FindStringSubmatch(metrics)
		if found == nil {
			t.Fatalf("the metric about the last reload's %s is missing", name)
		}
		return found[1]
	}
	return value("successful"), value("success_timestamp_seconds")
}

// TestReload replaces the file, and reloads it by SIGHUP and by POST: with valid and invalid files.
func TestReload(t *testing.T) {
	const reload = "/-/reload"
	f := newTargetsFile(t)
	f.set(t, f.entry("one", ""), f.entry("two", ""))
	p := f.serve(t)
	p.wantUp(t, "/probe?target=one")
	p.wantUp(t, "/probe?target=two")
	successful, begun := p.lastReload(t)
	if successful != "1" {
		t.Errorf("at first: %s", successful)
	}

	f.set(t, f.entry("three", ", labels: {region: eu}"), f.entry("one", ", labels: {region: us}"))
	p.signal(t, syscall.SIGHUP)
	p.await(t, "the configuration was loaded", 1)
	p.wantUp(t, "/probe?target=one")
	p.wantUp(t, "/probe?target=three")
	p.mustRequest(t, http.MethodGet, "/probe?target=two", http.StatusNotFound)
	_, loaded := p.lastReload(t)
	if loaded == begun {
		t.Error("the time of the last reload did not change")
	}
	if sd := p.mustRequest(t, http.MethodGet, "/sd", http.StatusOK); !strings.Contains(sd, `"region":"us"`) || strings.Contains(sd, "two") {
		t.Errorf("/sd: %s", sd)
	}

	f.set(t, f.entry("four", ", nonsense: 1"), f.entry("four", ""), f.entry("five", ", timeout: never"))
	body := p.mustRequest(t, http.MethodPost, reload, http.StatusInternalServerError)
	for _, want := range []string{"targets.yml:2: ", "targets.yml:3: ", "targets.yml:4: "} {
		if !regexp.MustCompile(`(?m)^\S*` + want).MatchString(body) {
			t.Errorf("no line of the response begins with %s:\n%s", want, body)
		}
	}
	p.await(t, "the configuration was not loaded, the previous one remains in use", 1)
	if successful, at := p.lastReload(t); successful != "0" || at != loaded {
		t.Errorf("after an invalid file: %s, at %s instead of %s", successful, at, loaded)
	}
	p.wantUp(t, "/probe?target=three")
	p.mustRequest(t, http.MethodGet, "/probe?target=four", http.StatusNotFound)

	const password = "the-password-itself"
	f.set(t, strings.Replace(f.entry("five", ""), f.password, password, 1))
	body = p.mustRequest(t, http.MethodPost, reload, http.StatusInternalServerError)
	p.await(t, "the configuration was not loaded", 2)
	if !strings.Contains(body, "targets.yml:2: targets[0].password_file: ") || strings.Contains(body+p.log(), password) {
		t.Errorf("a password instead of its file: %s\nlog:\n%s", body, p.log())
	}

	f.set(t, f.entry("one", ""))
	p.mustRequest(t, http.MethodPost, reload, http.StatusOK)
	if successful, at := p.lastReload(t); successful != "1" || at == loaded {
		t.Errorf("after a valid file: %s, at %s", successful, at)
	}
	if body := p.mustRequest(t, http.MethodPost, reload, http.StatusOK); body != "the configuration has not changed\n" {
		t.Errorf("a reload of the same file: %s", body)
	}
	// The target that was in each file has kept its token.
	wantLines(t, p.metrics(t), `cckm_sync_exporter_logins_total{grant="password",result="success",target="one"} 1`)
	if n := strings.Count(p.log(), "during=reload"); n != 4 {
		t.Errorf("%d lines about 4 reloads of another file and one of the same:\n%s", n, p.log())
	}
	p.terminate(t)
	f.wantNoTokens(t)
}

// TestFleetShutdown has 200 targets, of which some hang in a probe when the signal arrives. The refresh
// tokens of all others are revoked at once, and the process ends in time.
func TestFleetShutdown(t *testing.T) {
	const targets, hung = 200, 10
	f, slow := newTargetsFile(t), newTargetsFile(t)
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
		p.mustRequest(t, http.MethodGet, fmt.Sprintf("/probe?target=good-%d", i), http.StatusOK)
	}
	for i := range hung {
		p.wantUp(t, fmt.Sprintf("/probe?target=slow-%d", i))
	}
	if n := len(f.RefreshTokens()); n != targets-hung {
		t.Fatalf("%d refresh tokens of %d targets", n, targets-hung)
	}
	// Each target has a token of its own.
	asked := make(chan struct{}, targets)
	var tokens sync.Map
	slow.Intercept(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		if _, known := tokens.LoadOrStore(r.Header.Get("Authorization"), true); !known {
			asked <- struct{}{}
		}
		<-r.Context().Done()
	})
	var wait sync.WaitGroup
	for i := range hung {
		wait.Go(func() {
			body := p.mustRequest(t, http.MethodGet, fmt.Sprintf("/probe?target=slow-%d", i), http.StatusOK)
			wantLines(t, body, `cckm_sync_up{cloud="google",item="key"} 0`)
		})
	}
	for range hung {
		<-asked
	}
	begun := time.Now()
	p.signal(t, syscall.SIGTERM)
	livetest.Eventually(t, giveUpReadsAfter, "the end of the other targets", func() bool { return len(f.RefreshTokens()) == 0 })
	p.wantEnd(t, begun, 0)
	wait.Wait()
}
