package ciphertrust_test

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cckm_sync_exporter/collector/ciphertrust"
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
		if n := h.lists(); n != 50*120 {
			t.Errorf("%d requests for %d pages", n, 50*120)
		}
	})
}

// TestRenewal checks when a token is replaced: half a minute before its expiry, or when a fifth of a short
// lifetime is left.
func TestRenewal(t *testing.T) {
	for lifetime, renewed := range map[time.Duration]time.Duration{
		time.Second:       800 * time.Millisecond,
		150 * time.Second: 120 * time.Second,
		300 * time.Second: 270 * time.Second,
		1000 * time.Hour:  24*time.Hour - 30*time.Second, // A day is the longest that a token is believed to live.
	} {
		synctest.Test(t, func(t *testing.T) {
			h := inMemory(t, simulator.Options{TokenLifetime: lifetime}, nil)
			begun := time.Now()
			if err := h.client.Login(t.Context()); err != nil {
				t.Fatal(err)
			}
			expiry, ok := h.client.TokenExpiry()
			if want := begun.Add(min(lifetime, 24*time.Hour)); !ok || !expiry.Equal(want) {
				t.Errorf("the token expires at %s, want %s", expiry, want)
			}
			advance(renewed - time.Nanosecond)
			h.mustGet()
			if n := h.logins(); n != 1 {
				t.Errorf("lifetime %s: %d logins before it was time", lifetime, n)
			}
			advance(time.Nanosecond)
			h.mustGet()
			if n := h.logins(); n == 1 {
				t.Errorf("lifetime %s: no login when it was time", lifetime)
			}
		})
	}
}

// TestRefreshTokens checks that no renewal leaves another refresh token on the appliance, whether it
// rotates them or not.
func TestRefreshTokens(t *testing.T) {
	for _, rotate := range []bool{false, true} {
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
			if n := h.appliance.LoginCount(simulator.GrantRefreshToken, simulator.LoginRejected); n != 1 {
				t.Errorf("%d refresh tokens were refused, want 1", n)
			}
		})
	}
}

// TestRefusedRefresh checks that the password follows a refused refresh at once, unless the appliance asks
// to wait, and that no unused refresh token remains.
func TestRefusedRefresh(t *testing.T) {
	for status, want := range map[int]reason.Reason{ // "" if the password succeeds.
		http.StatusBadRequest: "", http.StatusUnauthorized: "", http.StatusNotFound: "", http.StatusServiceUnavailable: "",
		http.StatusTooManyRequests: reason.Server,
	} {
		synctest.Test(t, func(t *testing.T) {
			h := inMemory(t, simulator.Options{}, nil)
			h.mustGet()
			h.on(isRefresh, failing(status))
			advance(300 * time.Second)
			if want == "" {
				h.mustGet()
				h.wantLogins(2, 0)
				if status >= http.StatusInternalServerError {
					h.wantRefreshTokens(1)
				}
				return
			}
			h.wantReason(want)
			h.appliance.Intercept(nil)
			advance(time.Second)
			h.mustGet()
			h.wantLogins(1, 1)
		})
	}
}

// TestRefusedToken has the appliance forget its tokens, as a restart does: one new token, and one retry of
// each page.
func TestRefusedToken(t *testing.T) {
	for name, latency := range map[string]func(*http.Request) time.Duration{
		"pages that are refused at once":        within(time.Second, isList),
		"pages that are refused one by one":     staggered(time.Second),
		"pages that are refused during a login": within(time.Second, func(*http.Request) bool { return true }),
		"pages that are refused around a login": staggered(300 * time.Millisecond),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := inMemory(t, simulator.Options{}, nil)
				if err := h.client.Login(t.Context()); err != nil {
					t.Fatal(err)
				}
				h.appliance.SetLatency(latency)
				var wait sync.WaitGroup
				for range 4 {
					wait.Go(func() {
						if err := h.get(t.Context()); err != nil {
							t.Error(err)
						}
					})
				}
				synctest.Wait()
				h.appliance.RevokeAllTokens()
				wait.Wait()
				h.wantLogins(1, 1)
				if n := h.lists(); n != 8 {
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
	h.onPages(failing(http.StatusUnauthorized))
	const pages = 10
	for range pages {
		h.wantReason(reason.Auth)
	}
	if n := h.lists(); n != 2*pages {
		t.Errorf("%d requests for %d pages, want two for each", n, pages)
	}
	h.wantLogins(1, pages)
	h.wantRefreshTokens(1)
}

// TestRenewalThatFails checks that a token is used until it expires if it cannot be renewed, and that the
// renewal is tried again meanwhile.
func TestRenewalThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := inMemory(t, simulator.Options{}, nil)
		h.mustGet()
		h.on(isLogin, failing(http.StatusServiceUnavailable))
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

// TestSlowLogin checks that a scrape leaves a slow login at its own deadline, that the login then serves the
// next scrape, and that a login that never ends has a timeout.
func TestSlowLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := inMemory(t, simulator.Options{}, nil)
		h.appliance.SetLatency(within(time.Hour, isLogin))
		begun := time.Now()
		wantReason(t, h.getWithin(time.Hour), reason.Timeout)
		wantTook(t, begun, 10*time.Second)

		h.appliance.SetLatency(within(8*time.Second, isLogin))
		advance(time.Second)
		begun = time.Now()
		err := h.getWithin(time.Second)
		wantReason(t, err, reason.Timeout)
		wantText(t, err.Error(), "waiting for a login")
		wantTook(t, begun, time.Second)
		advance(4 * time.Second)
		if err := h.getWithin(6 * time.Second); err != nil {
			t.Error(err)
		}
		wantTook(t, begun, 8*time.Second)
		h.wantLogins(1, 0)
	})
}

// TestEndedContexts checks that any end of a scrape's context is a timeout, and that nothing is sent after
// it.
func TestEndedContexts(t *testing.T) {
	for name, slow := range map[string]func(*http.Request) bool{"login": isLogin, "page": isList} {
		for _, cancels := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := inMemory(t, simulator.Options{}, func(cfg *ciphertrust.Config) { cfg.Concurrency = 1 })
					h.appliance.SetLatency(within(10*time.Second, slow))
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					if cancels {
						ctx, cancel = context.WithCancel(t.Context())
						time.AfterFunc(time.Second, cancel)
					}
					defer cancel()
					begun := time.Now()
					wantReason(t, h.get(ctx), reason.Timeout)
					wantTook(t, begun, time.Second)
					pages := h.lists()
					wantReason(t, h.get(ctx), reason.Timeout)
					if n := h.lists(); n != pages {
						t.Errorf("%d requests after the end", n-pages)
					}
				})
			})
		}
	}
}

// TestSlots checks that the concurrency bounds the requests of all readers, and that no reader waits for a
// slot beyond its deadline.
func TestSlots(t *testing.T) {
	for concurrency, allowed := range map[int]int{0: 4, 1: 1, 3: 3} {
		synctest.Test(t, func(t *testing.T) {
			h := inMemory(t, simulator.Options{}, func(cfg *ciphertrust.Config) { cfg.Concurrency = concurrency })
			h.mustGet()
			h.appliance.SetLatency(within(time.Second, isList))
			begun := time.Now()
			results := make(chan error, 12)
			for range cap(results) {
				go func() { results <- h.get(t.Context()) }()
			}
			synctest.Wait()
			pages := h.lists()
			wantReason(t, h.getWithin(500*time.Millisecond), reason.Timeout)
			wantTook(t, begun, 500*time.Millisecond)
			if n := h.lists(); n != pages {
				t.Errorf("%d requests without a slot", n-pages)
			}
			for range cap(results) {
				if err := <-results; err != nil {
					t.Error(err)
				}
			}
			wantTook(t, begun, time.Duration(cap(results)/allowed)*time.Second)
		})
	}
}

// TestClose checks that no refresh token remains, however old the token is, and that a closed client
// returns an error without a request.
func TestClose(t *testing.T) {
	for idle, refreshes := range map[time.Duration]int{0: 0, 280 * time.Second: 0, time.Hour: 1} {
		for _, rotate := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				h := inMemory(t, simulator.Options{RotateRefreshTokens: rotate}, nil)
				h.mustGet()
				h.wantRefreshTokens(1)
				advance(idle)
				if err := h.close(); err != nil {
					t.Error(err)
				}
				h.wantRefreshTokens(0)
				h.wantLogins(1, refreshes)
				if _, ok := h.client.TokenExpiry(); ok {
					t.Error("a closed client has a token")
				}
				sent := len(h.appliance.Requests())
				wantText(t, h.failure(reason.Other).Error(), "closed")
				if err := h.close(); err != nil {
					t.Errorf("closing again: %v", err)
				}
				if n := len(h.appliance.Requests()); n != sent {
					t.Errorf("a closed client sent %d requests", n-sent)
				}
			})
		}
	}
}

// TestCloseRevokesTheLatest has an appliance whose refreshes return another refresh token with another
// id: that one is revoked.
func TestCloseRevokesTheLatest(t *testing.T) {
	var revoked []string
	h := serving(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case isRefresh(r):
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

// TestCloseAsALoginIsAnswered closes when the response to a login has just arrived: the refresh token in
// it is revoked as well.
func TestCloseAsALoginIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := inMemory(t, simulator.Options{}, nil)
		closed := make(chan error, 1)
		h.onLogin = func() {
			go func() { closed <- h.close() }()
			synctest.Wait()
		}
		_ = h.get(t.Context()) // It may have got its page.
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
	all := func(r *http.Request) bool { return !isLogin(r) }
	for _, test := range []struct {
		name    string
		arrange func(*harness)
		idle    time.Duration
		want    reason.Reason
		took    time.Duration
	}{
		{"the revocation hangs", func(h *harness) { h.appliance.SetLatency(within(time.Hour, isRevocation)) }, 0, reason.Timeout, 2 * time.Second},
		{"the last login hangs", func(h *harness) { h.appliance.SetLatency(within(time.Hour, isLogin)) }, time.Hour, reason.Timeout, 2 * time.Second},
		{"no permission", func(h *harness) { h.on(all, failing(http.StatusForbidden)) }, 0, reason.Forbidden, 0},
		{"always unauthorized", func(h *harness) { h.on(all, failing(http.StatusUnauthorized)) }, 0, reason.Auth, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := inMemory(t, simulator.Options{}, nil)
				h.mustGet()
				test.arrange(h)
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

// TestCloseDuringALogin closes while a scrape waits for a login: both end at once, or at the end of the
// context if the login does not end even when it is canceled.
func TestCloseDuringALogin(t *testing.T) {
	for _, stuck := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			h := newHarness(t, simulator.Options{})
			release := make(chan struct{})
			h.connect(unroutable, nil, roundTripper(func(req *http.Request) (*http.Response, error) {
				if !stuck {
					<-req.Context().Done()
				} else {
					<-release
				}
				return nil, context.Canceled
			}))
			result := make(chan error, 1)
			go func() { result <- h.getWithin(time.Minute) }()
			synctest.Wait()
			begun := time.Now()
			if stuck {
				wantReason(t, h.close(), reason.Timeout)
				wantTook(t, begun, 2*time.Second)
			} else {
				if err := h.close(); err != nil {
					t.Error(err)
				}
				wantTook(t, begun, 0)
			}
			close(release)
			wantReason(t, <-result, reason.Timeout)
		})
	}
}
