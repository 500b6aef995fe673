package main

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cckm_sync_exporter/collector/web"
)

// oneConn is a listener with one connection, which is in memory: a server on it can run in a bubble with
// a clock of its own.
type oneConn struct {
	conns  chan net.Conn
	closed chan struct{}
}

// Accept implements net.Listener.
func (l oneConn) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l oneConn) Close() error {
	close(l.closed)
	return nil
}

// Addr implements net.Listener.
func (oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// TestServerTimes checks when the server closes the connection of a client that sends or reads nothing,
// and that the longest scrape is answered.
func TestServerTimes(t *testing.T) {
	const longest = 2 * time.Minute
	for name, test := range map[string]struct {
		request string
		// read is true if the client reads the response.
		read bool
		want time.Duration
	}{
		"nothing is sent":               {"", false, readHeaderTimeout},
		"half a header":                 {"GET /fast HTTP/1.1\r\nHost: a\r\nX-half: ", false, readHeaderTimeout},
		"half a body":                   {"POST /fast HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf", false, longest + web.TransferTimeout},
		"idle after a response":         {"GET /fast HTTP/1.1\r\nHost: a\r\n\r\n", true, idleTimeout},
		"idle after the longest scrape": {"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n", true, longest + idleTimeout},
		"the response is not read":      {"GET /fast HTTP/1.1\r\nHost: a\r\n\r\n", false, longest + web.TransferTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/slow" {
						select {
						case <-time.After(longest):
						case <-r.Context().Done():
							t.Error("the scrape was canceled")
						}
					}
					_, _ = io.WriteString(w, "metrics\n")
				}), longest, slog.New(slog.DiscardHandler))
				closed := make(chan struct{})
				server.ConnState = func(_ net.Conn, state http.ConnState) {
					if state == http.StateClosed {
						close(closed)
					}
				}
				client, conn := net.Pipe()
				listener := oneConn{make(chan net.Conn, 1), make(chan struct{})}
				listener.conns <- conn
				var served sync.WaitGroup
				served.Go(func() {
					if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
						t.Errorf("the server ended with %v", err)
					}
				})
				begun := time.Now()
				if _, err := io.WriteString(client, test.request); err != nil {
					t.Fatal(err)
				}
				if test.read {
					resp, err := http.ReadResponse(bufio.NewReader(client), nil)
					if err != nil {
						t.Fatal(err)
					}
					defer func() { _ = resp.Body.Close() }()
					if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "metrics\n" {
						t.Errorf("the response is %q, %v", body, err)
					}
				}
				<-closed
				if took := time.Since(begun); took != test.want {
					t.Errorf("the connection is closed after %s, want %s", took, test.want)
				}
				_, _ = client.Close(), server.Close()
				served.Wait()
			})
		})
	}
}
