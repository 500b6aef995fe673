package main

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestNotify checks what systemd gets to know and in which order: that the exporter is ready only once it listens,
// the result of each reload, and its end. The process is confined by Landlock.
func TestNotify(t *testing.T) {
	f := newTargetsFile(t)
	socket := listenForNotifications(t, filepath.Join(f.dir, "notify"))
	f.env = append(f.env, "NOTIFY_SOCKET="+socket.LocalAddr().String())
	f.set(t, f.entry("one", ""), f.entry("two", ""))
	p := f.serve(t)
	want := func(pattern string) {
		t.Helper()
		if message := receive(t, socket); !regexp.MustCompile("^" + pattern + "$").MatchString(message) {
			t.Fatalf("systemd is sent %q, want %q; log:\n%s", message, pattern, p.log())
		}
	}
	const reloading = `RELOADING=1\nMONOTONIC_USEC=\d+`
	want(`READY=1\nSTATUS=2 targets`)
	p.mustRequest(t, http.MethodGet, "/-/healthy", http.StatusOK)

	f.set(t, f.entry("one", ""))
	p.signal(t, syscall.SIGHUP)
	want(reloading)
	want(`STATUS=1 target; the configuration was loaded`)
	want(`READY=1`)

	// An error has a line for each problem, and a line break would begin another variable.
	f.set(t, f.entry("four", ", nonsense: 1"), f.entry("five", ", timeout: never"))
	p.signal(t, syscall.SIGHUP)
	want(reloading)
	want(`STATUS=1 target; the configuration was not loaded: [^\n]*targets.yml:2: [^\n]*targets.yml:3: [^\n]*`)
	want(`READY=1`)

	// Other reloads change the status only: nobody waits for them at systemd.
	f.set(t, f.entry("one", ""))
	p.mustRequest(t, http.MethodPost, "/-/reload", http.StatusOK)
	want(`STATUS=1 target; the configuration was loaded`)

	p.terminate(t)
	want(`STOPPING=1\nSTATUS=stopping`)
}

// TestNotifyError checks that systemctl status shows why the exporter did not start.
func TestNotifyError(t *testing.T) {
	socket := listenForNotifications(t, filepath.Join(t.TempDir(), "notify"))
	_, log, code := runCommand(t, []string{"NOTIFY_SOCKET=" + socket.LocalAddr().String(), "CM_ADDRESS=ftp://cm.example.com"})
	if message := receive(t, socket); code != 1 || !strings.HasPrefix(message, "STATUS=error: --ciphertrust.url") || strings.Contains(message, "\n") {
		t.Errorf("code %d, and systemd is sent %q; log:\n%s", code, message, log)
	}
}

// TestNotifyFails checks that the exporter serves, and reports it, if its messages are not received.
func TestNotifyFails(t *testing.T) {
	r := newRig(t)
	r.env = append(r.env, "NOTIFY_SOCKET="+filepath.Join(r.dir, "missing"))
	p := r.start(t)
	p.wantUp(t, "/metrics")
	p.await(t, "systemd was not notified", 1)
	p.terminate(t)
}

// TestNotifyBlocks checks that a service manager that receives nothing delays neither reloads nor the end for long.
func TestNotifyBlocks(t *testing.T) {
	socket := listenForNotifications(t, filepath.Join(t.TempDir(), "notify"))
	r := newRig(t)
	r.env = append(r.env, "NOTIFY_SOCKET="+socket.LocalAddr().String())
	p := r.start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for !strings.Contains(p.log(), "systemd was not notified") { // Until the socket's queue is full.
		if status, body, err := p.request(ctx, http.MethodPost, "/-/reload"); err != nil || status != http.StatusOK {
			t.Fatalf("reload: %v, status %d: %s; log:\n%s", err, status, body, p.log())
		}
	}
	p.terminate(t)
}

// listenForNotifications returns the socket of a service manager.
func listenForNotifications(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	return socket
}

// receive returns the next message to the service manager.
func receive(t *testing.T, socket *net.UnixConn) string {
	t.Helper()
	if err := socket.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 8192)
	n, err := socket.Read(buffer)
	if err != nil {
		t.Fatalf("systemd is sent nothing: %v", err)
	}
	return strings.TrimSuffix(string(buffer[:n]), "\n")
}
