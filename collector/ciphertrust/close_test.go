package ciphertrust_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/simulator"
)

// close closes the client, as a program that ends does.
func (h *harness) close() error {
	ctx, cancel := context.WithTimeout(h.t.Context(), 2*time.Second)
	defer cancel()
	err := h.client.Close(ctx)
	if err != nil {
		h.note(err)
	}
	return err
}

// TestClose checks that no refresh token remains, however old the token is, and that a closed client
// returns an error without a request.
func TestClose(t *testing.T) {
	for _, test := range []struct {
		name      string
		rotate    bool
		idle      time.Duration
		refreshes int
	}{
		{"fresh token", false, 0, 0},
		{"token that is due to be renewed", false, 280 * time.Second, 0},
		{"expired token", false, time.Hour, 1},
		{"expired token, rotating refresh tokens", true, time.Hour, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := inMemory(t, simulator.Options{RotateRefreshTokens: test.rotate}, nil)
				h.mustGet()
				h.wantRefreshTokens(1)
				advance(test.idle)
				if err := h.close(); err != nil {
					t.Error(err)
				}
				h.wantRefreshTokens(0)
				h.wantLogins(1, test.refreshes)
				if _, ok := h.client.TokenExpiry(); ok {
					t.Error("a closed client has a token")
				}

				sent := len(h.appliance.Requests())
				err := h.failure(reason.Other)
				wantText(t, err.Error(), "closed")
				if err := h.client.Login(t.Context()); err == nil {
					t.Error("a closed client logs in")
				}
				if err := h.close(); err != nil {
					t.Errorf("closing again: %v", err)
				}
				if n := len(h.appliance.Requests()); n != sent {
					t.Errorf("a closed client sent %d requests", n-sent)
				}
			})
		})
	}
}

// TestCloseRevokesTheLatest has an appliance whose refreshes return another refresh token with another
// id: that one is revoked.
func TestCloseRevokesTheLatest(t *testing.T) {
	var revoked []string
	h := serving(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case isLogin(r) && strings.Contains(bodyOf(r), `"refresh_token":`):
			respond(w, http.StatusOK, `{"jwt":"jwt-SECRET-2","duration":300,"refresh_token":"refresh-SECRET-2","refresh_token_id":"id/2"}`)
		case isLogin(r):
			respond(w, http.StatusOK, `{"jwt":"jwt-SECRET-1","duration":300,"refresh_token":"refresh-SECRET-1","refresh_token_id":"id/1"}`)
		case r.Header.Get("Authorization") != "Bearer jwt-SECRET-2" && isRevocation(r):
			simulator.WriteError(w, http.StatusUnauthorized, "the token jwt-SECRET-1 has expired")
		case isRevocation(r):
			revoked = append(revoked, r.URL.EscapedPath())
			w.WriteHeader(http.StatusNoContent)
		default:
			respond(w, http.StatusOK, `{}`)
		}
	})
	h.mustGet()
	if err := h.close(); err != nil {
		t.Error(err)
	}
	if want := []string{"/api/v1/auth/tokens/id%2F2"}; !slices.Equal(revoked, want) {
		t.Errorf("revoked %q, want %q", revoked, want)
	}
}

// TestCloseGivesUpALogin closes while a scrape waits for a login: both end at once.
func TestCloseGivesUpALogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := inMemory(t, simulator.Options{}, nil)
		h.appliance.SetLatency(within(25*time.Second, isLogin))
		begun := time.Now()
		result := make(chan error)
		go func() { result <- h.get(t.Context()) }()
		synctest.Wait()
		if err := h.close(); err != nil {
			t.Error(err)
		}
		wantReason(t, <-result, reason.Timeout)
		wantTook(t, begun, 0)
		h.wantRefreshTokens(0)
	})
}

// TestCloseAsALoginIsAnswered closes when the response to a login has just arrived: the refresh token in
// it is revoked as well.
func TestCloseAsALoginIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := inMemory(t, simulator.Options{}, nil)
		closed := make(chan error, 1)
		h.observed.onLogin = func() {
			go func() { closed <- h.close() }()
			synctest.Wait()
		}
		_ = h.get(t.Context()) // Whether it still got its page does not matter.
		if err := <-closed; err != nil {
			t.Error(err)
		}
		h.wantLogins(1, 0)
		h.wantRefreshTokens(0)
	})
}

// TestCloseFailures checks that closing ends at its deadline, and that its error says what remains on the
// appliance.
func TestCloseFailures(t *testing.T) {
	for _, test := range []struct {
		name    string
		arrange func(*simulator.Appliance)
		idle    time.Duration
		want    reason.Reason
		took    time.Duration
	}{
		{
			"the revocation is swallowed", func(a *simulator.Appliance) { a.SetLatency(within(time.Hour, isRevocation)) },
			0, reason.Timeout, 2 * time.Second,
		},
		{
			"the last login is swallowed", func(a *simulator.Appliance) { a.SetLatency(within(time.Hour, isLogin)) },
			time.Hour, reason.Timeout, 2 * time.Second,
		},
		{"no permission", answering(http.StatusForbidden), 0, reason.Forbidden, 0},
		{"the appliance is ill", answering(http.StatusServiceUnavailable), 0, reason.Server, 0},
		{"always unauthorized", answering(http.StatusUnauthorized), 0, reason.Auth, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := inMemory(t, simulator.Options{}, nil)
				h.mustGet()
				test.arrange(h.appliance)
				advance(test.idle)
				begun := time.Now()
				err := h.close()
				wantReason(t, err, test.want)
				wantText(t, err.Error(), "revoking the refresh token")
				wantTook(t, begun, test.took)
				if n := h.logins(); n > 2 {
					t.Errorf("%d logins", n)
				}
			})
		})
	}
}

// answering answers everything except logins with an error that repeats the token.
func answering(status int) func(*simulator.Appliance) {
	return func(a *simulator.Appliance) {
		a.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if isLogin(r) {
				next.ServeHTTP(w, r)
				return
			}
			simulator.WriteError(w, status, "no, "+r.Header.Get("Authorization"))
		})
	}
}

// TestCloseIsBounded checks that a login that does not end even when it is canceled delays nobody beyond
// the end of the context.
func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, simulator.Options{})
		release := make(chan struct{})
		h.connect(unroutable, nil, roundTripper(func(*http.Request) (*http.Response, error) {
			<-release
			return nil, context.Canceled
		}))
		result := make(chan error)
		go func() { result <- h.getWithin(time.Second) }()
		begun := time.Now()
		wantReason(t, <-result, reason.Timeout)
		wantTook(t, begun, time.Second)
		wantReason(t, h.close(), reason.Timeout)
		wantTook(t, begun, 3*time.Second)
		close(release)
	})
}
