package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

// TestLostLog holds that the exporter continues, and ends as it should, if its log cannot be written:
// to a full disk, or to a pipe that nobody reads any more.
func TestLostLog(t *testing.T) {
	for _, test := range []struct {
		name string
		// open returns what becomes standard error.
		open func(t *testing.T) *os.File
	}{
		{"a full disk", func(t *testing.T) *os.File {
			t.Helper()
			full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			return full
		}},
		{"a closed pipe", func(t *testing.T) *os.File {
			t.Helper()
			reader, writer, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := reader.Close(); err != nil {
				t.Fatal(err)
			}
			return writer
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			appliance, _, env := startAppliance(t, t.TempDir())
			p := startLogging(t, env, test.open(t))
			// A failed read has much to log.
			appliance.SetLatency(func(*http.Request) time.Duration { return time.Hour })
			appliance.RevokeAllTokens()
			p.signal(t, syscall.SIGHUP)
			appliance.SetLatency(nil)
			wantLines(t, p.metrics(t), `cckm_sync_up{cloud="google",item="key"} 1`, `cckm_sync_up{cloud="azure",item="certificate"} 1`)
			begun := time.Now()
			p.signal(t, syscall.SIGTERM)
			p.wantEnd(t, begun, 0)
			if n := len(appliance.RefreshTokens()); n != 0 {
				t.Errorf("%d refresh tokens are left on the appliance", n)
			}
		})
	}
}

// startLogging starts the exporter with a file as standard error, and waits until it
// listens.
func startLogging(t *testing.T, env []string, stderr *os.File) *process {
	t.Helper()
	p := &process{address: livetest.FreeAddress(t), done: make(chan struct{})}
	p.cmd = exec.Command(executable(t), "--log.level=debug", "--web.listen-address="+p.address) //nolint:noctx // The test ends it.
	p.cmd.Env = slices.Concat(env, []string{actAsProgram + "=1"})
	p.cmd.Stderr = stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	close(p.done)
	livetest.Eventually(t, 30*time.Second, "the exporter listens", func() bool {
		_, err := p.scrape(t.Context())
		return err == nil
	})
	return p
}

// startLimited starts the exporter by a shell that sets limits first.
func startLimited(t *testing.T, env []string, limits string, args ...string) *process {
	t.Helper()
	args = append([]string{"-c", limits + `; exec "$0" "$@"`, executable(t), "--web.listen-address=127.0.0.1:0"}, args...)
	return startCommand(t, exec.Command("sh", args...), env) //nolint:noctx // The test ends it.
}

// TestOutOfFiles has clients hold so many connections that the exporter can open
// none to the appliance: a read then fails by its network and not by its
// credentials or certificates, which cannot be read either, and all is well once
// the clients are gone.
func TestOutOfFiles(t *testing.T) {
	dir := t.TempDir()
	appliance, _, env := startAppliance(t, dir)
	const files = 40
	p := startLimited(t, append(env, "CM_PASSWORD_FILE="+write(t, dir, "password", []byte(simulator.DefaultPassword))),
		fmt.Sprintf("ulimit -n %d", files))
	wantUp(t, p, "at first")

	// A connection of our own, made in time, is how it can still be scraped.
	scraper := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	defer scraper.CloseIdleConnections()
	scrape := func() string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.address+"/metrics", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		return do(t, scraper, req, http.StatusOK)
	}
	scrape()
	idle := make([]net.Conn, 0, 2*files)
	defer func() {
		for _, conn := range idle {
			_ = conn.Close()
		}
	}()
	for range 2 * files {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", p.address)
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, conn)
	}
	p.await(t, "too many open files")

	for _, tokens := range []string{"with a token", "without a token"} {
		if tokens == "without a token" {
			renewTokens(appliance)
		}
		wantLines(t, scrape(), `cckm_sync_up{cloud="google",item="key"} 0`, `cckm_sync_up{cloud="azure",item="certificate"} 0`,
			`cckm_sync_scrape_error{cloud="google",item="key",reason="network"} 1`,
			`cckm_sync_scrape_error{cloud="azure",item="certificate",reason="network"} 1`)
	}
	for _, conn := range idle {
		_ = conn.Close()
	}
	livetest.Eventually(t, 30*time.Second, "the lists are read again", func() bool {
		body, err := p.scrape(t.Context())
		return err == nil && strings.Count(body, "\ncckm_sync_up{") == 2 && strings.Count(body, `reason="network"} 0`) == 2
	})
	wantUp(t, p, "when the clients are gone")
	p.terminate(t)
}
