package faults_test

import (
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"cckm_sync_exporter/collector/e2e/broken"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/simulator"
)

// statusFaults are responses to page requests with other statuses than 200. Each body repeats everything
// that was ever sent to the appliance.
func statusFaults() []fault {
	once := func(name string, handle interceptor) fault {
		return page("status: "+name+", once", whole, inTurn(handle))
	}
	return []fault{
		page("status: 400", fails(reason.Other), status(http.StatusBadRequest)),
		page("status: 401 forever", fails(reason.Auth), status(http.StatusUnauthorized)),
		once("401", status(http.StatusUnauthorized)),
		once("401 on a later page", later(status(http.StatusUnauthorized))),
		page("status: 403", fails(reason.Forbidden), status(http.StatusForbidden)),
		page("status: 404", fails(reason.NotFound), status(http.StatusNotFound)),
		page("status: 409", fails(reason.Other), status(http.StatusConflict)),
		page("status: 422", fails(reason.Other), status(http.StatusUnprocessableEntity)),
		{name: "status: 422 on a large limit", google: whole, start: behave(func(b *simulator.ListBehaviour) { b.RefuseLimitAbove = 20 })},
		page("status: 429", fails(reason.Server), status(http.StatusTooManyRequests)),
		page("status: 429 with Retry-After", fails(reason.Server), retryAfter("1", status(http.StatusTooManyRequests))),
		beyondTheDeadline(page("status: 429 with a Retry-After beyond the deadline", fails(reason.Server), retryAfter("3", status(http.StatusTooManyRequests)))),
		page("status: 429 with an invalid Retry-After", fails(reason.Server), retryAfter("soon", status(http.StatusTooManyRequests))),
		once("429", status(http.StatusTooManyRequests)),
		once("429 with Retry-After", retryAfter("1", status(http.StatusTooManyRequests))),
		page("status: 500", fails(reason.Server), status(http.StatusInternalServerError)),
		within(3*hasty, page("status: 500 on a later page", fails(reason.Server), later(status(http.StatusInternalServerError)))),
		page("status: 502 with HTML", fails(reason.Server), html(http.StatusBadGateway)),
		once("502 with HTML", html(http.StatusBadGateway)),
		page("status: 503", fails(reason.Server), status(http.StatusServiceUnavailable)),
		within(3*hasty, page("status: 503 on a later page", fails(reason.Server), later(status(http.StatusServiceUnavailable)))),
		once("503", status(http.StatusServiceUnavailable)),
		once("503 on a later page", later(status(http.StatusServiceUnavailable))),
		once("504 with HTML", html(http.StatusGatewayTimeout)),
		page("status: 204", fails(reason.Other), status(http.StatusNoContent)),
		page("status: 206", fails(reason.Other), status(http.StatusPartialContent)),
		page("status: 403 with a body without end", fails(reason.Forbidden), func(r *rig, w http.ResponseWriter, req *http.Request, _ http.Handler) {
			broken.Stream(http.StatusForbidden, `{"message":"`, r.echo(req))(w, req)
		}),
		elsewhere("status: redirect to another host", page("", fails(reason.Other), nil), http.StatusFound, isGooglePage),
		elsewhere("status: redirect that keeps the method", page("", fails(reason.Other), nil), http.StatusPermanentRedirect, isGooglePage),
		page("status: redirect to itself", fails(reason.Other), func(_ *rig, w http.ResponseWriter, req *http.Request, _ http.Handler) {
			w.Header().Set("Location", req.URL.String())
			w.WriteHeader(http.StatusFound)
		}),
		page("status: redirect with secrets", fails(reason.Other), func(r *rig, w http.ResponseWriter, req *http.Request, _ http.Handler) {
			w.Header().Set("Location", "https://user:"+url.PathEscape(r.echo(req))+"@"+token(req)+".example/"+url.PathEscape(r.echo(req))+"?t="+token(req))
			w.WriteHeader(http.StatusFound)
		}),
	}
}

// beyondTheDeadline is a fault after which the exporter pauses for longer than the scrape lasts.
func beyondTheDeadline(f fault) fault {
	f.patience, f.waits = 2*time.Second, true
	return f
}

func token(req *http.Request) string {
	_, token, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	return token
}

// status responds with an error in the appliance's format.
func status(code int) interceptor {
	return func(r *rig, w http.ResponseWriter, req *http.Request, _ http.Handler) {
		if code == http.StatusNoContent {
			w.WriteHeader(code)
			return
		}
		simulator.WriteError(w, code, r.echo(req))
	}
}

// html responds with a page, as a proxy does.
func html(code int) interceptor {
	return func(r *rig, w http.ResponseWriter, req *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, "<html><body><h1>It does not work</h1>"+r.echo(req)+"</body></html>")
	}
}

func retryAfter(value string, handle interceptor) interceptor {
	return func(r *rig, w http.ResponseWriter, req *http.Request, next http.Handler) {
		w.Header().Set("Retry-After", value)
		handle(r, w, req, next)
	}
}

// behave changes how the google list behaves.
func behave(change func(*simulator.ListBehaviour)) func(*rig) func() {
	return func(r *rig) func() {
		list := r.appliance.List(simulator.GoogleKeys)
		own := list.Behaviour()
		other := own
		change(&other)
		list.SetBehaviour(other)
		return func() { list.SetBehaviour(own) }
	}
}

func certificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// elsewhere redirects requests to another host that the exporter trusts. No request must reach it.
func elsewhere(name string, f fault, code int, fits func(*http.Request) bool) fault {
	f.name = name
	start := f.start
	f.start = func(r *rig) func() {
		end := start(r)
		seen := make(chan string, 100)
		other := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
			seen <- req.Method + " " + req.URL.String()
		}))
		r.trust(certificatePEM(other.Certificate()))
		r.intercept(fits, func(_ *rig, w http.ResponseWriter, req *http.Request, _ http.Handler) {
			w.Header().Set("Location", other.URL+req.URL.Path)
			w.WriteHeader(code)
		})
		return func() {
			other.Close()
			if n := len(seen); n > 0 {
				r.t.Errorf("%d requests went to another host, the first was %s", n, <-seen)
			}
			if end != nil {
				end()
			}
			r.appliance.Intercept(nil)
		}
	}
	return f
}
