package ciphertrust

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"cckm_sync_exporter/collector/reason"
)

// maxLoginStates bounds the secrets and domains that a LoginGuard remembers. It is twice the number
// that the largest configuration file needs.
const maxLoginStates = 40_000

// The backoff after a rejection, before the same secret is sent again. The appliance may lock the
// user out.
const (
	firstRejectionBackoff   = 10 * time.Second
	longestRejectionBackoff = 5 * time.Minute
)

// LoginGuard keeps clients from sending a rejected secret too often. Clients that
// share one, and have the same address, user, auth domain, connection and secret,
// share the backoff after a rejection:
//
//   - Until a login with the secret has succeeded, one client at a time sends it.
//     A rejection holds all of them back.
//   - Once one has succeeded, the clients log in concurrently, and a rejection
//     holds the clients with the same domain back.
//
// It also honors Retry-After for each appliance. It stores no secret, only fingerprints. It is safe
// for concurrent use.
type LoginGuard struct {
	seed maphash.Seed
	// appliances honors Retry-After for each address.
	appliances holds

	mu        sync.Mutex
	states    map[loginKey]*loginState
	maxStates int
}

// loginKey identifies a secret with its user and appliance. If oneDomain is true, it also identifies
// a domain.
type loginKey struct {
	secret    fingerprint
	oneDomain bool
	domain    string
}

// loginState is the state of the logins with a secret, or with a secret for one domain.
type loginState struct {
	// proven is true once a login has succeeded, until the next rejection.
	proven bool
	// pause holds logins back after a rejection.
	pause pause
	// rejections counts the rejections since the last success.
	rejections int
	// underway is closed when the login ends for which the other clients wait; nil if there is none.
	underway chan struct{}
	// turnedAway is when a client was last not allowed to log in; zero if a login was sent since.
	turnedAway time.Time
	// used is when the state was last needed.
	used time.Time
}

// NewLoginGuard returns a guard that knows of no rejection.
func NewLoginGuard() *LoginGuard {
	return &LoginGuard{seed: maphash.MakeSeed(), states: make(map[loginKey]*loginState), maxStates: maxLoginStates}
}

func (g *LoginGuard) fingerprint(parts ...string) fingerprint { return fingerprintOf(g.seed, parts...) }

// attempt calls send to log in, or returns an error if the secret must not be sent yet. It waits while
// another client tries the same secret. begins is true if the login was rejected and the one before
// was not.
func (g *LoginGuard) attempt(ctx context.Context, secret fingerprint, domain string, send func() error) (begins bool, err error) {
	for {
		turn, others, err := g.admit(secret, domain)
		if err != nil {
			return false, err
		}
		if others == nil {
			err = send()
			return g.finish(turn, err), err
		}
		select {
		case <-others:
		case <-ctx.Done():
			return false, classify(fmt.Errorf("waiting for the login of another target: %w", context.Cause(ctx)))
		}
	}
}

// turn is the right to send one login.
type turn struct {
	// all is the state of the secret, one that of the secret for the domain, and decisive the one of
	// them on which the login depends.
	all, one, decisive *loginState
	// ended is closed when the login has ended; nil if no client waits for it.
	ended chan struct{}
}

// admit returns the turn to log in; or, if others is not nil, a channel to wait for before the next
// try; or an error if no login may be sent.
func (g *LoginGuard) admit(secret fingerprint, domain string) (t turn, others <-chan struct{}, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	all, one := g.state(loginKey{secret: secret}), g.state(loginKey{secret: secret, oneDomain: true, domain: domain})
	v := all
	if all.proven {
		v = one
	}
	if v.underway != nil {
		one.turnedAway = time.Now()
		return turn{}, v.underway, nil
	}
	err = v.pause.check()
	if err == nil && v != one && g.mustYield(secret, one) {
		err = reason.New(reason.Of(v.pause.err),
			fmt.Errorf("the same secret is tried for another domain first: %w", v.pause.err), reason.RemedyOf(v.pause.err))
	}
	if err != nil {
		one.turnedAway = time.Now()
		return turn{}, nil, err
	}
	one.turnedAway = time.Time{}
	t = turn{all: all, one: one, decisive: v}
	if !v.proven {
		t.ended = make(chan struct{})
		v.underway = t.ended
	}
	return t, nil, nil
}

// finish records the outcome of a login. begins is that of attempt.
func (g *LoginGuard) finish(t turn, err error) (begins bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t.ended != nil {
		close(t.ended)
		t.decisive.underway = nil
	}
	if err == nil {
		t.all.proven, t.one.proven = true, true
		t.all.pause, t.one.pause = pause{}, pause{}
		t.one.rejections = 0
		return false
	}
	if failure, ok := errors.AsType[*LoginError](err); !ok || !failure.rejected {
		return false
	}
	begins = t.decisive.pause.err == nil
	t.decisive.pause.start(err, firstRejectionBackoff, longestRejectionBackoff)
	if t.decisive != t.one {
		// If a login for another domain succeeds, the backoff of this domain continues.
		t.one.pause.start(err, firstRejectionBackoff, longestRejectionBackoff)
	}
	t.one.proven = false
	t.one.rejections++
	return begins
}

// state returns the state of a key, and makes one if there is none. If there are too many, it drops
// the least recently used one.
func (g *LoginGuard) state(key loginKey) *loginState {
	v := g.states[key]
	if v == nil {
		if len(g.states) >= g.maxStates {
			g.dropOldest()
		}
		v = &loginState{}
		g.states[key] = v
	}
	v.used = time.Now()
	return v
}

func (g *LoginGuard) dropOldest() {
	var oldest loginKey
	var used time.Time
	for key, v := range g.states {
		if v.underway == nil && (used.IsZero() || v.used.Before(used)) {
			oldest, used = key, v.used
		}
	}
	delete(g.states, oldest)
}

// mustYield reports whether a client must let one with another domain try first, because its own
// domain was rejected more often. Otherwise a wrong domain that is always first would keep the right
// ones from being tried.
func (g *LoginGuard) mustYield(secret fingerprint, one *loginState) bool {
	if one.rejections == 0 {
		return false
	}
	for key, v := range g.states {
		if key.secret == secret && key.oneDomain && v.rejections < one.rejections &&
			!v.turnedAway.IsZero() && time.Since(v.turnedAway) < longestRejectionBackoff {
			return true
		}
	}
	return false
}

// retryAt returns when a rejected login is tried again, and false if it was not
// rejected.
func (g *LoginGuard) retryAt(secret fingerprint, domain string) (time.Time, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	v := g.states[loginKey{secret: secret}]
	if v != nil && v.proven {
		v = g.states[loginKey{secret: secret, oneDomain: true, domain: domain}]
	}
	if v == nil || v.pause.err == nil {
		return time.Time{}, false
	}
	return v.pause.until, true
}
