package ciphertrust

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"cckm_sync_exporter/collector/reason"
)

// pause holds requests back after one that failed. The zero value holds nothing
// back.
type pause struct {
	wait  time.Duration
	until time.Time
	err   error
}

// note begins the next wait, after a request that failed with err. The waits grow
// from first to longest, by doubling. A request that was sent before the present wait
// began does not prolong it.
func (p *pause) note(err error, first, longest time.Duration) {
	now := time.Now()
	if now.Before(p.until) {
		return
	}
	p.wait = min(max(first, 2*p.wait), longest)
	p.until, p.err = now.Add(p.wait), err
}

// check returns an error until the wait has passed.
func (p *pause) check() error {
	if p.err == nil || !time.Now().Before(p.until) {
		return nil
	}
	return reason.New(reason.Of(p.err), fmt.Errorf("not tried again before %s: %w", clock(p.until), p.err), reason.RemedyOf(p.err))
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// holds remembers which requests the appliance asked by Retry-After to hold back,
// by what they are about. The zero value is ready to use, also concurrently.
type holds struct {
	mu   sync.Mutex
	held map[string]hold
}

type hold struct {
	until   time.Time
	failure *APIError
}

// note remembers the Retry-After of a failed request, if it has one.
func (h *holds) note(key string, err error) {
	failure, ok := errors.AsType[*APIError](err)
	if !ok || failure.RetryAfter <= 0 {
		return
	}
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	for other, held := range h.held {
		if !now.Before(held.until) {
			delete(h.held, other)
		}
	}
	if h.held == nil {
		h.held = make(map[string]hold)
	}
	if until := now.Add(failure.RetryAfter); until.After(h.held[key].until) {
		h.held[key] = hold{until: until, failure: failure}
	}
}

// check returns an error while requests are held back. It holds an APIError whose
// RetryAfter is the time that is left.
func (h *holds) check(key string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	held, ok := h.held[key]
	left := time.Until(held.until)
	if !ok || left <= 0 {
		return nil
	}
	failure := *held.failure
	failure.RetryAfter = left
	return reason.New(reason.Server, fmt.Errorf("not tried again before %s: %w", clock(held.until), &failure), remedyServer)
}
