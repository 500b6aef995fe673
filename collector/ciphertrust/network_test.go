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

// TestTransfers holds the reason of each way in which a page can be cut short
// or garbled on the line, and that a transfer that failed is an error even
// where the reader does not mind.
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
	middle := []byte(whole)
	for i := range 10 {
		middle[15+i] = 0xff
	}
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
		{"closed before the header", "", false, reason.Network, reason.Network},
		{"reset before the header", "", true, reason.Network, reason.Network},
		{"closed within the header", head, false, reason.Network, reason.Network},
		{"reset within the header", head + "Content-Len", true, reason.Network, reason.Network},
		{"no HTTP", "SSH-2.0-OpenSSH_9.9\r\n", false, reason.Network, reason.Network},
		{"shorter than its length", head + "Content-Length: 100\r\n\r\n" + page, false, reason.Network, reason.Network},
		{"cut within its length", head + "Content-Length: 46\r\n\r\n" + page[:20], false, reason.Network, reason.Network},
		{"reset within its length", head + "Content-Length: 46\r\n\r\n" + page[:20], true, reason.Network, reason.Network},
		{"nothing of its length", head + "Content-Length: 46\r\n\r\n", false, reason.Network, reason.Network},
		{"chunked, cut within a chunk", chunked + "2e\r\n" + page[:20], false, reason.Network, reason.Network},
		{"chunked, cut between chunks", chunked + "14\r\n" + page[:20] + "\r\n", false, reason.Network, reason.Network},
		{"chunked, without its end", chunked + "2e\r\n" + page + "\r\n", false, reason.Network, reason.Network},
		{"chunked, garbage for a length", chunked + "zz\r\n" + page, false, reason.Network, reason.Network},
		// Nothing but the JSON can tell that the connection ended too early.
		{"to the connection's end, cut", head + "\r\n" + page[:20], false, reason.Network, ""},
		{"to the connection's end, empty", head + "\r\n", false, reason.Decode, ""},
		{"to the connection's end, reset", head + "\r\n" + page[:20], true, reason.Network, reason.Network},
		{"JSON that ends too early in a whole body", head + "Content-Length: 20\r\n\r\n" + page[:20], false, reason.Decode, ""},
		{"gzip, cut within its length", gzipped(whole)[:len(gzipped(whole))-20], false, reason.Network, reason.Network},
		{"gzip, cut, to the connection's end", head + "Content-Encoding: gzip\r\n\r\n" + whole[:len(whole)-20], false, reason.Network, reason.Network},
		{"gzip, cut in its own header", head + "Content-Encoding: gzip\r\n\r\n" + whole[:5], false, reason.Network, reason.Network},
		{"gzip that is none", gzipped(page), false, reason.Decode, reason.Decode},
		{"gzip with garbage", gzipped(string(middle)), false, reason.Decode, reason.Decode},
		{"gzip with a wrong checksum", gzipped(string(checksum)), false, reason.Decode, reason.Decode},
		{"gzip that is not announced", fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(whole), whole), false, reason.Decode, ""},
		{"a coding that nobody asked for", head + "Content-Encoding: br\r\nContent-Length: 3\r\n\r\n\x8b\x02\x80", false, reason.Decode, reason.Decode},
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

// TestTransfersOfLogins proves the same for the response to a login. None of these
// is a rejection of the password.
func TestTransfersOfLogins(t *testing.T) {
	// The server says that it closes, because a login that is sent on a
	// connection just as that ends is not sent again: it may have been heard.
	const head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n"
	for _, test := range []struct {
		name, answer string
		reset        bool
		want         reason.Reason
	}{
		{"closed before the header", "", false, reason.Network},
		{"reset before the header", "", true, reason.Network},
		{"cut within its length", head + "Content-Length: 60\r\n\r\n" + `{"jwt":"jwt-SECRET","dur`, false, reason.Network},
		{"reset within its length", head + "Content-Length: 60\r\n\r\n" + `{"jwt":"jwt-SECRET","dur`, true, reason.Network},
		{"chunked, cut", head + "Transfer-Encoding: chunked\r\n\r\n10\r\n" + `{"jwt":"SECRET",`, false, reason.Network},
		{"gzip that is none", head + "Content-Encoding: gzip\r\nContent-Length: 24\r\n\r\n" + `{"jwt":"jwt-SECRET","dur`, false, reason.Decode},
		{"a page of a proxy", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>", false, reason.Decode},
	} {
		t.Run(test.name, func(t *testing.T) {
			h, _ := overTLS(t, simulator.Options{}, nil)
			answer := raw(t, test.answer, test.reset)
			h.appliance.Intercept(func(w http.ResponseWriter, r *http.Request, _ http.Handler) { answer(w, r) })
			h.wantReason(test.want)
			h.appliance.Intercept(nil)
			h.client.EndBackoff()
			h.mustGet()
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

func TestConnectionRefused(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	h := newHarness(t, simulator.Options{})
	h.connect("https://"+listener.Addr().String(), nil, nil)
	wantText(t, reason.RemedyOf(h.failure(reason.Network)), "firewalls")
}

func TestConnectionClosedBeforeTLS(t *testing.T) {
	h := newHarness(t, simulator.Options{})
	h.connect("https://"+listen(t, nil), nil, nil)
	h.wantReason(reason.Network)
}

// TestBlackHole connects to what takes everything and never answers.
func TestBlackHole(t *testing.T) {
	h := newHarness(t, simulator.Options{})
	h.connect("https://"+listen(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }), nil, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begun := time.Now()
	err := h.get(ctx)
	wantReason(t, err, reason.Timeout)
	wantText(t, reason.RemedyOf(err), "scrape_timeout")
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestBlackHoleWithinABody has a page that stops in its middle.
func TestBlackHoleWithinABody(t *testing.T) {
	h, _ := overTLS(t, simulator.Options{}, nil)
	h.onPages(func(w http.ResponseWriter, r *http.Request) {
		respond(w, http.StatusOK, `{"skip":0,`)
		_ = http.NewResponseController(w).Flush() // A test that sees nothing of it fails.
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // To return would be to end the body in order.
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := h.client.Get(ctx, listPath, nil, func(r io.Reader) error {
		if _, err := io.ReadFull(r, make([]byte, 5)); err != nil {
			t.Error(err)
		}
		cancel()
		return discard(r)
	})
	wantReason(t, err, reason.Timeout)
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
		wantReason(t, h.getWithin(30*time.Millisecond), reason.Timeout)
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
