package ciphertrust_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/simulator"
)

// raw responds with the given bytes and closes or resets the connection.
func raw(t *testing.T, answer string, reset bool) http.HandlerFunc {
	t.Helper()
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, answer) // What cannot be sent is missed by the test itself.
		secure, ok := conn.(*tls.Conn)
		if !reset || !ok {
			return
		}
		if plain, ok := secure.NetConn().(*net.TCPConn); ok {
			_ = plain.SetLinger(0)
			_ = plain.Close()
		}
	}
}

// zipped returns a text compressed by gzip.
func zipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, text)
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// decode reads a body as JSON, as a reader of lists does.
func decode(r io.Reader) error {
	var v any
	err := json.NewDecoder(r).Decode(&v)
	if err != nil {
		return reason.New(reason.Decode, err, "")
	}
	return discard(r)
}

// listen passes each connection to a loopback address to the function, and closes it afterwards.
func listen(t *testing.T, serve func(net.Conn)) (address string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if serve != nil {
				serve(conn)
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return listener.Addr().String()
}

// TestDeadlineWithinABody has a page without end. The deadline may interrupt it anywhere, also when the
// socket is being closed.
func TestDeadlineWithinABody(t *testing.T) {
	h, _ := overTLS(t, simulator.Options{}, nil)
	h.mustGet()
	h.onPages(func(w http.ResponseWriter, _ *http.Request) {
		chunk := strings.Repeat(" ", 64<<10)
		for {
			if _, err := io.WriteString(w, chunk); err != nil {
				return
			}
		}
	})
	for range 20 {
		err := h.getWithin(30 * time.Millisecond)
		wantReason(t, err, reason.Timeout)
		wantText(t, reason.RemedyOf(err), "scrape_timeout")
	}
}

// TestUnknownHost replaces the system's resolver, so that no query leaves the machine.
func TestUnknownHost(t *testing.T) {
	own := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = own })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("nobody is asked")
	}}
	h := newHarness(t, simulator.Options{})
	h.connect("https://nowhere.invalid", nil, nil)
	err := h.failure(reason.Network)
	wantText(t, err.Error(), "nowhere.invalid")
	wantText(t, reason.RemedyOf(err), "name resolution")
}

// TestConnectionsAreReused counts connections by the ports of the requests.
func TestConnectionsAreReused(t *testing.T) {
	h, _ := overTLS(t, simulator.Options{}, func(cfg *ciphertrust.Config) { cfg.Concurrency = 4 })
	ports := make(chan string, 1000)
	h.appliance.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		ports <- r.RemoteAddr
		next.ServeHTTP(w, r)
	})
	count := func() int {
		seen := make(map[string]bool)
		for range len(ports) {
			seen[<-ports] = true
		}
		return len(seen)
	}
	for range 40 {
		h.mustGet()
	}
	if n := count(); n != 1 {
		t.Errorf("%d connections for pages one after another, want 1", n)
	}

	// Errors have bodies as well.
	h.onPages(func(w http.ResponseWriter, r *http.Request) {
		ports <- r.RemoteAddr
		simulator.WriteError(w, http.StatusForbidden, "no")
	})
	for range 40 {
		h.wantReason(reason.Forbidden)
	}
	if n := count(); n != 1 {
		t.Errorf("%d connections for errors one after another, want 1", n)
	}
}

// TestConnectionsOfConcurrentPages checks that concurrent pages use the few connections of the slots.
func TestConnectionsOfConcurrentPages(t *testing.T) {
	h, _ := overTLS(t, simulator.Options{}, func(cfg *ciphertrust.Config) { cfg.Concurrency = 4 })
	h.mustGet()
	h.appliance.SetLatency(within(20*time.Millisecond, isList))
	ports := make(chan string, 1000)
	h.appliance.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		ports <- r.RemoteAddr
		next.ServeHTTP(w, r)
	})
	results := make(chan error, 40)
	for range cap(results) {
		go func() { results <- h.get(t.Context()) }()
	}
	for range cap(results) {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	close(ports)
	seen := make(map[string]bool)
	for port := range ports {
		seen[port] = true
	}
	// While a connection is being made, another may become free in its place.
	if n := len(seen); n > 8 {
		t.Errorf("%d connections for 40 pages, four at once", n)
	}
	if n := h.appliance.MaxListsInFlight(); n != 4 {
		t.Errorf("%d pages in flight at once, want 4", n)
	}
}
