package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/simulator"
)

// onceOf returns the settings of once for a simulated appliance whose list has some jobs. It parses flags,
// which tests may not do in parallel: kingpin has global templates.
func onceOf(t *testing.T, jobs int, args ...string) (*settings, *simulator.Appliance) {
	t.Helper()
	appliance := simulator.New(simulator.Options{})
	appliance.List(simulator.GoogleKeys).SetHistory(jobs, simulator.HistoryShape{})
	server, err := appliance.StartTLS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	_, s, err := parse(append([]string{commandOnce, "--collector.disable-defaults", "--collector.google-keys", "--collector.page-size=100"}, args...))
	if err != nil {
		t.Fatal(err)
	}
	s.url, s.tls = server.URL, ciphertrust.TLSConfig{CA: string(server.CAPEM)}
	s.credentials = ciphertrust.Credentials{Username: simulator.DefaultUsername, Password: simulator.DefaultPassword}
	return s, appliance
}

// TestOnceOutlastsTheTimeout reads a list that takes longer than the longest scrape.
func TestOnceOutlastsTheTimeout(t *testing.T) {
	s, appliance := onceOf(t, 2_000, "--collector.timeout=1s", "--collector.concurrency=2")
	t.Parallel()
	appliance.SetLatency(func(*http.Request) time.Duration { return 200 * time.Millisecond })
	var out bytes.Buffer
	shown := &bytes.Buffer{}
	begun := time.Now()
	if err := once(t.Context(), s, newLogs(io.Discard, "info", "logfmt"), &out, &statusLine{out: shown}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took < time.Second {
		t.Errorf("the read took %s, which proves nothing", took)
	}
	wantLines(t, out.String(), `cckm_sync_up{cloud="google",item="key"} 1`)
	if !strings.Contains(shown.String(), "google-keys: ") || !strings.Contains(shown.String(), " of about 21 pages") {
		t.Errorf("the terminal has not shown the progress: %q", shown.String())
	}
	if !strings.HasSuffix(shown.String(), eraseLine) {
		t.Errorf("the progress was not erased at the end: %q", shown.String())
	}
}

// TestOnceEndsWithoutPages checks that a read fails if no further page arrives.
func TestOnceEndsWithoutPages(t *testing.T) {
	s, appliance := onceOf(t, 2_000, "--collector.timeout=1h", "--collector.full-read-timeout=500ms")
	t.Parallel()
	appliance.SetLatency(func(r *http.Request) time.Duration {
		if strings.Contains(r.URL.RawQuery, "skip=0") || r.Method == http.MethodPost {
			return 0
		}
		return time.Hour
	})
	var out bytes.Buffer
	if err := once(t.Context(), s, newLogs(io.Discard, "info", "logfmt"), &out, nil); err == nil {
		t.Error("a list that was not read completely is no error")
	}
	wantLines(t, out.String(), `cckm_sync_up{cloud="google",item="key"} 0`, `cckm_sync_scrape_error{cloud="google",item="key",reason="timeout"} 1`)
}

// TestOnceInterrupted checks that an interrupted read does not replace the file.
func TestOnceInterrupted(t *testing.T) {
	path := write(t, t.TempDir(), "cckm.prom", "old\n")
	s, appliance := onceOf(t, 10, "--output="+path)
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	appliance.SetLatency(func(*http.Request) time.Duration {
		interrupt()
		return time.Hour
	})
	if err := once(ctx, s, newLogs(io.Discard, "info", "logfmt"), io.Discard, nil); err == nil || !strings.Contains(err.Error(), path+" is unchanged") {
		t.Errorf("got %v", err)
	}
	files, err := os.ReadDir(filepath.Dir(path))
	content, readErr := os.ReadFile(path)
	if err != nil || readErr != nil || len(files) != 1 || string(content) != "old\n" {
		t.Errorf("the directory has %v, the file %q: %v, %v", files, content, err, readErr)
	}
}

// TestStatusLine checks that a status is erased before anything else is written, and fits into a terminal.
func TestStatusLine(t *testing.T) {
	var out bytes.Buffer
	line := &statusLine{out: &out}
	for _, text := range []string{"one\n", "status", strings.Repeat("x", 500), "two\n", "status", "", "three\n"} {
		if !strings.HasSuffix(text, "\n") {
			line.show(text)
		} else if _, err := io.WriteString(line, text); err != nil {
			t.Fatal(err)
		}
	}
	want := "one\nstatus" + eraseLine + strings.Repeat("x", maxStatusLine-len("…")) + "…" + eraseLine + "two\nstatus" + eraseLine + "three\n"
	if out.String() != want {
		t.Errorf("the terminal gets %q, want %q", out.String(), want)
	}
}
