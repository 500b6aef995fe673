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

// pipes is a listener whose connections are in memory, so that a server on it
// can live in a bubble with a clock of its own.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

// Accept implements net.Listener.
func (p pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (p pipes) Close() error {
	close(p.closed)
	return nil
}

// Addr implements net.Listener.
func (pipes) Addr() net.Addr { return &net.TCPAddr{} }

// watchedConn tells when its server closes it.
type watchedConn struct {
	net.Conn

	once   sync.Once
	closed chan struct{}
}

// Close implements net.Conn.
func (c *watchedConn) Close() error {
	defer c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// TestServerTimes holds how long a client may hold a connection, and that the
// longest scrape is answered all the same.
func TestServerTimes(t *testing.T) {
	const longest = 2 * time.Minute
	for _, test := range []struct {
		name string
		// request is what the client sends.
		request string
		// answered is whether it reads an answer then; else it reads nothing.
		answered bool
		want     time.Duration
	}{
		{"nothing is sent", "", false, readHeaderTimeout},
		{"half a header", "GET /fast HTTP/1.1\r\nHost: a\r\nX-half: ", false, readHeaderTimeout},
		{"half a body", "POST /fast HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf", false, longest + web.TransferTimeout},
		{"idle after an answer", "GET /fast HTTP/1.1\r\nHost: a\r\n\r\n", true, idleTimeout},
		{"idle after the longest scrape", "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n", true, longest + idleTimeout},
		{"the answer is not read", "GET /fast HTTP/1.1\r\nHost: a\r\n\r\n", false, longest + web.TransferTimeout},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/slow" {
						select {
						case <-time.After(longest):
						case <-r.Context().Done():
							t.Error("the scrape was given up")
						}
					}
					_, _ = io.WriteString(w, "metrics\n")
				})
				server := newServer(handler, longest, slog.New(slog.DiscardHandler))
				listener := pipes{make(chan net.Conn), make(chan struct{})}
				served := make(chan error, 1)
				go func() { served <- server.Serve(listener) }()
				client, pipe := net.Pipe()
				conn := &watchedConn{Conn: pipe, closed: make(chan struct{})}
				begun := time.Now()
				listener.conns <- conn
				if _, err := io.WriteString(client, test.request); err != nil {
					t.Fatal(err)
				}
				if test.answered {
					resp, err := http.ReadResponse(bufio.NewReader(client), nil)
					if err != nil {
						t.Fatal(err)
					}
					defer func() { _ = resp.Body.Close() }()
					body, err := io.ReadAll(resp.Body)
					if err != nil || string(body) != "metrics\n" {
						t.Errorf("the answer is %q, %v", body, err)
					}
				}
				<-conn.closed
				if took := time.Since(begun); took != test.want {
					t.Errorf("the connection is closed after %s, want %s", took, test.want)
				}
				_ = client.Close()
				_ = server.Close()
				if err := <-served; !errors.Is(err, http.ErrServerClosed) {
					t.Errorf("the server ended with %v", err)
				}
			})
		})
	}
}
