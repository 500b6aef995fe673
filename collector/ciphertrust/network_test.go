package ciphertrust_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
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

// raw answers with bytes of the test's own, and ends the connection in order,
// or by a reset.
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

// zipped returns what a gzip-compressed answer has as its body.
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

// TestTransfers checks the reason of transfers that are cut short or garbled, and that a transfer that
// failed is an error even if the reader ignores it. The matrix of faults has more of them.
func TestTransfers(t *testing.T) {
	const (
		head    = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
		chunked = head + "Transfer-Encoding: chunked\r\n\r\n"
		page    = `{"skip":0,"limit":10,"total":0,"resources":[]}`
	)
	whole := zipped(t, page+strings.Repeat(" ", 5000))
	gzipped := func(body string) string {
		return fmt.Sprintf("%sContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", head, len(body), body)
	}
	checksum := []byte(whole)
	checksum[len(checksum)-5] ^= 1
	for _, test := range []struct {
		name, answer string
		reset        bool
		// read is decode, and lenient is discard, which minds nothing.
		read, lenient reason.Reason
	}{
		{"all well", head + "Content-Length: 46\r\n\r\n" + page, false, "", ""},
		{"all well, chunked", chunked + "2e\r\n" + page + "\r\n0\r\n\r\n", false, "", ""},
		{"all well, to the connection's end", head + "\r\n" + page, false, "", ""},
		{"all well, gzip", gzipped(whole), false, "", ""},
		{"all well, gzip by its old name", strings.Replace(gzipped(whole), "gzip", "X-Gzip", 1), false, "", ""},
		{"shorter than its length", head + "Content-Length: 100\r\n\r\n" + page, false, reason.Network, reason.Network},
		{"chunked, cut between chunks", chunked + "14\r\n" + page[:20] + "\r\n", false, reason.Network, reason.Network},
		{"chunked, without its end", chunked + "2e\r\n" + page + "\r\n", false, reason.Network, reason.Network},
		{"chunked, garbage for a length", chunked + "zz\r\n" + page, false, reason.Network, reason.Network},
		{"to the connection's end, empty", head + "\r\n", false, reason.Decode, ""},
		{"to the connection's end, reset", head + "\r\n" + page[:20], true, reason.Network, reason.Network},
		{"JSON that ends too early in a whole body", head + "Content-Length: 20\r\n\r\n" + page[:20], false, reason.Decode, ""},
		{"gzip, cut within its length", gzipped(whole)[:len(gzipped(whole))-20], false, reason.Network, reason.Network},
		{"gzip, cut, to the connection's end", head + "Content-Encoding: gzip\r\n\r\n" + whole[:len(whole)-20], false, reason.Network, reason.Network},
		{"gzip, cut in its own header", head + "Content-Encoding: gzip\r\n\r\n" + whole[:5], false, reason.Network, reason.Network},
		{"gzip with a wrong checksum", gzipped(string(checksum)), false, reason.Decode, reason.Decode},
	} {
		t.Run(test.name, func(t *testing.T) {
			h, _ := overTLS(t, simulator.Options{}, nil)
			h.onPages(raw(t, test.answer, test.reset))
			for how, read := range map[string]func(io.Reader) error{"decode": decode, "lenient": discard} {
				want := test.read
				if how == "lenient" {
					want = test.lenient
				}
				err := h.client.Get(t.Context(), listPath, nil, read)
				if err != nil {
					h.note(err)
				}
				switch {
				case want == "" && err != nil:
					t.Errorf("%s: %v", how, err)
				case want != "":
					wantReason(t, err, want)
				}
			}
		})
	}
}

// listen returns a listener on a loopback address that hands each connection to
// the function, and closes it after that.
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

// TestDeadlineWithinABody has a page without end, which the deadline interrupts
// wherever it may be: in the reading of a socket that is closed then, too.
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

// TestUnknownHost replaces the system's resolver by one that asks a loopback
// address, so that no question leaves the machine.
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

// TestConnectionsAreReused counts connections by the ports that requests come
// from.
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

// TestConnectionsOfConcurrentPages holds that pages in flight at once keep to a
// few connections: those of the slots.
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
