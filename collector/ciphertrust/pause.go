package ciphertrust

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"cckm_sync_exporter/collector/reason"
)

// pause is a backoff after failed requests. The zero value has no failure.
type pause struct {
	// wait is the current duration, and until its end.
	wait  time.Duration
	until time.Time
	// err is the error of the last failed request.
	err error
}

// start starts the next pause, after a request that failed with err. The first one lasts first, and
// each is twice as long as the one before, up to longest. During a pause, start does nothing: the
// request was sent before the pause began.
func (p *pause) start(err error, first, longest time.Duration) {
	now := time.Now()
	if now.Before(p.until) {
		return
	}
	p.wait = min(max(first, 2*p.wait), longest)
	p.until, p.err = now.Add(p.wait), err
}

// check returns an error during a pause.
func (p *pause) check() error {
	if p.err == nil || !time.Now().Before(p.until) {
		return nil
	}
	return reason.New(reason.Of(p.err), fmt.Errorf("not tried again before %s: %w", clock(p.until), p.err), reason.HintOf(p.err))
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// retryAfters honors Retry-After (RFC 9110, section 10.2.3). Its keys are what a Retry-After is about: the
// path of a list, or the address of an appliance. The zero value is ready to use. It is safe for
// concurrent use.
type retryAfters struct {
	mu   sync.Mutex
	held map[string]*APIError
}

// record stores the Retry-After of a failed request, if it has one.
func (r *retryAfters) record(key string, err error) {
	failure, ok := errors.AsType[*APIError](err)
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if held := r.held[key]; time.Now().Before(failure.RetryAt) && (held == nil || held.RetryAt.Before(failure.RetryAt)) {
		if r.held == nil {
			r.held = make(map[string]*APIError)
		}
		r.held[key] = failure
	}
}

// check returns an error if a Retry-After of the key has not passed.
func (r *retryAfters) check(key string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	failure := r.held[key]
	if failure == nil {
		return nil
	}
	if !time.Now().Before(failure.RetryAt) {
		delete(r.held, key)
		return nil
	}
	return reason.New(reason.Server, failure, hintServer)
}
