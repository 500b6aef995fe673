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

// maxVerdicts bounds how many secrets and domains a LoginGuard remembers: twice as
// many as the most targets of a configuration file need.
const maxVerdicts = 40_000

// A rejected secret is not sent again before a backoff has passed: the appliance may
// lock the user out.
const (
	firstRejectionBackoff   = 10 * time.Second
	longestRejectionBackoff = 5 * time.Minute
)

// LoginGuard keeps clients from sending a rejected secret too often. Clients that
// share one, and have the same address, user, auth domain, connection and secret,
// share the backoff after a rejection:
//
//   - Until a login with the secret has succeeded, one client at a time sends it.
//     A rejection concerns all of them.
//   - Once one has succeeded, the clients log in concurrently, and a rejection
//     concerns the clients with the same domain.
//
// It also remembers for how long an appliance asked to be left alone. It stores
// no secret, only fingerprints. It is safe for concurrent use.
type LoginGuard struct {
	seed maphash.Seed
	// appliances holds logins back for each address, see Retry-After.
	appliances holds

	mu          sync.Mutex
	verdicts    map[verdictKey]*verdict
	maxVerdicts int
}

// verdictKey names a secret with its user and appliance, and for verdicts about
// one domain also that domain.
type verdictKey struct {
	secret    fingerprint
	oneDomain bool
	domain    string
}

// verdict is what the appliance said about a secret, or about a secret and a
// domain.
type verdict struct {
	// proven is true once a login has succeeded, until the next rejection.
	proven bool
	// pause holds logins back after a rejection.
	pause pause
	// rejections counts the rejections since the last success.
	rejections int
	// underway is closed when the login ends that the others wait for; nil if there
	// is none.
	underway chan struct{}
	// turnedAway is when a client was last refused a login, if none was sent since.
	turnedAway time.Time
	used       time.Time
}

// NewLoginGuard returns a guard that knows of no rejection.
func NewLoginGuard() *LoginGuard {
	return &LoginGuard{seed: maphash.MakeSeed(), verdicts: make(map[verdictKey]*verdict), maxVerdicts: maxVerdicts}
}

func (g *LoginGuard) fingerprint(parts ...string) fingerprint { return fingerprintOf(g.seed, parts...) }

// attempt logs in by send, or returns an error if the secret must not be sent
// yet. It waits while another client is trying the same secret. begins reports
// whether the login was rejected and the one before it was not.
func (g *LoginGuard) attempt(ctx context.Context, secret fingerprint, domain string, send func() error) (begins bool, err error) {
	for {
		turn, others, err := g.admit(secret, domain)
		if err != nil {
			return false, err
		}
		if others == nil {
			err = send()
			return g.settle(turn, err), err
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
	// all is the verdict about the secret, one that about the domain, and decisive
	// the one of them that the login depends on.
	all, one, decisive *verdict
	// ended is closed when the login has ended; nil if nobody may wait for it.
	ended chan struct{}
}

// admit returns the turn to log in, or else what to wait for, or an error if no
// login may be sent.
func (g *LoginGuard) admit(secret fingerprint, domain string) (t turn, others <-chan struct{}, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	all, one := g.verdict(verdictKey{secret: secret}), g.verdict(verdictKey{secret: secret, oneDomain: true, domain: domain})
	v := all
	if all.proven {
		v = one
	}
	if v.underway != nil {
		one.turnedAway = time.Now()
		return turn{}, v.underway, nil
	}
	err = v.pause.check()
	if err == nil && v != one && g.yields(secret, one) {
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

// settle records the outcome of a login.
func (g *LoginGuard) settle(t turn, err error) (begins bool) {
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
	t.decisive.pause.note(err, firstRejectionBackoff, longestRejectionBackoff)
	if t.decisive != t.one {
		// The domain's own backoff goes on if another domain turns out to be right.
		t.one.pause.note(err, firstRejectionBackoff, longestRejectionBackoff)
	}
	t.one.proven = false
	t.one.rejections++
	return begins
}

// verdict returns the verdict of a key. If there are too many, the one that was
// not used for longest is forgotten.
func (g *LoginGuard) verdict(key verdictKey) *verdict {
	v := g.verdicts[key]
	if v == nil {
		if len(g.verdicts) >= g.maxVerdicts {
			g.forgetOldest()
		}
		v = &verdict{}
		g.verdicts[key] = v
	}
	v.used = time.Now()
	return v
}

func (g *LoginGuard) forgetOldest() {
	var oldest verdictKey
	var used time.Time
	for key, v := range g.verdicts {
		if v.underway == nil && (used.IsZero() || v.used.Before(used)) {
			oldest, used = key, v.used
		}
	}
	delete(g.verdicts, oldest)
}

// yields reports whether a client of a domain that was rejected has to let one of
// another domain try first. Otherwise a wrong domain that is always the first
// would keep the right ones from ever being tried.
func (g *LoginGuard) yields(secret fingerprint, one *verdict) bool {
	if one.rejections == 0 {
		return false
	}
	for key, v := range g.verdicts {
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
	v := g.verdicts[verdictKey{secret: secret}]
	if v != nil && v.proven {
		v = g.verdicts[verdictKey{secret: secret, oneDomain: true, domain: domain}]
	}
	if v == nil || v.pause.err == nil {
		return time.Time{}, false
	}
	return v.pause.until, true
}
