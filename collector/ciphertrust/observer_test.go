package ciphertrust_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/simulator"
)

// TestObserver holds that every request and every login is seen once, with
// names that make good labels.
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

// TestObserverNames holds that all that an observer can be told of a login is
// known beforehand, so that each series can be written from the start.
func TestObserverNames(t *testing.T) {
	if want := []string{"password", "refresh_token", "client_credential"}; !slices.Equal(ciphertrust.Grants(), want) {
		t.Errorf("grants %q, want %q", ciphertrust.Grants(), want)
	}
	if want := []string{"success", "rejected", "error"}; !slices.Equal(ciphertrust.LoginResults(), want) {
		t.Errorf("results %q, want %q", ciphertrust.LoginResults(), want)
	}
}

// TestNobodyLooks holds that the observer and the logger may be left out.
func TestNobodyLooks(t *testing.T) {
	h := newHarness(t, simulator.Options{})
	h.connect(unroutable, func(cfg *ciphertrust.Config) { cfg.Observer, cfg.Logger, cfg.UserAgent = nil, nil, "" }, memory{h.appliance})
	h.mustGet()
	h.appliance.RevokeAllTokens()
	h.appliance.RevokeRefreshTokens()
	h.mustGet()
	h.wantLogins(2, 0)
}
