package ciphertrust_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/simulator"
)

// TestConnectionsAreReused counts connections by the ports of the requests: one for pages and errors one
// after another, and one for each slot for concurrent pages.
func TestConnectionsAreReused(t *testing.T) {
	h, _ := overTLS(t, func(cfg *ciphertrust.Config) { cfg.Concurrency = 4 })
	ports := make(map[string]bool)
	var mu sync.Mutex
	refuse := false
	h.appliance.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		mu.Lock()
		ports[r.RemoteAddr] = true
		mu.Unlock()
		if refuse {
			failing(http.StatusForbidden)(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
	for range 20 {
		h.mustGet()
	}
	refuse = true
	for range 20 {
		h.wantReason(reason.Forbidden)
	}
	if n := len(ports); n != 1 {
		t.Errorf("%d connections for pages one after another, want 1", n)
	}

	refuse = false
	h.appliance.SetLatency(within(20*time.Millisecond, isList))
	results := make(chan error, 40)
	for range cap(results) {
		go func() { results <- h.get(t.Context()) }()
	}
	for range cap(results) {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	// While a connection is being made, another may become free.
	if n := len(ports); n > 8 {
		t.Errorf("%d connections for 40 pages, four at once", n)
	}
}

// TestDeadlineWithinABody checks that the deadline is the reason, even if the error of the body is only that
// its connection was closed.
func TestDeadlineWithinABody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, simulator.Options{})
		h.connect(unroutable, nil, roundTripper(func(req *http.Request) (*http.Response, error) {
			resp, err := inProcess(h.appliance).RoundTrip(req)
			if err == nil && isList(req) {
				body, w := io.Pipe()
				context.AfterFunc(req.Context(), func() { _ = w.CloseWithError(net.ErrClosed) })
				resp.Body = body
			}
			return resp, err
		}))
		err := h.getWithin(time.Second)
		wantReason(t, err, reason.Timeout)
		wantText(t, reason.HintOf(err), "scrape_timeout")
	})
}
