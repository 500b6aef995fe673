package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

// signal sends a signal to the process.
func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// hangUp sends SIGHUP and waits until the process has taken it.
func (p *process) hangUp(t *testing.T) {
	t.Helper()
	before := strings.Count(p.log(), "nothing to reload")
	p.signal(t, syscall.SIGHUP)
	p.awaitCount(t, "nothing to reload", before+1)
}

// held is a scrape that the appliance holds up at a place.
type held struct {
	appliance *simulator.Appliance
	process   *process
	// release lets the appliance answer.
	release context.CancelFunc
	answer  chan scrapeAnswer
}

type scrapeAnswer struct {
	body string
	err  error
}

// hold starts the exporter and a scrape of it, and returns once the appliance
// has a request of the method, which it does not answer before its release.
func hold(t *testing.T, method string) *held {
	t.Helper()
	h := &held{answer: make(chan scrapeAnswer, 1)}
	appliance, _, env := startAppliance(t, t.TempDir())
	h.appliance = appliance
	var released context.Context
	released, h.release = context.WithCancel(t.Context())
	asked := make(chan struct{}, 16)
	appliance.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == method {
			asked <- struct{}{}
			select {
			case <-r.Context().Done():
				return
			case <-released.Done():
			}
		}
		next.ServeHTTP(w, r)
	})
	h.process = start(t, env)
	go func() {
		body, err := h.process.scrape(t.Context())
		h.answer <- scrapeAnswer{body, err}
	}()
	<-asked
	return h
}

// places are where a scrape can be when a signal comes.
func places() map[string]string {
	return map[string]string{"login": http.MethodPost, "page": http.MethodGet}
}

// TestHangUpDuringScrape holds that SIGHUP costs nothing, wherever it comes.
func TestHangUpDuringScrape(t *testing.T) {
	for place, method := range places() {
		t.Run(place, func(t *testing.T) {
			h := hold(t, method)
			h.process.hangUp(t)
			h.process.hangUp(t)
			h.release()
			got := <-h.answer
			if got.err != nil {
				t.Fatal(got.err)
			}
			wantLines(t, got.body, `cckm_sync_up{cloud="google",item="key"} 1`, `cckm_sync_up{cloud="azure",item="certificate"} 1`)
			h.process.terminate(t)
		})
	}
}

// TestTerminateDuringScrape holds that a scrape in flight is answered, by what
// was read where the appliance still answers in time, and that no refresh token
// stays behind. SIGHUP meanwhile changes nothing.
func TestTerminateDuringScrape(t *testing.T) {
	t.Parallel()
	for place, method := range places() {
		for _, answers := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, the appliance answers: %t", place, answers), func(t *testing.T) {
				t.Parallel()
				h := hold(t, method)
				defer h.release()
				begun := time.Now()
				h.process.signal(t, syscall.SIGTERM)
				h.process.await(t, "msg=stopping")
				h.process.hangUp(t)
				up := 0
				if answers {
					up = 1
					h.release()
				}
				got := <-h.answer
				if got.err != nil {
					t.Fatalf("the scrape in flight: %v; log:\n%s", got.err, h.process.log())
				}
				wantLines(t, got.body, fmt.Sprintf(`cckm_sync_up{cloud="google",item="key"} %d`, up))
				if err := h.process.wait(); err != nil {
					t.Errorf("after SIGTERM: %v; log:\n%s", err, h.process.log())
				}
				if took := time.Since(begun); took > shutdownLimit {
					t.Errorf("it ended %s after SIGTERM", took)
				}
				if n := len(h.appliance.RefreshTokens()); n != 0 {
					t.Errorf("%d refresh tokens are left on the appliance", n)
				}
			})
		}
	}
}

// TestTerminateDuringFullRead ends the process while a full read runs in the background for which
// no scrape waits: of a list that is not known yet, and of a known one.
func TestTerminateDuringFullRead(t *testing.T) {
	t.Parallel()
	for name, known := range map[string]bool{"a first read": false, "a due read": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			appliance, _, env := startAppliance(t, t.TempDir())
			appliance.SetFixture("cckm/google/synchronization-jobs", nil)
			if err := appliance.List(simulator.GoogleKeys).SetHistory(200, simulator.HistoryShape{}); err != nil {
				t.Fatal(err)
			}
			var hangs atomic.Bool
			asked := make(chan struct{}, 100)
			appliance.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				// An incremental read does not request the second page.
				if hangs.Load() && r.URL.Query().Get("skip") == "19" {
					asked <- struct{}{}
					<-r.Context().Done()
					return
				}
				next.ServeHTTP(w, r)
			})
			p := start(t, env, "--no-collector.azure-certificates", "--collector.page-size=20", "--collector.timeout=2s", "--collector.full-read-interval=1ms")
			if known {
				wantLines(t, p.metrics(t), `cckm_sync_up{cloud="google",item="key"} 1`)
			}
			hangs.Store(true)
			up := 0
			if known {
				up = 1
			}
			wantLines(t, p.metrics(t), fmt.Sprintf(`cckm_sync_up{cloud="google",item="key"} %d`, up))
			if !livetest.WaitFor(30*time.Second, func() bool {
				if known && len(asked) == 0 {
					_ = p.metrics(t)
				}
				return len(asked) > 0
			}) {
				t.Fatalf("no full read; log:\n%s", p.log())
			}
			if took := p.terminate(t); took > shutdownLimit {
				t.Errorf("it ended %s after SIGTERM", took)
			}
			if n := len(appliance.RefreshTokens()); n != 0 {
				t.Errorf("%d refresh tokens are left on the appliance", n)
			}
		})
	}
}

// TestTerminateTwice holds that a second SIGTERM ends the process without
// waiting for the appliance.
func TestTerminateTwice(t *testing.T) {
	h := hold(t, http.MethodGet)
	defer h.release()
	h.process.signal(t, syscall.SIGTERM)
	h.process.await(t, "msg=stopping")
	begun := time.Now()
	// The process may need a moment before the next one is the second.
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for ended := false; !ended; {
		select {
		case <-h.process.done:
			ended = true
		case <-tick.C:
			_ = h.process.cmd.Process.Signal(syscall.SIGTERM)
		}
	}
	if took := time.Since(begun); took > giveUpReadsAfter/2 {
		t.Errorf("it ended %s after the second SIGTERM", took)
	}
	_ = h.process.wait()
	status, ok := h.process.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v", h.process.cmd.ProcessState)
	}
}

// TestSignalsBeforeListening has the signals come while the process starts: it
// is held up at a password file that is a pipe.
func TestSignalsBeforeListening(t *testing.T) {
	for _, test := range []struct {
		name  string
		ended bool
	}{{"SIGHUP", false}, {"SIGHUP and SIGTERM", true}} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			_, _, env := startAppliance(t, dir)
			pipe := filepath.Join(dir, "password")
			if err := syscall.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(executable(t), "--web.listen-address=127.0.0.1:0") //nolint:noctx // The test ends it.
			p := launch(t, cmd, append(env, "CM_PASSWORD_FILE="+pipe))
			// Opening succeeds once the process has opened its end.
			writer, err := os.OpenFile(pipe, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			p.signal(t, syscall.SIGHUP)
			if test.ended {
				p.signal(t, syscall.SIGTERM)
			}
			if _, err := writer.WriteString(simulator.DefaultPassword); err != nil {
				t.Fatal(err)
			}
			if err := writer.Close(); err != nil {
				t.Fatal(err)
			}
			if !test.ended {
				p.await(t, "Listening on")
				// It is taken care of once there is something to reload.
				p.await(t, "nothing to reload")
				p.signal(t, syscall.SIGTERM)
			}
			if err := p.wait(); err != nil {
				t.Errorf("it ended with %v:\n%s", err, p.log())
			}
		})
	}
}

// TestTerminateWithUnfinishedRequest has a client hold a connection on which it
// sends half a request.
func TestTerminateWithUnfinishedRequest(t *testing.T) {
	appliance, _, env := startAppliance(t, t.TempDir())
	p := start(t, env)
	wantUp(t, p, "at first")
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", p.address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("GET /metrics HTTP/1.1\r\nHost: ")); err != nil {
		t.Fatal(err)
	}
	// A later connection that is served shows that this one was accepted.
	wantUp(t, p, "with a client that is slow")
	if took := p.terminate(t); took > shutdownLimit {
		t.Errorf("it ended %s after SIGTERM", took)
	}
	if n := len(appliance.RefreshTokens()); n != 0 {
		t.Errorf("%d refresh tokens are left on the appliance", n)
	}
}
