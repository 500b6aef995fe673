package targets_test

import (
	"context"
	"net/http"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"cckm_sync_exporter/collector/config"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/simulator"
)

// stages are the full reads that an event can come in the middle of. Before it, first is true if
// the list is not known.
func stages() map[string]bool {
	return map[string]bool{"a first read": true, "a due read": false}
}

// readingTarget is a set with one target that is in the middle of a full read.
type readingTarget struct {
	*appliance
	*set

	cfg config.Target
	// release lets the appliance answer again.
	release func()
}

// inTheMiddle returns a target of which a full read is in progress and no scrape waits. The
// appliance does not answer requests for pages behind the first one until release is called.
func inTheMiddle(t *testing.T, first bool, options simulator.Options) *readingTarget {
	t.Helper()
	a := startApplianceWith(t, options)
	r := &readingTarget{appliance: a, cfg: a.target("one")}
	r.cfg.PageSize, r.cfg.Timeout, r.cfg.FullReadTimeout, r.cfg.FullReadInterval = 20, 20*time.Second, time.Minute, time.Millisecond
	r.set = newSet(t, r.cfg)
	var held atomic.Bool
	released, release := context.WithCancel(t.Context())
	t.Cleanup(release)
	r.release = release
	a.Intercept(func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		if held.Load() && isLaterPage(req) {
			select {
			case <-req.Context().Done():
				return
			case <-released.Done():
			}
		}
		next.ServeHTTP(w, req)
	})
	if !first {
		r.mustRead(t, "one")
	}
	held.Store(true)
	if first {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if snapshot := r.readWithin(ctx, t); reason.Of(snapshot.Lists[0].Err) != reason.Timeout {
			t.Fatalf("a scrape of a list that is not known yet: %v", snapshot.Lists[0].Err)
		}
	}
	eventually(t, "the first page of a full read has arrived", func() bool {
		if !first {
			r.mustRead(t, "one")
		}
		progress := r.progress(t)
		return progress != nil && progress.Pages > 0
	})
	return r
}

// isLaterPage reports whether a full read sends a request, except for its first one. An
// incremental read of a list that is newest first requests the last page alone from there.
func isLaterPage(req *http.Request) bool {
	query := req.URL.Query()
	skip, err := strconv.Atoi(query.Get("skip"))
	return req.Method == http.MethodGet && err == nil && skip > 0 && skip%19 == 0 && query.Get("overall_status") == ""
}

func (r *readingTarget) readWithin(ctx context.Context, t *testing.T) *scrape.Snapshot {
	t.Helper()
	one, done, ok := r.Use("one")
	if !ok {
		t.Fatal("there is no target")
	}
	defer done()
	return one.Read(ctx)
}

// progress returns how far the full read of the target is, or nil.
func (r *readingTarget) progress(t *testing.T) *scrape.FullReadProgress {
	t.Helper()
	one, done, ok := r.Use("one")
	if !ok {
		t.Fatal("there is no target")
	}
	defer done()
	return one.Latest()[0].FullRead
}

// TestRemovalDuringFullRead removes or changes a target while a full read runs in the background:
// the read ends, the refresh token is revoked, and nothing is left.
func TestRemovalDuringFullRead(t *testing.T) {
	t.Parallel()
	for stage, first := range stages() {
		for name, removed := range map[string]bool{"removed": true, "changed": false} {
			t.Run(stage+", "+name, func(t *testing.T) {
				t.Parallel()
				r := inTheMiddle(t, first, simulator.Options{})
				var now []config.Target
				if !removed {
					changed := r.cfg
					changed.Timeout++
					now = append(now, changed)
				}
				begun := time.Now()
				r.load(t, now...)
				eventually(t, "the refresh token is revoked", func() bool { return r.revocations() == 1 && r.tokens() == 0 })
				if took := time.Since(begun); took > 5*time.Second {
					t.Errorf("the removal took %s", took)
				}
				r.release()
				if !removed {
					r.mustRead(t, "one")
				}
			})
		}
	}
}

// TestReloadKeepsTheFullRead holds that a reload that does not change a target does not disturb
// its full read.
func TestReloadKeepsTheFullRead(t *testing.T) {
	t.Parallel()
	for stage, first := range stages() {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			r := inTheMiddle(t, first, simulator.Options{})
			begun := r.progress(t).Started
			r.load(t, r.cfg)
			if after := r.progress(t); after == nil || !after.Started.Equal(begun) {
				t.Errorf("the full read is another one: %+v", after)
			}
			r.release()
			eventually(t, "the full read is done", func() bool {
				full, _ := r.reads(t, "one")
				return full > 0 && r.progress(t) == nil
			})
			r.mustRead(t, "one")
		})
	}
}

// TestTokenExpiresDuringFullRead has every token end in the middle of a full read: it goes on
// with a new one.
func TestTokenExpiresDuringFullRead(t *testing.T) {
	t.Parallel()
	for stage, first := range stages() {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			r := inTheMiddle(t, first, simulator.Options{TokenLifetime: 2 * time.Second})
			full, _ := r.reads(t, "one")
			r.RevokeAllTokens()
			r.release()
			eventually(t, "the full read is done", func() bool {
				after, _ := r.reads(t, "one")
				return after > full
			})
			r.mustRead(t, "one")
			if n := r.logins(); n < 2 {
				t.Errorf("%d logins", n)
			}
		})
	}
}

// TestRestartDuringFullRead restarts the appliance in the middle of a full read: the pages in
// flight are requested again, and the read goes on.
func TestRestartDuringFullRead(t *testing.T) {
	t.Parallel()
	for stage, first := range stages() {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			r := inTheMiddle(t, first, simulator.Options{})
			begun, full := r.progress(t).Started, 0
			full, _ = r.reads(t, "one")
			r.server.Stop()
			r.release()
			eventually(t, "the appliance listens again", func() bool { return r.server.Resume() == nil })
			eventually(t, "the full read is done", func() bool {
				after, _ := r.reads(t, "one")
				if progress := r.progress(t); progress != nil && after == full && !progress.Started.Equal(begun) {
					t.Fatal("the full read began again")
				}
				return after > full
			})
			r.mustRead(t, "one")
		})
	}
}

// TestFullReadsLeaveNothing holds that goroutines and descriptors return to the baseline after
// full reads that were removed in the middle.
func TestFullReadsLeaveNothing(t *testing.T) {
	r := inTheMiddle(t, true, simulator.Options{})
	r.load(t)
	eventually(t, "the refresh token is revoked", func() bool { return r.tokens() == 0 })
	goroutines, descriptors := runtime.NumGoroutine(), openDescriptors(t)
	for i := range 10 {
		cfg := r.cfg
		cfg.Timeout += time.Duration(i)
		r.load(t, cfg)
		one, done, _ := r.Use("one")
		// A login that the removal cuts off may leave a token that nobody knows.
		if err := one.Client().Login(t.Context()); err != nil {
			t.Fatal(err)
		}
		done()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		r.readWithin(ctx, t)
		cancel()
		r.load(t)
		eventually(t, "the refresh token is revoked", func() bool { return r.tokens() == 0 })
	}
	r.release()
	eventually(t, "goroutines and descriptors are no more than at first", func() bool {
		return runtime.NumGoroutine() <= goroutines+2 && openDescriptors(t) <= descriptors+2
	})
}
