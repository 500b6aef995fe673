package faults_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"cckm_sync_exporter/collector/reason"
)

const (
	head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	// emptyPage has 46 bytes.
	emptyPage = `{"skip":0,"limit":50,"total":0,"resources":[]}`
)

// connectionFaults are those of one connection to the appliance itself, in the
// middle of an answer to a page.
func connectionFaults() []fault {
	const part = `{"skip":0,"limit":50,"total":80,"resources":[{"id":"`
	always := func(name string, why reason.Reason, handle interceptor) fault {
		return page("connection: "+name, fails(why), handle)
	}
	once := func(name string, handle interceptor) fault {
		return page("connection: "+name+", once", whole, inTurn(handle))
	}
	return []fault{
		always("closed before the header", reason.Network, raw("", false)),
		always("reset before the header", reason.Network, raw("", true)),
		always("closed in the header", reason.Network, raw(head, false)),
		always("reset in the header", reason.Network, raw(head+"Content-Le", true)),
		always("reset after the header", reason.Network, raw(head+"Content-Length: 500\r\n\r\n", true)),
		always("closed in the body", reason.Network, raw(head+"Content-Length: 500\r\n\r\n"+part, false)),
		always("reset in the body", reason.Network, raw(head+"Content-Length: 500\r\n\r\n"+part, true)),
		always("closed in a chunk", reason.Network, raw(head+"Transfer-Encoding: chunked\r\n\r\nff\r\n"+part, false)),
		always("closed in a body without a length", reason.Network, raw(head+"\r\n"+part, false)),
		always("shorter than its length", reason.Network, raw(head+"Content-Length: 100\r\n\r\n"+emptyPage, false)),
		always("closed between chunks", reason.Network, raw(head+"Transfer-Encoding: chunked\r\n\r\n34\r\n"+part+"\r\n", false)),
		always("chunks without their end", reason.Network, raw(head+"Transfer-Encoding: chunked\r\n\r\n2e\r\n"+emptyPage+"\r\n", false)),
		always("a chunk without a length", reason.Network, raw(head+"Transfer-Encoding: chunked\r\n\r\nzz\r\n"+emptyPage, false)),
		always("empty, without a length", reason.Network, raw(head+"\r\n", false)),
		always("reset in a body without a length", reason.Network, raw(head+"\r\n"+part, true)),
		always("no HTTP", reason.Network, echoing("%s\r\n\r\n")),
		always("a header that is none", reason.Network, echoing("HTTP/1.1 200 OK\r\n%s\r\n\r\n")),
		always("a status that is none", reason.Network, echoing("HTTP/1.1 %s\r\n\r\n")),
		always("a length that is none", reason.Network, echoing("HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n")),
		always("a transfer coding that is none", reason.Network, echoing("HTTP/1.1 200 OK\r\nTransfer-Encoding: %s\r\n\r\n")),
		always("a header without end", reason.Network, endlessHeader),
		always("hangs before the header", reason.Timeout, hang("")),
		always("hangs in the body", reason.Timeout, hang(part)),
		always("drips", reason.Timeout, drip),
		once("closed before the header", raw("", false)),
		once("reset before the header", raw("", true)),
		once("reset in the header", raw(head+"Content-Le", true)),
		once("reset in the body", raw(head+"Content-Length: 500\r\n\r\n"+part, true)),
		once("closed in the body", raw(head+"Content-Length: 500\r\n\r\n"+part, false)),
		within(hasty, page("connection: reset in the body of a later page", fails(reason.Network),
			later(raw(head+"Content-Length: 500\r\n\r\n"+part, true)))),
		page("connection: reset in the body of a later page, once", whole,
			later(inTurn(raw(head+"Content-Length: 500\r\n\r\n"+part, true)))),
		// Enough pages hang to hold every slot, until the time of an attempt has passed.
		within(hasty, page("connection: hangs in a later page", fails(reason.Timeout), later(hang(part)))),
	}
}

// within is a fault of an exporter with this --collector.timeout.
func within(timeout time.Duration, f fault) fault {
	f.place.timeout, f.patience = timeout, patient
	return f
}

// page is a fault of the pages of the google list; the other one is whole.
func page(name string, want outcome, handle interceptor) fault {
	return fault{name: name, google: want, bring: func(r *rig) func() {
		r.onPages(handle)
		return func() { r.appliance.Intercept(nil) }
	}}
}

// closing is a fault at which the exporter closes the connection.
func closing(f fault) fault {
	f.closes = true
	return f
}

// waiting has Prometheus wait for so long.
func waiting(patience time.Duration, f fault) fault {
	f.patience = patience
	return f
}

// later leaves the first page as it is.
func later(handle interceptor) interceptor {
	return func(r *rig, w http.ResponseWriter, req *http.Request, next http.Handler) {
		if laterPage(req) {
			handle(r, w, req, next)
			return
		}
		next.ServeHTTP(w, req)
	}
}

// raw answers with bytes that need not be HTTP, and ends the connection in order
// or by a reset.
func raw(answer string, reset bool) interceptor {
	return func(r *rig, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			r.t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		// What cannot be sent is missed by the row itself.
		_, _ = io.WriteString(conn, answer)
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

// echoing is raw with all that the appliance was ever sent in the answer.
func echoing(format string) interceptor {
	return func(r *rig, w http.ResponseWriter, req *http.Request, next http.Handler) {
		raw(fmt.Sprintf(format, r.echo(req)), false)(r, w, req, next)
	}
}

// endlessHeader sends header lines until the connection ends.
func endlessHeader(r *rig, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		r.t.Error(err)
		return
	}
	defer func() { _ = conn.Close() }()
	_, err = io.WriteString(conn, head)
	for err == nil {
		_, err = io.WriteString(conn, "X-Padding: "+strings.Repeat("x", 1000)+"\r\n")
	}
}

// hang sends the beginning of a body, or not even a header, and nothing more.
func hang(part string) interceptor {
	return func(_ *rig, w http.ResponseWriter, req *http.Request, _ http.Handler) {
		if part != "" {
			_, _ = io.WriteString(w, part)
			flush(w)
		}
		<-req.Context().Done()
		panic(http.ErrAbortHandler) // To return would be to end the answer in order.
	}
}

// drip sends one byte of a string after the other.
func drip(_ *rig, w http.ResponseWriter, req *http.Request, _ http.Handler) {
	_, err := io.WriteString(w, `{"skip":"`)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for err == nil {
		select {
		case <-req.Context().Done():
			panic(http.ErrAbortHandler)
		case <-ticker.C:
			_, err = io.WriteString(w, "x")
			flush(w)
		}
	}
}

func flush(w http.ResponseWriter) {
	// Where it cannot be flushed, the client has gone.
	_ = http.NewResponseController(w).Flush()
}
