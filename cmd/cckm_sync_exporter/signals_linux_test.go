package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

// scene is a process at the moment when it gets SIGTERM.
type scene struct {
	p *process
	// release is called after the signal. It may be nil.
	release func()
	// metrics receives the response to a scrape in flight, which has the lines want. It may be nil.
	metrics <-chan string
	want    []string
	// aborted is true if an orderly shutdown is impossible.
	aborted bool
}

// scrapeAsync starts a scrape, and returns a channel that receives the response.
func (p *process) scrapeAsync(t *testing.T) <-chan string {
	t.Helper()
	metrics := make(chan string, 1)
	go func() {
		status, body, err := p.request(t.Context(), http.MethodGet, "/metrics")
		if err != nil || status != http.StatusOK {
			body = fmt.Sprintf("status %d, %v", status, err)
		}
		metrics <- body
	}()
	return metrics
}

// hold returns a scene with a scrape of which the appliance holds a request. The lists are known or not.
func hold(method string, known, released bool) func(*testing.T, *rig) scene {
	return func(t *testing.T, r *rig) scene {
		t.Helper()
		p := r.start(t)
		if known {
			p.wantUp(t, "/metrics")
		}
		asked, release := make(chan struct{}, 16), make(chan struct{})
		r.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Method == method {
				asked <- struct{}{}
				select {
				case <-r.Context().Done():
					return
				case <-release:
				}
			}
			next.ServeHTTP(w, r)
		})
		s := scene{p: p, metrics: p.scrapeAsync(t), release: func() {}}
		<-asked
		if released {
			s.want, s.release = []string{`cckm_sync_up{cloud="google",item="key"} 1`}, func() { close(release) }
		} else {
			s.want = []string{`cckm_sync_up{cloud="google",item="key"} 0`, `cckm_sync_scrape_error{cloud="google",item="key",reason="timeout"} 1`}
		}
		return s
	}
}

// fullRead returns a scene with a full read in the background, for which no scrape waits.
func fullRead(known bool) func(*testing.T, *rig) scene {
	return func(t *testing.T, r *rig) scene {
		t.Helper()
		r.SetFixture("cckm/google/synchronization-jobs", nil)
		r.List(simulator.GoogleKeys).SetHistory(200, simulator.HistoryShape{})
		var hangs atomic.Bool
		hangs.Store(!known)
		asked := make(chan struct{}, 100)
		r.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			// An incremental read does not request the second page.
			if hangs.Load() && r.URL.Query().Get("skip") == "19" {
				asked <- struct{}{}
				<-r.Context().Done()
				return
			}
			next.ServeHTTP(w, r)
		})
		p := r.start(t, "--no-collector.azure-certificates", "--collector.page-size=20", "--collector.timeout=2s", "--collector.full-read-interval=1ms")
		_ = p.metrics(t)
		hangs.Store(true)
		livetest.Eventually(t, 30*time.Second, "the full read", func() bool {
			if known && len(asked) == 0 {
				_ = p.metrics(t)
			}
			return len(asked) > 0
		})
		return scene{p: p}
	}
}

// lostLog returns a scene whose log goes to a file that cannot be written.
func lostLog(open func() (*os.File, error)) func(*testing.T, *rig) scene {
	return func(t *testing.T, r *rig) scene {
		t.Helper()
		stderr, err := open()
		if err != nil {
			t.Fatal(err)
		}
		p := startLogging(t, r, stderr)
		// A failed read has much to log.
		r.SetLatency(func(*http.Request) time.Duration { return time.Hour })
		r.RevokeAllTokens()
		r.SetLatency(nil)
		p.signal(t, syscall.SIGHUP)
		p.wantUp(t, "/metrics")
		return scene{p: p}
	}
}

// startLogging starts the exporter with a file as standard error, and waits until it listens.
func startLogging(t *testing.T, r *rig, stderr *os.File) *process {
	t.Helper()
	address := livetest.FreeAddress(t)
	cmd := command(t, "--log.level=debug", "--web.listen-address="+address)
	cmd.Stderr = stderr
	p := launch(t, cmd, r.env)
	p.address = address
	livetest.Eventually(t, 30*time.Second, "the exporter listens", func() bool {
		_, _, err := p.request(t.Context(), http.MethodGet, "/metrics")
		return err == nil
	})
	return p
}

// pipe replaces a file by a named pipe. It stands for a file on a dead mount.
func pipe(t *testing.T, path string) string {
	t.Helper()
	_ = os.Remove(path)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// openPipe opens a named pipe for writing, which succeeds when the process has opened it for reading.
func openPipe(t *testing.T, path string) *os.File {
	t.Helper()
	writer, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = writer.Close() })
	return writer
}

// TestTerminate checks that the process ends in time at any moment. Scrapes in flight are answered, and
// no refresh token is left.
func TestTerminate(t *testing.T) {
	t.Parallel()
	for name, reach := range map[string]func(*testing.T, *rig) scene{
		"during a login":                             hold(http.MethodPost, false, false),
		"during a login that succeeds":               hold(http.MethodPost, false, true),
		"during a page":                              hold(http.MethodGet, false, false),
		"during a page that arrives":                 hold(http.MethodGet, false, true),
		"during an incremental read":                 hold(http.MethodGet, true, false),
		"during an incremental read that ends":       hold(http.MethodGet, true, true),
		"during a first full read":                   fullRead(false),
		"during a due full read":                     fullRead(true),
		"while the log is on a full disk":            lostLog(func() (*os.File, error) { return os.OpenFile("/dev/full", os.O_WRONLY, 0) }),
		"while the log is a pipe that nobody reads":  lostLog(brokenPipe),
		"while the log hangs":                        logHangs,
		"while the password hangs at the start":      passwordHangsAtStart,
		"while the password hangs at a login":        passwordHangsAtLogin,
		"while the configuration hangs at the start": configHangsAtStart,
		"while the configuration hangs at a reload":  configHangsAtReload,
		"while a client sends half a request":        halfARequest,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			s := reach(t, r)
			begun := time.Now()
			s.p.signal(t, syscall.SIGTERM)
			if s.release != nil {
				s.p.await(t, "msg=stopping", 1)
				s.p.signal(t, syscall.SIGHUP) // It must not end the process.
				s.release()
			}
			if s.metrics != nil {
				wantLines(t, <-s.metrics, s.want...)
			}
			if s.aborted {
				s.p.wantEnd(t, begun, 1)
				return
			}
			s.p.wantEnd(t, begun, 0)
			r.wantNoTokens(t)
		})
	}
}

func brokenPipe() (*os.File, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	return writer, reader.Close()
}

func passwordHangsAtStart(t *testing.T, r *rig) scene {
	t.Helper()
	file := pipe(t, r.passwordFile(t))
	p := launch(t, command(t), r.env)
	openPipe(t, file)
	return scene{p: p, aborted: true}
}

func configHangsAtStart(t *testing.T, r *rig) scene {
	t.Helper()
	file := pipe(t, filepath.Join(r.dir, "targets.yml"))
	p := launch(t, command(t, "--config.file="+file), nil)
	openPipe(t, file)
	return scene{p: p, aborted: true}
}

func passwordHangsAtLogin(t *testing.T, r *rig) scene {
	t.Helper()
	file := r.passwordFile(t)
	p := r.start(t)
	p.wantUp(t, "/metrics")
	r.renewTokens()
	pipe(t, file)
	p.scrapeAsync(t)
	openPipe(t, file)
	return scene{p: p}
}

func configHangsAtReload(t *testing.T, _ *rig) scene {
	t.Helper()
	f := newTargetsFile(t)
	f.set(t, f.entry("one", ""))
	p := f.serve(t)
	p.wantUp(t, "/probe?target=one")
	pipe(t, f.path)
	p.signal(t, syscall.SIGHUP)
	openPipe(t, f.path)
	return scene{p: p}
}

// logHangs fills the pipe that is the log.
func logHangs(t *testing.T, r *rig) scene {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = reader.Close(), writer.Close() })
	p := startLogging(t, r, writer)
	// The file that is opened again does not block, and the process's own still does.
	fd, err := syscall.Open(fmt.Sprintf("/proc/self/fd/%d", writer.Fd()), syscall.O_WRONLY|syscall.O_NONBLOCK, 0)
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
	return scene{p: p, aborted: true}
}

func halfARequest(t *testing.T, r *rig) scene {
	t.Helper()
	p := r.start(t)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", p.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.Write([]byte("GET /metrics HTTP/1.1\r\nHost: ")); err != nil {
		t.Fatal(err)
	}
	// A later connection that is served shows that this one was accepted.
	p.wantUp(t, "/metrics")
	return scene{p: p}
}

// TestTerminateTwice checks that a second SIGTERM ends the process without waiting for the appliance.
func TestTerminateTwice(t *testing.T) {
	p := hold(http.MethodGet, false, false)(t, newRig(t)).p
	p.signal(t, syscall.SIGTERM)
	p.await(t, "msg=stopping", 1)
	begun := time.Now()
	// It takes a moment until another signal has its default effect.
	livetest.Eventually(t, giveUpReadsAfter/2, "the end", func() bool {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.done:
			return true
		default:
			return false
		}
	})
	_ = p.cmd.Wait()
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("it ended %s after the second SIGTERM with %v", time.Since(begun), p.cmd.ProcessState)
	}
}

// TestSignalsBeforeListening sends signals while the process starts and reads a pipe: the arguments,
// which are read before anything else, or the password.
func TestSignalsBeforeListening(t *testing.T) {
	for name, content := range map[string]string{"arguments": "--log.level=debug\n", "password": simulator.DefaultPassword} {
		for _, ended := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, SIGTERM: %t", name, ended), func(t *testing.T) {
				r := newRig(t)
				args := []string{"--log.level=debug", "--web.listen-address=127.0.0.1:0"}
				file := pipe(t, r.passwordFile(t))
				if name == "arguments" {
					r.env = append(r.env, "CM_PASSWORD="+simulator.DefaultPassword, "CM_PASSWORD_FILE=")
					args[0] = "@" + file
				}
				p := launch(t, command(t, args...), r.env)
				writer := openPipe(t, file)
				p.signal(t, syscall.SIGHUP)
				if ended {
					p.signal(t, syscall.SIGTERM)
				}
				if _, err := writer.WriteString(content); err != nil {
					t.Fatal(err)
				}
				if err := writer.Close(); err != nil {
					t.Fatal(err)
				}
				if !ended {
					p.awaitListening(t)
					p.await(t, "nothing to reload", 1)
					p.signal(t, syscall.SIGTERM)
				}
				p.wantEnd(t, time.Now(), 0)
			})
		}
	}
}

// TestOutOfFiles has clients use up the file descriptors of the exporter. Reads then fail by the network,
// not by the files that cannot be read either, until the clients are gone.
func TestOutOfFiles(t *testing.T) {
	const files = 40
	r := newRig(t)
	r.passwordFile(t)
	p := launch(t, shell(t, fmt.Sprintf(`ulimit -n %d; exec "$0" --web.listen-address=127.0.0.1:0`, files)), r.env).awaitListening(t)
	p.wantUp(t, "/metrics")

	// This connection is open before there are too many.
	scraper := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	defer scraper.CloseIdleConnections()
	scrape := func() string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.address+"/metrics", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		_, body, err := do(scraper, req)
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	scrape()
	clients := make([]net.Conn, 0, 2*files)
	for range 2 * files {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", p.address)
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, conn)
	}
	p.await(t, "too many open files", 1)
	for _, renew := range []bool{false, true} {
		if renew {
			r.renewTokens()
		}
		wantLines(t, scrape(), `cckm_sync_scrape_error{cloud="google",item="key",reason="network"} 1`,
			`cckm_sync_scrape_error{cloud="azure",item="certificate",reason="network"} 1`)
	}
	for _, conn := range clients {
		_ = conn.Close()
	}
	livetest.Eventually(t, 30*time.Second, "the lists are read again", func() bool {
		return strings.Contains(scrape(), `cckm_sync_up{cloud="google",item="key"} 1`)
	})
	p.terminate(t)
}
