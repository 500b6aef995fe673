package targets_test

import (
	"context"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"cckm_sync_exporter/collector/config"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
)

// stages are the full reads that a reload can interrupt, and whether the list is unknown before them.
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

// inTheMiddle returns a target with a full read in progress that no scrape waits for. The
// appliance does not answer requests for pages behind the first one until release is called.
func inTheMiddle(t *testing.T, first bool) *readingTarget {
	t.Helper()
	a := startAppliance(t)
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
		if snapshot := r.All()[0].Read(ctx); reason.Of(snapshot.Lists[0].Err) != reason.Timeout {
			t.Fatalf("a scrape of a list that is not known yet: %v", snapshot.Lists[0].Err)
		}
	}
	eventually(t, "the first page of a full read has arrived", func() bool {
		if !first {
			r.mustRead(t, "one")
		}
		progress := r.progress()
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

// progress returns how far the full read of the target is, or nil.
func (r *readingTarget) progress() *scrape.FullReadProgress { return r.All()[0].Latest()[0].FullRead }

// TestRemovalDuringFullRead removes or changes a target while a full read runs in the background:
// the read ends, the refresh token is revoked, and nothing is left.
func TestRemovalDuringFullRead(t *testing.T) {
	t.Parallel()
	for stage, first := range stages() {
		for name, removed := range map[string]bool{"removed": true, "changed": false} {
			t.Run(stage+", "+name, func(t *testing.T) {
				t.Parallel()
				r := inTheMiddle(t, first)
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

// TestReloadKeepsTheFullRead checks that a reload that does not change a target does not disturb
// its full read.
func TestReloadKeepsTheFullRead(t *testing.T) {
	t.Parallel()
	for stage, first := range stages() {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			r := inTheMiddle(t, first)
			begun := r.progress().Started
			r.load(t, r.cfg)
			if after := r.progress(); after == nil || !after.Started.Equal(begun) {
				t.Errorf("the full read is another one: %+v", after)
			}
			r.release()
			eventually(t, "the full read is done", func() bool {
				full, _ := r.reads(t, "one")
				return full > 0 && r.progress() == nil
			})
			r.mustRead(t, "one")
		})
	}
}
