package ciphertrust_test

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/simulator"
)

// counting is a transport that counts the bodies that are not closed yet.
type counting struct {
	next http.RoundTripper
	open *atomic.Int64
}

// RoundTrip implements http.RoundTripper.
func (c counting) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := c.next.RoundTrip(req)
	if err == nil {
		c.open.Add(1)
		resp.Body = &countedBody{ReadCloser: resp.Body, open: c.open}
	}
	return resp, err
}

// countedBody is a body that tells when it is closed.
type countedBody struct {
	io.ReadCloser
	open *atomic.Int64
}

// Close implements io.Closer.
func (b *countedBody) Close() error {
	b.open.Add(-1)
	return b.ReadCloser.Close()
}

// TestBodiesAreClosed holds that no answer keeps its connection, however little
// of it was of interest.
func TestBodiesAreClosed(t *testing.T) {
	var open atomic.Int64
	h := newHarness(t, simulator.Options{})
	h.connect(unroutable, nil, counting{memory{h.appliance}, &open})
	none := func(when string) {
		t.Helper()
		if n := open.Load(); n != 0 {
			t.Fatalf("%s: %d bodies are open", when, n)
		}
	}
	h.mustGet()
	none("page and login")
	for _, ours := range []error{nil, errors.New("no such record")} {
		err := h.client.Get(t.Context(), listPath, nil, func(io.Reader) error { return ours })
		if !errors.Is(err, ours) {
			t.Errorf("got %v, want %v", err, ours)
		}
		none("page that nobody read")
	}
	h.appliance.RevokeAllTokens()
	h.mustGet()
	none("refused token")
	h.appliance.Intercept(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		simulator.WriteError(w, http.StatusServiceUnavailable, "starting")
	})
	h.wantReason(reason.Server)
	none("error of a page")
	if err := h.close(); err == nil {
		t.Error("the refresh token was revoked by an appliance that is ill")
	}
	none("error of a revocation")
}
