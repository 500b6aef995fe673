package ciphertrust_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/cmsim"
	"cckm_sync_exporter/collector/reason"
)

// retrying lets a client ask again.
func retrying(cfg *ciphertrust.Config) { cfg.Retries = ciphertrust.DefaultRetries }

// broken fails requests for lists, the first n of them.
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

// status answers with a status and, where it is not empty, Retry-After.
func status(code int, retryAfter string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		cmsim.WriteError(w, code, "not now")
	}
}

// aborting ends the connection without an answer.
func aborting(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// TestRetries holds which failures are tried again, how often, and what is told
// in the end.
func TestRetries(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		// again says whether the page is asked for again, and want how it ends
		// where that does not help.
		again bool
		want  reason.Reason
	}{
		{"no answer", aborting, true, reason.Network},
		{"429", status(http.StatusTooManyRequests, ""), true, reason.Server},
		{"502", status(http.StatusBadGateway, ""), true, reason.Server},
		{"503", status(http.StatusServiceUnavailable, ""), true, reason.Server},
		{"504", status(http.StatusGatewayTimeout, ""), true, reason.Server},
		{"400", status(http.StatusBadRequest, ""), false, reason.Other},
		{"403", status(http.StatusForbidden, ""), false, reason.Forbidden},
		{"404", status(http.StatusNotFound, ""), false, reason.NotFound},
		{"409", status(http.StatusConflict, ""), false, reason.Other},
		{"422", status(http.StatusUnprocessableEntity, ""), false, reason.Other},
		{"500", status(http.StatusInternalServerError, ""), false, reason.Server},
		{"a redirect", status(http.StatusFound, ""), false, reason.Other},
		{"garbage", func(w http.ResponseWriter, _ *http.Request) { respond(w, http.StatusOK, "<html>") }, false, reason.Decode},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := inMemory(t, cmsim.Options{}, retrying)
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

// TestLoginIsTriedAgain holds that a login that did not get through is tried
// again like a page, and one that was refused is not.
func TestLoginIsTriedAgain(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		want   int
	}{
		{"no answer", aborting, 1 + ciphertrust.DefaultRetries},
		{"503", status(http.StatusServiceUnavailable, ""), 1 + ciphertrust.DefaultRetries},
		{"401", status(http.StatusUnauthorized, ""), 1},
		{"422", status(http.StatusUnprocessableEntity, ""), 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := inMemory(t, cmsim.Options{}, retrying)
				h.appliance.Intercept(func(w http.ResponseWriter, r *http.Request, _ http.Handler) { test.answer(w, r) })
				if err := h.get(t.Context()); err == nil {
					t.Error("no error")
				}
				if n := h.logins(); n != test.want {
					t.Errorf("%d logins, want %d", n, test.want)
				}
			})
		})
	}
}

// TestPauses holds that the pauses grow, are not all alike, and are never
// shorter than what the appliance asks for.
func TestPauses(t *testing.T) {
	for _, test := range []struct {
		name, retryAfter string
		least            time.Duration
	}{
		{"no wish", "", 0},
		{"seconds", "3", 3 * time.Second},
		// A bubble's clock begins with the year 2000.
		{"a time that has passed", "Fri, 31 Dec 1999 23:59:00 GMT", 0},
		{"nonsense", "soon", 0},
		{"a negative number", "-5", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			all := make(map[time.Duration]bool)
			for range 20 {
				synctest.Test(t, func(t *testing.T) {
					h := inMemory(t, cmsim.Options{}, retrying)
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
							t.Errorf("pause %d is %s longer than asked for, want %s, half as much more or less", i, own, middle)
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

// TestRetryAfterTime holds that Retry-After may be a time.
func TestRetryAfterTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := inMemory(t, cmsim.Options{}, retrying)
		h.mustGet()
		begun := time.Now()
		h.broken(1, status(http.StatusServiceUnavailable, begun.Add(3*time.Second).UTC().Format(http.TimeFormat)))
		h.mustGet()
		if took := time.Since(begun); took < 3*time.Second || took > 3*time.Second+150*time.Millisecond {
			t.Errorf("it took %s, want 3s and no more than a short pause", took)
		}
	})
}

// TestRetriesKeepToTheDeadline holds that no pause is begun that the deadline
// would end, so that a read fails soon and for its real reason.
func TestRetriesKeepToTheDeadline(t *testing.T) {
	for _, test := range []struct {
		name, retryAfter string
		deadline         time.Duration
		tries            int
	}{
		{"a wish beyond the deadline", "60", 10 * time.Second, 1},
		{"a wish beyond any time", "99999999999999999999999", 10 * time.Second, 1},
		{"a wish that fits twice", "3", 8 * time.Second, 3},
		{"a short deadline", "", 40 * time.Millisecond, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := inMemory(t, cmsim.Options{}, retrying)
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
					wantText(t, err.Error(), "asks not to be asked again for")
				}
			})
		})
	}
}

// TestDeadlineWithinATry holds that a try which the deadline cuts short does not
// hide why the one before it failed.
func TestDeadlineWithinATry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := inMemory(t, cmsim.Options{}, retrying)
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

// TestPauseLeavesTheSlot holds that a list whose pages pause between their
// tries does not keep another one waiting.
func TestPauseLeavesTheSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := inMemory(t, cmsim.Options{}, func(cfg *ciphertrust.Config) { cfg.Retries, cfg.Concurrency = 4, 1 })
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

// TestPatience holds when a page that hangs is asked for again.
func TestPatience(t *testing.T) {
	for _, test := range []struct {
		name string
		// usual is how long pages took before, and hangs how long the next one
		// takes, of which the first is one that never ends.
		usual, hangs time.Duration
		// want is how long it takes until the page is there.
		want time.Duration
	}{
		{"a page that hangs is asked for again", 50 * time.Millisecond, time.Hour, 4*time.Second + 50*time.Millisecond},
		{"a slow page is waited for", 50 * time.Millisecond, 3 * time.Second, 3 * time.Second},
		{"slow pages are known", 2 * time.Second, 15 * time.Second, 15 * time.Second},
		{"many times as slow", 2 * time.Second, time.Hour, 22 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := inMemory(t, cmsim.Options{}, retrying)
				latency := test.usual
				h.appliance.SetLatency(func(r *http.Request) time.Duration {
					if !isList(r) {
						return 0
					}
					now := latency
					latency = test.usual
					return now
				})
				h.mustGet()
				latency = test.hangs
				begun := time.Now()
				h.mustGet()
				took := time.Since(begun)
				if took < test.want || took > test.want+200*time.Millisecond {
					t.Errorf("it took %s, want %s and no more than a short pause", took, test.want)
				}
			})
		})
	}
}

// TestImpatientAtTheDeadline holds that a page is a timeout which is given up for
// once just when the scrape's own time is up.
func TestImpatientAtTheDeadline(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			h := inMemory(t, cmsim.Options{}, retrying)
			h.mustGet()
			h.appliance.SetLatency(within(time.Hour, isList))
			wantReason(t, h.getWithin(4*time.Second), reason.Timeout)
		})
	}
}

// TestPatienceLearns holds that an appliance that has become slow for good is
// not cut off scrape after scrape.
func TestPatienceLearns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := inMemory(t, cmsim.Options{}, retrying)
		h.mustGet()
		h.appliance.SetLatency(within(8*time.Second, isList))
		scrape := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 9500*time.Millisecond)
			defer cancel()
			return h.get(ctx)
		}
		// Nothing tells a page that has become slow from one that has died: the
		// second try comes too late for this scrape.
		wantReason(t, scrape(), reason.Timeout)
		for range 100 {
			if err := scrape(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestNoPatienceBeforeTheFirstPage holds that nothing is cut off by a client
// that does not know yet how long pages take.
func TestNoPatienceBeforeTheFirstPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := inMemory(t, cmsim.Options{}, retrying)
		h.appliance.SetLatency(within(time.Minute, isList))
		h.mustGet()
		if n := h.lists(); n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
	})
}

// TestCutBodyIsReadAgain holds that read gets the whole of a new body after one
// that was cut short.
func TestCutBodyIsReadAgain(t *testing.T) {
	h, _ := overTLS(t, cmsim.Options{}, retrying)
	h.broken(2, raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"skip\":0,", false))
	var bodies []string
	err := h.client.Get(t.Context(), listPath, nil, func(r io.Reader) error {
		body, err := io.ReadAll(r)
		bodies = append(bodies, string(body))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(bodies) != 3 || bodies[0] != `{"skip":0,` || bodies[1] != bodies[0] || !strings.HasSuffix(bodies[2], "}") {
		t.Errorf("read got %q", bodies)
	}
}
