package ciphertrust_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/simulator"
)

// TestOneLoginPerLifetime has fifty readers for twenty minutes. Tokens live for five minutes, and each is
// renewed half a minute before its end.
func TestOneLoginPerLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := inMemory(t, simulator.Options{}, nil)
		h.appliance.SetLatency(within(50*time.Millisecond, isLogin))
		var wait sync.WaitGroup
		for range 50 {
			wait.Go(func() {
				for range 120 {
					if err := h.get(t.Context()); err != nil {
						t.Error(err)
					}
					advance(10 * time.Second)
				}
			})
		}
		wait.Wait()
		h.wantLogins(1, 4)
		h.wantRefreshTokens(1)
		for _, r := range h.appliance.Requests() {
			if r.Status != http.StatusOK {
				t.Errorf("%s %s was answered %d", r.Method, r.Path, r.Status)
			}
		}
		if n := h.lists(); n != 50*120 {
			t.Errorf("%d pages were asked for", n)
		}
	})
}

// TestRenewal checks when a token is replaced: half a minute before its expiry, or when a fifth of a short
// lifetime is left.
func TestRenewal(t *testing.T) {
	for _, test := range []struct {
		lifetime, renewed time.Duration
	}{
		{time.Second, 800 * time.Millisecond},
		{2 * time.Second, 1600 * time.Millisecond},
		{10 * time.Second, 8 * time.Second},
		{150 * time.Second, 120 * time.Second},
		{300 * time.Second, 270 * time.Second},
		{time.Hour, 59*time.Minute + 30*time.Second},
		// A day is the longest that a token is believed to live.
		{1000 * time.Hour, 24*time.Hour - 30*time.Second},
	} {
		t.Run(test.lifetime.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := inMemory(t, simulator.Options{TokenLifetime: test.lifetime}, nil)
				begun := time.Now()
				if err := h.client.Login(t.Context()); err != nil {
					t.Fatal(err)
				}
				expiry, ok := h.client.TokenExpiry()
				if want := begun.Add(min(test.lifetime, 24*time.Hour)); !ok || !expiry.Equal(want) {
					t.Errorf("the token expires at %s, want %s", expiry, want)
				}
				advance(test.renewed - time.Nanosecond)
				h.mustGet()
				if n := h.logins(); n != 1 {
					t.Errorf("%d logins before the time", n)
				}
				advance(time.Nanosecond)
				before := h.logins()
				h.mustGet()
				if n := h.logins(); n == before {
					t.Error("no login when it was time")
				}
			})
		})
	}
}

// TestRefreshTokens checks that no renewal leaves another refresh token on the appliance, whether it
// rotates them or not.
func TestRefreshTokens(t *testing.T) {
	for name, rotate := range map[string]bool{"kept": false, "rotated": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := inMemory(t, simulator.Options{RotateRefreshTokens: rotate}, nil)
				for range 10 {
					h.mustGet()
					advance(10 * time.Minute)
				}
				h.wantLogins(1, 9)
				h.wantRefreshTokens(1)

				// Nobody scrapes for so long that the appliance drops it.
				advance(3 * time.Hour)
				h.mustGet()
				h.wantLogins(2, 9)
				h.wantRefreshTokens(1)

				h.appliance.RevokeRefreshTokens()
				advance(10 * time.Minute)
				h.mustGet()
				h.wantLogins(3, 9)
				h.wantRefreshTokens(1)
				if n := h.appliance.LoginCount(simulator.GrantRefreshToken, simulator.LoginRejected); n != 2 {
					t.Errorf("%d refresh tokens were refused, want 2", n)
				}
			})
		})
	}
}

// TestRefusedRefresh checks that the password follows a refused refresh at once, unless the appliance asks
// to wait, and that no unused refresh token remains.
func TestRefusedRefresh(t *testing.T) {
	for _, test := range []struct {
		status int
		want   reason.Reason // "" if the password succeeds
	}{
		{http.StatusBadRequest, ""},
		{http.StatusUnauthorized, ""},
		{http.StatusForbidden, ""},
		{http.StatusNotFound, ""},
		{http.StatusUnprocessableEntity, ""},
		{http.StatusLocked, ""},
		{http.StatusTooManyRequests, reason.Server},
		{http.StatusInternalServerError, ""},
		{http.StatusServiceUnavailable, ""},
	} {
		t.Run(http.StatusText(test.status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := inMemory(t, simulator.Options{}, nil)
				h.mustGet()
				h.appliance.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
					if isLogin(r) && strings.Contains(bodyOf(r), `"refresh_token":`) {
						simulator.WriteError(w, test.status, "no")
						return
					}
					next.ServeHTTP(w, r)
				})
				advance(300 * time.Second)
				if test.want == "" {
					h.mustGet()
					h.wantLogins(2, 0)
					if test.status >= http.StatusInternalServerError {
						h.wantRefreshTokens(1)
					}
					return
				}
				h.wantReason(test.want)
				h.appliance.Intercept(nil)
				advance(time.Second)
				h.mustGet()
				h.wantLogins(1, 1)
			})
		})
	}
}

// TestRefusedToken has the appliance forget its tokens, as a restart does: one new token, and one retry of
// each page.
func TestRefusedToken(t *testing.T) {
	for name, latency := range map[string]func(*http.Request) time.Duration{
		"pages that are refused at once":         within(time.Second, isList),
		"pages that are refused one by one":      staggered(time.Second),
		"pages that are refused during a login":  within(time.Second, func(*http.Request) bool { return true }),
		"pages that are refused around a login":  staggered(300 * time.Millisecond),
		"pages that are refused before they ask": nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := inMemory(t, simulator.Options{}, nil)
				if err := h.client.Login(t.Context()); err != nil {
					t.Fatal(err)
				}
				h.appliance.SetLatency(latency)
				if latency == nil {
					h.appliance.RevokeAllTokens()
				}
				var wait sync.WaitGroup
				for range 4 {
					wait.Go(func() {
						if err := h.get(t.Context()); err != nil {
							t.Error(err)
						}
					})
				}
				synctest.Wait()
				if latency != nil {
					h.appliance.RevokeAllTokens()
				}
				wait.Wait()
				h.wantLogins(1, 1)
				if n := h.lists(); latency != nil && n != 8 {
					t.Errorf("%d requests for four pages that were refused once, want 8", n)
				}
			})
		})
	}
}

// staggered returns a latency that grows from page to page.
func staggered(step time.Duration) func(*http.Request) time.Duration {
	var n atomic.Int64
	return func(r *http.Request) time.Duration {
		if !isList(r) {
			return step
		}
		return step * time.Duration(n.Add(1))
	}
}

// TestTokenRefusedAlways checks that a page costs at most two requests and a login if the appliance refuses
// each of its own tokens.
func TestTokenRefusedAlways(t *testing.T) {
	h := inMemory(t, simulator.Options{}, nil)
	h.appliance.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if isList(r) {
			simulator.WriteError(w, http.StatusUnauthorized, "the token is not valid")
			return
		}
		next.ServeHTTP(w, r)
	})
	const pages = 10
	for range pages {
		err := h.failure(reason.Auth)
		wantText(t, reason.RemedyOf(err), "refuses a token that it has just given")
	}
	if n := h.lists(); n != 2*pages {
		t.Errorf("%d requests for %d pages, want two for each", n, pages)
	}
	h.wantLogins(1, pages)
	h.wantRefreshTokens(1)
}

// TestRenewalThatFails proves that a token is used until it expires if it cannot be
// renewed, and that the renewal is tried again meanwhile.
func TestRenewalThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := inMemory(t, simulator.Options{}, nil)
		h.mustGet()
		h.appliance.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if isLogin(r) {
				simulator.WriteError(w, http.StatusServiceUnavailable, "busy")
				return
			}
			next.ServeHTTP(w, r)
		})
		advance(270 * time.Second)
		for range 30 {
			h.mustGet()
			advance(time.Second)
		}
		// 0, 1, 3, 7 and 15 seconds after the renewal was due, each by refresh token and password.
		if n := h.logins() - 1; n != 2*5 {
			t.Errorf("%d logins in the last 30 seconds of a token, want 10", n)
		}
		advance(15 * time.Second)
		h.wantReason(reason.Server)
		h.appliance.Intercept(nil)
		advance(30 * time.Second)
		h.mustGet()
	})
}
