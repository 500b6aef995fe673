package ciphertrust_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/simulator"
)

// wantTook fails unless exactly this time has passed by the clock of the bubble.
func wantTook(t *testing.T, begun time.Time, want time.Duration) {
	t.Helper()
	if took := time.Since(begun); took != want {
		t.Errorf("it took %s, want %s", took, want)
	}
}

// getWithin is get with a deadline.
func (h *harness) getWithin(patience time.Duration) error {
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	return h.get(ctx)
}

// TestLoginOutlivesItsScrape checks that a scrape leaves a slow login at its own deadline, and that the
// login then serves the next scrape.
func TestLoginOutlivesItsScrape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := inMemory(t, simulator.Options{}, nil)
		h.appliance.SetLatency(within(8*time.Second, isLogin))
		begun := time.Now()
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

// TestLoginThatNeverEnds proves that a login has a timeout, so that a later one can
// succeed.
func TestLoginThatNeverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := inMemory(t, simulator.Options{}, nil)
		h.appliance.SetLatency(within(time.Hour, isLogin))
		begun := time.Now()
		wantReason(t, h.getWithin(time.Hour), reason.Timeout)
		wantTook(t, begun, 10*time.Second)
		h.appliance.SetLatency(nil)
		advance(time.Second)
		h.mustGet()
		h.wantLogins(1, 0)
	})
}

// TestEndedContexts checks that any end of a scrape's context is a timeout.
func TestEndedContexts(t *testing.T) {
	for name, end := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"deadline": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		},
		"cancelled": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		},
		"cancelled with a cause": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(time.Second, func() { cancel(fmt.Errorf("shutting down: %w", context.Canceled)) })
			return ctx, func() { cancel(nil) }
		},
	} {
		for stage, slow := range map[string]func(*http.Request) bool{"login": isLogin, "page": isList} {
			t.Run(name+" during a "+stage, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := inMemory(t, simulator.Options{}, func(cfg *ciphertrust.Config) { cfg.Concurrency = 1 })
					h.appliance.SetLatency(within(10*time.Second, slow))
					ctx, cancel := end(t.Context())
					defer cancel()
					begun := time.Now()
					wantReason(t, h.get(ctx), reason.Timeout)
					wantTook(t, begun, time.Second)

					// A scrape whose time is up sends nothing.
					pages := h.lists()
					wantReason(t, h.get(ctx), reason.Timeout)
					if n := h.lists(); n != pages {
						t.Errorf("%d pages were asked for after the end", n-pages)
					}
				})
			})
		}
	}
}

// TestSlots checks that the concurrency bounds the requests of all readers, and that no reader waits for a
// slot beyond its deadline.
func TestSlots(t *testing.T) {
	for _, test := range []struct{ concurrency, allowed int }{{0, 4}, {1, 1}, {3, 3}} {
		t.Run(strconv.Itoa(test.concurrency), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := inMemory(t, simulator.Options{}, func(cfg *ciphertrust.Config) { cfg.Concurrency = test.concurrency })
				h.mustGet()
				h.appliance.SetLatency(within(time.Second, isList))
				begun := time.Now()
				results := make(chan error, 12)
				for range cap(results) {
					go func() { results <- h.get(t.Context()) }()
				}
				synctest.Wait()
				pages := h.lists()
				err := h.getWithin(500 * time.Millisecond)
				wantReason(t, err, reason.Timeout)
				wantTook(t, begun, 500*time.Millisecond)
				if n := h.lists(); n != pages {
					t.Errorf("%d pages were asked for without a slot", n-pages)
				}
				for range cap(results) {
					if err := <-results; err != nil {
						t.Error(err)
					}
				}
				wantTook(t, begun, time.Duration(cap(results)/test.allowed)*time.Second)
				if n := h.appliance.MaxListsInFlight(); n != test.allowed {
					t.Errorf("%d pages in flight at once, want %d", n, test.allowed)
				}
			})
		})
	}
}
