package ciphertrust_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/simulator"
)

// retrying sets the default number of retries.
func retrying(cfg *ciphertrust.Config) { cfg.Retries = ciphertrust.DefaultRetries }

// decode reads a body as JSON, as a reader of lists does.
func decode(r io.Reader) error {
	var v any
	if err := json.NewDecoder(r).Decode(&v); err != nil {
		return reason.New(reason.Decode, err, "")
	}
	return discard(r)
}

// broken fails the first n requests for lists.
func (h *harness) broken(n int, answer http.HandlerFunc) {
	h.appliance.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if isList(r) && n > 0 {
			n--
			answer(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// status responds with a status and, if it is not empty, Retry-After.
func status(code int, retryAfter string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		simulator.WriteError(w, code, "not now")
	}
}

// aborting closes the connection without a response.
func aborting(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// TestRetries checks which failures are retried, how often, and which reason remains.
func TestRetries(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		// again reports whether the page is retried. want is the reason if it fails each time.
		again bool
		want  reason.Reason
	}{
		{"no answer", aborting, true, reason.Network},
		{"429", status(http.StatusTooManyRequests, ""), true, reason.Server},
		{"503", status(http.StatusServiceUnavailable, ""), true, reason.Server},
		{"504", status(http.StatusGatewayTimeout, ""), true, reason.Server},
		{"403", status(http.StatusForbidden, ""), false, reason.Forbidden},
		{"409", status(http.StatusConflict, ""), false, reason.Other},
		{"500", status(http.StatusInternalServerError, ""), false, reason.Server},
		{"a redirect", status(http.StatusFound, ""), false, reason.Other},
		{"garbage", func(w http.ResponseWriter, _ *http.Request) { respond(w, http.StatusOK, "<html>") }, false, reason.Decode},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := inMemory(t, simulator.Options{}, retrying)
				get := func() error {
					return h.client.Get(t.Context(), listPath, nil, decode)
				}
				h.broken(1, test.answer)
				if err := get(); (err == nil) != test.again {
					t.Errorf("after one failure: %v", err)
				}
				h.broken(1000, test.answer)
				before := h.lists()
				wantReason(t, get(), test.want)
				want := 1
				if test.again {
					want += ciphertrust.DefaultRetries
				}
				if tried := h.lists() - before; tried != want {
					t.Errorf("%d requests, want %d", tried, want)
				}
			})
		})
	}
}

// TestPauses checks that the pauses grow, have a random part, and are at least as long as Retry-After.
func TestPauses(t *testing.T) {
	for _, test := range []struct {
		name, retryAfter string
		least            time.Duration
	}{
		{"no wish", "", 0},
		{"seconds", "3", 3 * time.Second},
		{"nonsense", "soon", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			all := make(map[time.Duration]bool)
			for range 20 {
				synctest.Test(t, func(t *testing.T) {
					h := inMemory(t, simulator.Options{}, retrying)
					h.mustGet()
					var at []time.Time
					h.onPages(func(w http.ResponseWriter, r *http.Request) {
						at = append(at, time.Now())
						status(http.StatusServiceUnavailable, test.retryAfter)(w, r)
					})
					h.wantReason(reason.Server)
					middle := 100 * time.Millisecond
					for i := 1; i < len(at); i++ {
						own := at[i].Sub(at[i-1]) - test.least
						all[own] = true
						if own < middle/2 || own > middle*3/2+1 {
							t.Errorf("pause %d is %s longer than Retry-After, want %s, half as much more or less", i, own, middle)
						}
						middle *= 2
					}
				})
			}
			if len(all) < 70 {
				t.Errorf("only %d different pauses of 80", len(all))
			}
		})
	}
}

// TestRetriesKeepToTheDeadline checks that a pause that would outlast the deadline does not begin, so that
// a read fails early and with its real reason.
func TestRetriesKeepToTheDeadline(t *testing.T) {
	for _, test := range []struct {
		name, retryAfter string
		deadline         time.Duration
		tries            int
	}{
		{"a wish beyond the deadline", "99999999999999999999999", 10 * time.Second, 1},
		{"a wish that fits twice", "3", 8 * time.Second, 3},
		{"a short deadline", "", 40 * time.Millisecond, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := inMemory(t, simulator.Options{}, retrying)
				h.mustGet()
				h.onPages(status(http.StatusTooManyRequests, test.retryAfter))
				before := h.lists()
				ctx, cancel := context.WithTimeout(t.Context(), test.deadline)
				defer cancel()
				err := h.get(ctx)
				wantReason(t, err, reason.Server)
				if ctx.Err() != nil {
					t.Error("the deadline has passed")
				}
				if tries := h.lists() - before; tries != test.tries {
					t.Errorf("%d requests, want %d", tries, test.tries)
				}
				if test.retryAfter != "" {
					wantText(t, err.Error(), "not tried again before")
				}
			})
		})
	}
}

// TestDeadlineWithinATry checks that an attempt that the deadline interrupts does not hide why the one
// before it failed.
func TestDeadlineWithinATry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := inMemory(t, simulator.Options{}, retrying)
		h.mustGet()
		h.onPages(status(http.StatusServiceUnavailable, ""))
		h.appliance.SetLatency(within(300*time.Millisecond, isList))
		begun, before := time.Now(), h.lists()
		wantReason(t, h.getWithin(600*time.Millisecond), reason.Server)
		wantTook(t, begun, 600*time.Millisecond)
		if tried := h.lists() - before; tried != 2 {
			t.Errorf("%d tries, want 2", tried)
		}
	})
}

// TestPauseLeavesTheSlot checks that a list whose pages pause between attempts does not delay another one.
func TestPauseLeavesTheSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := inMemory(t, simulator.Options{}, func(cfg *ciphertrust.Config) { cfg.Retries, cfg.Concurrency = 4, 1 })
		h.mustGet()
		h.appliance.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if strings.Contains(r.URL.Path, "/azure/") {
				status(http.StatusServiceUnavailable, "5")(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
		failed := make(chan error, 1)
		go func() {
			failed <- h.client.Get(t.Context(), "cckm/azure/certificates/synchronization-jobs", nil, discard)
		}()
		synctest.Wait()
		begun := time.Now()
		h.mustGet()
		if waited := time.Since(begun); waited > 0 {
			t.Errorf("the other list waited for %s", waited)
		}
		wantReason(t, <-failed, reason.Server)
	})
}

// TestAttemptTimeout checks that a page that hangs is requested again after the timeout of an attempt, that
// no page is cut off earlier, and that a page that always hangs is a timeout.
func TestAttemptTimeout(t *testing.T) {
	const timeout = 5 * time.Second
	for first, want := range map[time.Duration]time.Duration{time.Hour: timeout, timeout - 1: timeout - 1} {
		synctest.Test(t, func(t *testing.T) {
			h := inMemory(t, simulator.Options{}, func(cfg *ciphertrust.Config) {
				cfg.Retries, cfg.AttemptTimeout = 1, timeout
			})
			h.mustGet()
			var latency atomic.Int64
			latency.Store(int64(first))
			h.appliance.SetLatency(func(r *http.Request) time.Duration {
				if !isList(r) {
					return 0
				}
				return time.Duration(latency.Swap(0))
			})
			begun := time.Now()
			h.mustGet()
			if took := time.Since(begun); took < want || took > want+200*time.Millisecond {
				t.Errorf("it took %s, want %s and at most a short pause", took, want)
			}
			h.appliance.SetLatency(within(time.Hour, isList))
			err := h.getWithin(time.Hour)
			wantReason(t, err, reason.Timeout)
			wantText(t, err.Error(), "the page was not complete after 5s")
		})
	}
}

// TestRetryAfterAcrossScrapes checks that nothing is sent before the time that
// Retry-After asks for has passed: no page of the list, or no login at the appliance.
func TestRetryAfterAcrossScrapes(t *testing.T) {
	for _, test := range []struct {
		name, retryAfter string
		status           int
		want             time.Duration
	}{
		{"an hour", "3600", http.StatusTooManyRequests, time.Hour},
		{"two hours", "7200", http.StatusServiceUnavailable, time.Hour},
		{"a minute, forbidden", "60", http.StatusForbidden, time.Minute},
		{"a minute, as a time", "Sat, 01 Jan 2000 00:01:00 GMT", http.StatusTooManyRequests, time.Minute},
	} {
		for what, isHeld := range map[string]func(*http.Request) bool{"login": isLogin, "page": isGoogle} {
			t.Run(what+", "+test.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					guard := ciphertrust.NewLoginGuard()
					h := inMemory(t, simulator.Options{}, func(cfg *ciphertrust.Config) {
						cfg.Retries, cfg.Guard = ciphertrust.DefaultRetries, guard
					})
					var sent []time.Duration
					begun := time.Now()
					h.appliance.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
						if !isHeld(r) {
							next.ServeHTTP(w, r)
							return
						}
						sent = append(sent, time.Since(begun))
						status(test.status, test.retryAfter)(w, r)
					})
					_ = h.getWithin(10 * time.Second)
					for time.Since(begun) < test.want-15*time.Second {
						advance(15 * time.Second)
						err := h.getWithin(10 * time.Second)
						wantReason(t, err, reason.Server)
						wantText(t, err.Error(), "not tried again before 2000-01-01T0")
					}
					if len(sent) != 1 {
						t.Errorf("requests after %s, want only one", sent)
					}
					// The other list, and another user of the same appliance.
					other := inMemory(t, simulator.Options{}, func(cfg *ciphertrust.Config) {
						cfg.Guard, cfg.Credentials.Username = guard, "another"
					})
					err := other.client.Login(t.Context())
					if what == "login" && reason.Of(err) != reason.Server {
						t.Errorf("the login of another user of the appliance: %v", err)
					}
					if what == "page" {
						if err := h.client.Get(t.Context(), "cckm/azure/certificates/synchronization-jobs", nil, discard); err != nil {
							t.Errorf("the other list: %v", err)
						}
					}
					h.appliance.Intercept(nil)
					advance(15*time.Second + 1)
					h.mustGet()
				})
			})
		}
	}
}

func isGoogle(r *http.Request) bool { return strings.Contains(r.URL.Path, "/google/") }
