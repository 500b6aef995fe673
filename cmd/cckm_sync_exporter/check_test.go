package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cckm_sync_exporter/collector/simulator"
)

// TestCheckLogsInOneByOne checks ten targets of one user, and one of another: the
// logins of the one user never overlap, and each target logs in once.
func TestCheckLogsInOneByOne(t *testing.T) {
	dir := t.TempDir()
	appliance, server, _ := startAppliance(t, dir)
	password := write(t, dir, "password", []byte(simulator.DefaultPassword))
	var logins, overlaps atomic.Int64
	// Two logins at once meet here.
	meeting := make(chan struct{})
	appliance.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method != http.MethodPost {
			next.ServeHTTP(w, r)
			return
		}
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if bytes.Contains(body, []byte(simulator.DefaultUsername)) {
			logins.Add(1)
			select {
			case meeting <- struct{}{}:
				overlaps.Add(1)
			case <-meeting:
			case <-time.After(20 * time.Millisecond):
			}
		}
		next.ServeHTTP(w, r)
	})
	var file strings.Builder
	file.WriteString("targets:\n")
	for i := range 11 {
		user := simulator.DefaultUsername
		if i == 10 {
			user = "somebody-else"
		}
		fmt.Fprintf(&file, "- {name: t%d, url: %q, username: %s, password_file: %q, tls_config: {ca_file: %q}}\n",
			i, server.URL, user, password, filepath.Join(dir, "ca.pem"))
	}
	_, s, err := parse([]string{"check", "--config.file=" + write(t, dir, "targets.yml", []byte(file.String()))})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	// The other user is not known to the appliance.
	if err := check(t.Context(), s, newLogs(io.Discard, "error", "logfmt"), &out); err == nil {
		t.Error("check succeeded")
	}
	if logins.Load() != 10 || overlaps.Load() != 0 {
		t.Errorf("%d logins, %d of them during another one, want 10 one by one", logins.Load(), overlaps.Load())
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if got, want := lines[len(lines)-1], "11 targets: 53 ok, 0 warnings, 1 failure"; got != want {
		t.Errorf("the last line is %q, want %q", got, want)
	}
	// The lines of a target are together, in the order of the file.
	var order []string
	for _, line := range lines {
		if fields := strings.Fields(line); len(fields) > 2 && fields[2] == "connect:" {
			order = append(order, fields[1])
		}
	}
	if got, want := strings.Join(order, " "), "t0 t1 t2 t3 t4 t5 t6 t7 t8 t9 t10"; got != want {
		t.Errorf("the targets are reported in the order %s, want %s", got, want)
	}
}

// TestListenAddress checks the form of addresses to listen on. None is bound or
// looked up.
func TestListenAddress(t *testing.T) {
	for address, want := range map[string]string{
		":10458": "", "127.0.0.1:10458": "", "[::1]:10458": "", "[fe80::1%eth0]:10458": "", "exporter.example.com:http": "", ":0": "",
		"vsock://:10458": "", "vsock://2:10458": "",
		"":               "missing port",
		"10458":          "missing port",
		"localhost":      "missing port",
		"::1:10458":      "too many colons",
		":65536":         "neither a port",
		":-1":            "neither a port",
		"nonsense:xx":    "neither a port",
		"http://a:10458": "too many colons",
		"/run/a:10458":   "not a host",
		"vsock://2":      "port of a vsock address",
		"vsock://2:x":    "not a URL",
	} {
		err := validateListenAddress(t.Context(), address)
		if (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got %v, want %q", address, err, want)
		}
	}
}
