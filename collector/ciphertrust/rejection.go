package ciphertrust

import (
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"cckm_sync_exporter/collector/reason"
)

// The back-off after a rejected secret.
const (
	firstBackOff   = 10 * time.Second
	longestBackOff = 5 * time.Minute
)

// rejections remembers a secret that the appliance refused. However often
// Prometheus scrapes, the same secret is not tried again before the back-off
// has passed, because the appliance may lock the user out.
type rejections struct {
	seed maphash.Seed

	mu      sync.Mutex
	backOff *backoff.ExponentialBackOff
	secret  fingerprint
	err     error
	notTill time.Time
}

func newRejections() *rejections {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval, b.Multiplier = firstBackOff, longestBackOff, 2
	// The pauses are told to the user, and one exporter is no herd.
	b.RandomizationFactor = 0
	b.Reset()
	return &rejections{seed: maphash.MakeSeed(), backOff: b}
}

func (r *rejections) fingerprint(parts ...string) fingerprint { return fingerprintOf(r.seed, parts...) }

// check returns an error while the secret must not be tried.
func (r *rejections) check(secret fingerprint) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil || r.secret != secret || !time.Now().Before(r.notTill) {
		return nil
	}
	return reason.New(reason.Auth,
		fmt.Errorf("not tried again before %s, because: %w", r.notTill.UTC().Format(time.RFC3339), r.err),
		reason.RemedyOf(r.err))
}

// note remembers that the secret was refused with err.
func (r *rejections) note(secret fingerprint, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.secret != secret {
		r.backOff.Reset()
	}
	r.secret, r.err = secret, err
	r.notTill = time.Now().Add(r.backOff.NextBackOff())
}

// forget is called after a login that worked.
func (r *rejections) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = nil
	r.backOff.Reset()
}
