package main

import (
	"context"
	"errors"
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

// hangUp sends SIGHUP and waits until the process has handled it. That is logged at level debug.
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

// place is where a scrape can be when a signal arrives: at a request of the method, of lists that are
// known or not.
type place struct {
	name, method string
	known        bool
}

func places() []place {
	return []place{{"login", http.MethodPost, false}, {"page", http.MethodGet, false}, {"proof", http.MethodGet, true}}
}

// hold starts the exporter and a scrape of it, and returns when the appliance has a request of the
// place, which it does not answer before its release.
func hold(t *testing.T, at place) *held {
	t.Helper()
	h := &held{answer: make(chan scrapeAnswer, 1)}
	appliance, _, env := startAppliance(t, t.TempDir())
	h.appliance = appliance
	h.process = start(t, env, "--log.level=debug")
	if at.known {
		wantUp(t, h.process, "at first")
	}
	var released context.Context
	released, h.release = context.WithCancel(t.Context())
	asked := make(chan struct{}, 16)
	appliance.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == at.method {
			asked <- struct{}{}
			select {
			case <-r.Context().Done():
				return
			case <-released.Done():
			}
		}
		next.ServeHTTP(w, r)
	})
	go h.scrape(t)
	<-asked
	return h
}

func (h *held) scrape(t *testing.T) {
	t.Helper()
	body, err := h.process.scrape(t.Context())
	h.answer <- scrapeAnswer{body, err}
}

// TestHangUpDuringScrape holds that SIGHUP does not disturb a scrape.
func TestHangUpDuringScrape(t *testing.T) {
	for _, at := range places() {
		t.Run(at.name, func(t *testing.T) {
			h := hold(t, at)
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

// TestTerminateDuringScrape holds that a scrape in flight is answered: with the lists if the appliance
// answers in time. No refresh token remains on the appliance. SIGHUP meanwhile changes nothing.
func TestTerminateDuringScrape(t *testing.T) {
	t.Parallel()
	for _, at := range places() {
		for _, answers := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, the appliance answers: %t", at.name, answers), func(t *testing.T) {
				t.Parallel()
				h := hold(t, at)
				defer h.release()
				begun := time.Now()
				h.process.signal(t, syscall.SIGTERM)
				h.process.await(t, "msg=stopping")
				h.process.hangUp(t)
				want := []string{`cckm_sync_up{cloud="google",item="key"} 0`, `cckm_sync_scrape_error{cloud="google",item="key",reason="timeout"} 1`}
				if answers {
					want = []string{`cckm_sync_up{cloud="google",item="key"} 1`}
					h.release()
				}
				got := <-h.answer
				if got.err != nil {
					t.Fatalf("the scrape in flight: %v; log:\n%s", got.err, h.process.log())
				}
				wantLines(t, got.body, want...)
				h.process.wantEnd(t, begun, 0)
				if n := len(h.appliance.RefreshTokens()); n != 0 {
					t.Errorf("%d refresh tokens are left on the appliance", n)
				}
			})
		}
	}
}

// wantEnd waits until the process has ended. It must do so in time with the exit code, which is 1 if it
// was aborted.
func (p *process) wantEnd(t *testing.T, signaled time.Time, code int) {
	t.Helper()
	err := p.wait()
	if took := time.Since(signaled); took > shutdownLimit {
		t.Errorf("it ended %s after the signal", took)
	}
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		t.Errorf("it ended with %v, want the code %d; log:\n%s", err, code, p.log())
	}
	if aborted := strings.Contains(p.log(), "the process was aborted"); aborted != (code == 1) && p.cmd.Stderr == nil {
		t.Errorf("the log says that the process was aborted: %t\n%s", aborted, p.log())
	}
}

// pipe makes a named pipe in a directory, instead of a file of that name.
func pipe(t *testing.T, path string) string {
	t.Helper()
	_ = os.Remove(path)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// openPipe opens a named pipe for writing, which succeeds once the process has opened it for reading.
func openPipe(t *testing.T, path string) *os.File {
	t.Helper()
	writer, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = writer.Close() })
	return writer
}

// TestTerminateWhatHangs ends processes in which something hangs that no context cancels: pipes that
// nobody writes to stand for files on a dead mount.
func TestTerminateWhatHangs(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		code int
		hang func(t *testing.T, dir string) *process
	}{
		"the password at the start": {1, func(t *testing.T, dir string) *process {
			t.Helper()
			_, _, env := startAppliance(t, dir)
			file := pipe(t, filepath.Join(dir, "password"))
			p := launch(t, exec.Command(executable(t)), append(env, "CM_PASSWORD_FILE="+file)) //nolint:noctx // The test ends it.
			openPipe(t, file)
			return p
		}},
		"the configuration at the start": {1, func(t *testing.T, dir string) *process {
			t.Helper()
			file := pipe(t, filepath.Join(dir, "targets.yml"))
			p := launch(t, exec.Command(executable(t), "--config.file="+file), nil) //nolint:noctx // The test ends it.
			openPipe(t, file)
			return p
		}},
		"the password at a login": {0, func(t *testing.T, dir string) *process {
			t.Helper()
			appliance, _, env := startAppliance(t, dir)
			file := write(t, dir, "password", []byte(simulator.DefaultPassword))
			p := start(t, append(env, "CM_PASSWORD_FILE="+file))
			wantUp(t, p, "at first")
			renewTokens(appliance)
			h := &held{process: p, answer: make(chan scrapeAnswer, 1)}
			pipe(t, file)
			go h.scrape(t)
			openPipe(t, file)
			return p
		}},
		"the configuration at a reload": {0, func(t *testing.T, _ string) *process {
			t.Helper()
			f := newTargetsFile(t)
			f.set(t, f.entry("one", ""))
			p := f.serve(t)
			p.probe(t, "one")
			pipe(t, f.path)
			p.signal(t, syscall.SIGHUP)
			openPipe(t, f.path)
			return p
		}},
		"the log": {1, func(t *testing.T, dir string) *process {
			t.Helper()
			_, _, env := startAppliance(t, dir)
			reader, writer, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _, _ = reader.Close(), writer.Close() })
			p := startLogging(t, env, writer)
			fill(t, writer)
			return p
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := test.hang(t, t.TempDir())
			begun := time.Now()
			p.signal(t, syscall.SIGTERM)
			p.wantEnd(t, begun, test.code)
		})
	}
}

// fill writes to a pipe until it is full.
func fill(t *testing.T, pipe *os.File) {
	t.Helper()
	// The file that is opened again does not block, and the process's own still does.
	fd, err := syscall.Open(fmt.Sprintf("/proc/self/fd/%d", pipe.Fd()), syscall.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(fd) }()
	for err == nil {
		_, err = syscall.Write(fd, []byte{'x'})
	}
	if !errors.Is(err, syscall.EAGAIN) {
		t.Fatal(err)
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
			appliance.List(simulator.GoogleKeys).SetHistory(200, simulator.HistoryShape{})
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
	h := hold(t, places()[1])
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

// TestSignalsBeforeListening sends signals while the process starts and reads a file that is a pipe: its
// arguments, which are read before anything else, or the password.
func TestSignalsBeforeListening(t *testing.T) {
	for name, test := range map[string]struct {
		content string
		use     func(file string) (args, env []string)
	}{
		"arguments": {"--log.level=debug\n", func(file string) (args, env []string) { return []string{"@" + file}, nil }},
		"password": {simulator.DefaultPassword, func(file string) (args, env []string) {
			return []string{"--log.level=debug"}, []string{"CM_PASSWORD_FILE=" + file}
		}},
	} {
		for _, ended := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, SIGTERM: %t", name, ended), func(t *testing.T) {
				dir := t.TempDir()
				_, _, env := startAppliance(t, dir)
				file := pipe(t, filepath.Join(dir, "pipe"))
				args, more := test.use(file)
				cmd := exec.Command(executable(t), append(args, "--web.listen-address=127.0.0.1:0")...) //nolint:noctx // The test ends it.
				p := launch(t, cmd, append(env, more...))
				writer := openPipe(t, file)
				p.signal(t, syscall.SIGHUP)
				if ended {
					p.signal(t, syscall.SIGTERM)
				}
				if _, err := writer.WriteString(test.content); err != nil {
					t.Fatal(err)
				}
				if err := writer.Close(); err != nil {
					t.Fatal(err)
				}
				if !ended {
					p.await(t, "Listening on")
					p.await(t, "nothing to reload")
					p.signal(t, syscall.SIGTERM)
				}
				p.wantEnd(t, time.Now(), 0)
			})
		}
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
