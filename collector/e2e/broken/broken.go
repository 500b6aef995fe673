// Package broken has the responses of a broken or hostile appliance, for the end-to-end tests. They last
// until the connection ends if they have no end.
package broken

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Status responds with a status and a text.
func Status(code int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	}
}

// Body responds with 200, a Content-Length, and a body that is said to have an encoding.
func Body(encoding string, content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if encoding != "" {
			w.Header().Set("Content-Encoding", encoding)
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		_, _ = w.Write(content)
	}
}

// Stream responds with a status and a body that repeats unit forever.
func Stream(code int, begin, unit string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		repeat(w, begin, unit)
	}
}

// Drip sends the beginning of a body and then a byte at each interval.
func Drip(begin string, interval time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		_, err := io.WriteString(w, begin)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for err == nil {
			select {
			case <-req.Context().Done():
				panic(http.ErrAbortHandler)
			case <-ticker.C:
				_, err = io.WriteString(w, " ")
				_ = http.NewResponseController(w).Flush()
			}
		}
	}
}

// Hang sends the beginning of a body, or not even a header if it is empty, and nothing more.
func Hang(begin string) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		if begin != "" {
			_, _ = io.WriteString(w, begin)
			_ = http.NewResponseController(w).Flush()
		}
		<-req.Context().Done()
		panic(http.ErrAbortHandler) // A handler that returns ends the response in order.
	}
}

// Raw sends bytes that need not be HTTP, and closes or resets the connection.
func Raw(text string, reset bool) http.HandlerFunc {
	return hijack(func(conn net.Conn) {
		_, _ = io.WriteString(conn, text)
		if secure, ok := conn.(*tls.Conn); reset && ok {
			if plain, ok := secure.NetConn().(*net.TCPConn); ok {
				_ = plain.SetLinger(0)
				_ = plain.Close()
			}
		}
	})
}

// Flood sends bytes that need not be HTTP, and repeats a line forever.
func Flood(begin, line string) http.HandlerFunc {
	return hijack(func(conn net.Conn) { repeat(conn, begin, line) })
}

// Accept passes each connection to an address to serve, one after the other, and closes it afterwards. It
// returns the address with its port. end stops it.
func Accept(ctx context.Context, address string, serve func(net.Conn)) (bound string, end func(), err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return "", nil, err //nolint:wrapcheck // It names the address.
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serve(conn)
			_ = conn.Close()
		}
	}()
	return listener.Addr().String(), func() {
		_ = listener.Close()
		<-done
	}, nil
}

// Zip returns a gzip member. A body may consist of several.
func Zip(text string) []byte {
	var b bytes.Buffer
	zipper := gzip.NewWriter(&b)
	// Writing to memory does not fail.
	_, _ = io.WriteString(zipper, text)
	_ = zipper.Close()
	return b.Bytes()
}

func repeat(w io.Writer, begin, unit string) {
	units := strings.Repeat(unit, max(1, 64<<10/len(unit)))
	_, err := io.WriteString(w, begin)
	for err == nil {
		_, err = io.WriteString(w, units)
	}
}

// hijack calls send with the connection, and closes it.
func hijack(send func(net.Conn)) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err) // Only HTTP/2 cannot be hijacked.
		}
		defer func() { _ = conn.Close() }()
		send(conn)
	}
}
