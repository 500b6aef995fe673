package faults_test

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"cckm_sync_exporter/collector/e2e/broken"
	"cckm_sync_exporter/collector/reason"
)

const (
	head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	// emptyPage has 46 bytes.
	emptyPage = `{"skip":0,"limit":50,"total":0,"resources":[]}`
)

// connectionFaults are faults of a connection during the response to a page request.
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
		always("an invalid header", reason.Network, echoing("HTTP/1.1 200 OK\r\n%s\r\n\r\n")),
		always("an invalid status", reason.Network, echoing("HTTP/1.1 %s\r\n\r\n")),
		always("an invalid length", reason.Network, echoing("HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n")),
		always("an invalid transfer coding", reason.Network, echoing("HTTP/1.1 200 OK\r\nTransfer-Encoding: %s\r\n\r\n")),
		always("a header without end", reason.Network, plain(broken.Flood(head, "X-Padding: "+strings.Repeat("x", 1000)+"\r\n"))),
		always("hangs before the header", reason.Timeout, hang("")),
		always("hangs in the body", reason.Timeout, hang(part)),
		always("drips", reason.Timeout, drip()),
		once("closed before the header", raw("", false)),
		once("reset before the header", raw("", true)),
		once("reset in the header", raw(head+"Content-Le", true)),
		once("reset in the body", raw(head+"Content-Length: 500\r\n\r\n"+part, true)),
		once("closed in the body", raw(head+"Content-Length: 500\r\n\r\n"+part, false)),
		within(3*hasty, page("connection: reset in the body of a later page", fails(reason.Network),
			later(raw(head+"Content-Length: 500\r\n\r\n"+part, true)))),
		page("connection: reset in the body of a later page, once", whole,
			later(inTurn(raw(head+"Content-Length: 500\r\n\r\n"+part, true)))),
		within(hasty, page("connection: hangs in a later page", fails(reason.Timeout), later(hang(part)))),
	}
}

// within shortens --collector.timeout, after which the exporter gives up.
func within(timeout time.Duration, f fault) fault {
	f.place.timeout, f.patience = timeout, patient
	return f
}

// page is a fault of the pages of the google list.
func page(name string, want outcome, handle interceptor) fault {
	return fault{name: name, google: want, start: func(r *rig) func() {
		r.onPages(handle)
		return func() { r.appliance.Intercept(nil) }
	}}
}

// waiting changes the timeout of the scrape.
func waiting(patience time.Duration, f fault) fault {
	f.patience = patience
	return f
}

// plain sends the response of a broken appliance.
func plain(h http.HandlerFunc) interceptor {
	return func(_ *rig, w http.ResponseWriter, req *http.Request, _ http.Handler) { h(w, req) }
}

func raw(text string, reset bool) interceptor { return plain(broken.Raw(text, reset)) }

func hang(begin string) interceptor { return plain(broken.Hang(begin)) }

func drip() interceptor { return plain(broken.Drip(`{"skip":"`, 5*time.Millisecond)) }

// echoing closes the connection after a text with everything that was ever sent to the appliance.
func echoing(format string) interceptor {
	return func(r *rig, w http.ResponseWriter, req *http.Request, _ http.Handler) {
		broken.Raw(fmt.Sprintf(format, r.echo(req)), false)(w, req)
	}
}

// later handles only the pages after the first.
func later(handle interceptor) interceptor {
	return func(r *rig, w http.ResponseWriter, req *http.Request, next http.Handler) {
		if laterPage(req) {
			handle(r, w, req, next)
			return
		}
		next.ServeHTTP(w, req)
	}
}
