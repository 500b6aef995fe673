package ciphertrust

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"strings"
	"sync"
	"time"

	"cckm_sync_exporter/collector/reason"
)

// The backoff after a rejection, before the same secret is sent again. The appliance may lock the
// user out.
const (
	firstRejectionBackoff   = 10 * time.Second
	longestRejectionBackoff = 5 * time.Minute
)

// forgetSecretAfter is how long a LoginGuard remembers a secret that no login uses.
const forgetSecretAfter = 24 * time.Hour

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
	appliances retryAfters

	mu      sync.Mutex
	secrets map[uint64]*secretState
	// swept is when unused secrets were last forgotten.
	swept time.Time
}

// secretState is the state of the logins with a secret, in all domains and in each.
type secretState struct {
	loginState

	domains map[string]*loginState
	// used is when the state was last needed.
	used time.Time
}

// loginState is the state of the logins with a secret, or with a secret for one domain.
type loginState struct {
	// proven is true once a login has succeeded. For a domain, a rejection ends it.
	proven bool
	// pause holds logins back after a rejection.
	pause pause
	// attemptDone is closed at the end of the login in progress for which other clients wait; nil if
	// there is none.
	attemptDone chan struct{}
	// rejections counts the rejections in a domain since the last success.
	rejections int
	// lastRefused is when the guard last refused or delayed a login for the domain; zero if one was
	// sent since.
	lastRefused time.Time
}

// NewLoginGuard returns a guard that knows of no rejection.
func NewLoginGuard() *LoginGuard {
	return &LoginGuard{seed: maphash.MakeSeed(), secrets: make(map[uint64]*secretState), swept: time.Now()}
}

// fingerprint returns a hash of a secret, to detect a change without storing the secret.
func (g *LoginGuard) fingerprint(parts ...string) uint64 {
	return maphash.String(g.seed, strings.Join(parts, "\x00"))
}

// attempt calls send to log in, or returns an error if the secret must not be sent yet. It waits until
// ctx ends while another client tries the same secret. begins is true if the login was rejected and
// the one before was not.
func (g *LoginGuard) attempt(ctx context.Context, secret uint64, domain string, send func() error) (begins bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := g.state(secret)
	one := all.domains[domain]
	if one == nil {
		one = new(loginState)
		all.domains[domain] = one
	}
	decisive := all.decisive(one)
	for ; decisive.attemptDone != nil; decisive = all.decisive(one) {
		one.lastRefused = time.Now()
		if err := g.wait(ctx, decisive.attemptDone); err != nil {
			return false, err
		}
	}
	if err := all.check(one); err != nil {
		one.lastRefused = time.Now()
		return false, err
	}
	one.lastRefused = time.Time{}
	if !decisive.proven {
		decisive.attemptDone = make(chan struct{})
		defer func() {
			close(decisive.attemptDone)
			decisive.attemptDone = nil
		}()
	}
	g.mu.Unlock()
	err = send()
	g.mu.Lock()
	if err == nil {
		*one = loginState{proven: true, attemptDone: one.attemptDone}
		all.proven = true
		return false, nil
	}
	if failure, ok := errors.AsType[*LoginError](err); !ok || !failure.rejected {
		return false, err
	}
	begins = decisive.pause.err == nil
	decisive.pause.start(err, firstRejectionBackoff, longestRejectionBackoff)
	// If a login for another domain succeeds, the backoff of this domain continues. If this domain is
	// decisive, its pause has just begun.
	one.pause.start(err, firstRejectionBackoff, longestRejectionBackoff)
	one.proven = false
	one.rejections++
	return begins, err
}

// wait waits for the end of another client's login. It unlocks g while it waits.
func (g *LoginGuard) wait(ctx context.Context, ended <-chan struct{}) error {
	g.mu.Unlock()
	defer g.mu.Lock()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return classify(fmt.Errorf("waiting for the login of another target: %w", context.Cause(ctx)))
	}
}

// state returns the state of a secret, and makes one if there is none.
func (g *LoginGuard) state(secret uint64) *secretState {
	if time.Since(g.swept) > forgetSecretAfter {
		g.swept = time.Now()
		maps.DeleteFunc(g.secrets, func(_ uint64, s *secretState) bool { return time.Since(s.used) > forgetSecretAfter })
	}
	s := g.secrets[secret]
	if s == nil {
		s = &secretState{domains: make(map[string]*loginState)}
		g.secrets[secret] = s
	}
	s.used = time.Now()
	return s
}

// decisive returns the state on which a login depends: that of the secret until a login with it has
// succeeded, then that of the domain.
func (s *secretState) decisive(one *loginState) *loginState {
	if s.proven {
		return one
	}
	return &s.loginState
}

// check returns an error if no login may be sent for a domain.
//
// As long as no login with the secret has succeeded, a domain waits for those that were rejected less
// often. Otherwise a wrong domain that is always first would keep the right ones from being tried.
func (s *secretState) check(one *loginState) error {
	if err := s.decisive(one).pause.check(); err != nil || s.proven {
		return err
	}
	for _, other := range s.domains {
		waits := !other.lastRefused.IsZero() && time.Since(other.lastRefused) < longestRejectionBackoff
		if waits && other.rejections < one.rejections {
			return reason.New(reason.Of(s.pause.err),
				fmt.Errorf("the same secret is tried for another domain first: %w", s.pause.err), reason.HintOf(s.pause.err))
		}
	}
	return nil
}

// retryAt returns when a rejected login is tried again, and false if it was not
// rejected.
func (g *LoginGuard) retryAt(secret uint64, domain string) (time.Time, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := g.secrets[secret]
	if all == nil || all.domains[domain] == nil {
		return time.Time{}, false
	}
	p := all.decisive(all.domains[domain]).pause
	return p.until, p.err != nil
}
