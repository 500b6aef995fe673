package ciphertrust_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/simulator"
)

// TestObserver checks that the observer is called once for each request and login, with names for labels.
func TestObserver(t *testing.T) {
	h := inMemory(t, simulator.Options{}, nil)
	want := func(when string, events ...string) {
		t.Helper()
		if diff := cmp.Diff(events, h.observed.take()); diff != "" {
			t.Errorf("%s: %s", when, diff)
		}
	}
	h.mustGet()
	want("first page", "auth/tokens 200", "login password success", listPath+" 200")
	h.mustGet()
	want("second page", listPath+" 200")
	h.appliance.RevokeAllTokens()
	h.mustGet()
	want("refused token", listPath+" 401", "auth/tokens 200", "login refresh_token success", listPath+" 200")
	h.appliance.RevokeAllTokens()
	h.appliance.RevokeRefreshTokens()
	h.mustGet()
	want("refused refresh token", listPath+" 401", "auth/tokens 401", "login refresh_token rejected",
		"auth/tokens 200", "login password success", listPath+" 200")
	h.onPages(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	h.wantReason(reason.Network)
	want("no answer", listPath+" 0")
	h.appliance.RevokeAllTokens()
	if err := h.close(); err != nil {
		t.Error(err)
	}
	want("close", "auth/tokens 401", "auth/tokens 200", "login refresh_token success", "auth/tokens 204")
}
