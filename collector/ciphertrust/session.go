package ciphertrust

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-kit/log/level"
	"golang.org/x/sync/singleflight"

	"cckm_sync_exporter/collector/reason"
)

const (
	// loginTimeout bounds one login. It does not depend on the deadline of a scrape, because the token
	// is for all scrapes. It equals Prometheus' default scrape_timeout, so that a login that hangs fails
	// few scrapes.
	loginTimeout = 10 * time.Second
	// renewBefore is how long before its expiry a token is replaced. A token that lives for less than
	// five times as long is replaced when a fifth of its lifetime is left.
	renewBefore = 30 * time.Second
	// unusedRefreshMinutes is after how many minutes without use the appliance drops a refresh token,
	// in case it cannot be revoked.
	unusedRefreshMinutes = 120
)

// The backoff after a login that failed without being rejected.
const (
	firstFailureBackoff   = time.Second
	longestFailureBackoff = 30 * time.Second
)

// session caches the tokens. If the token is not valid any more, all callers wait for one login.
type session struct {
	client *Client
	// exposed has the files with secrets that every user can read or change; see warnExposed.
	exposed map[string]bool
	// ctx is the context of logins. It ends when the session is closed.
	ctx    context.Context //nolint:containedctx // Logins outlive the scrape that asks for them.
	cancel context.CancelFunc

	// renewals has one login at a time, for all callers that need a token.
	renewals singleflight.Group

	mu     sync.Mutex
	tokens tokens
	// secret is the fingerprint of the password or certificate that was used last; 0 if none was.
	secret uint64
	// failed is the backoff after a login that failed but was not rejected.
	failed pause
	closed bool
}

// tokens are those that a login has returned. They are zero if there are none.
type tokens struct {
	// jwt authorizes requests. From renewAt on it is replaced, and at expiresAt it becomes invalid.
	jwt                string
	renewAt, expiresAt time.Time

	// refresh gets the next jwt, and refreshID revokes it.
	refresh   Secret
	refreshID string
}

// dropJWT removes the jwt and keeps the refresh token.
func (t *tokens) dropJWT() { t.jwt, t.renewAt, t.expiresAt = "", time.Time{}, time.Time{} }

func newSession(c *Client) *session {
	s := &session{client: c, exposed: make(map[string]bool)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for _, path := range s.secretFiles() {
		_, s.exposed[path] = exposure(path)
	}
	return s
}

// jwt returns a valid token, after a login if necessary. It waits until ctx ends at most.
func (s *session) jwt(ctx context.Context) (string, error) {
	if jwt, err := s.current(); jwt != "" || err != nil {
		return jwt, err
	}
	select {
	case renewed := <-s.renewals.DoChan("", s.renew):
		jwt, _ := renewed.Val.(string)
		return jwt, renewed.Err
	case <-ctx.Done():
		return "", classify(fmt.Errorf("waiting for a login: %w", context.Cause(ctx)))
	}
}

// current returns the token, or "" if it has to be renewed. It returns an error if the session is closed.
func (s *session) current() (jwt string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return "", reason.New(reason.Other, errors.New("the session with the appliance is closed"), "")
	}
	if time.Now().Before(s.tokens.renewAt) {
		return s.tokens.jwt, nil
	}
	return "", nil
}

// renew gets a new token. If that fails, it returns the old token until that expires.
func (s *session) renew() (any, error) {
	// Another renewal may just have ended.
	if jwt, err := s.current(); jwt != "" || err != nil {
		return jwt, err
	}
	jwt, err := s.obtain(s.ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && time.Now().Before(s.tokens.expiresAt) {
		level.Debug(s.client.config.Logger).Log("during", "login", "err", err, "expires", clock(s.tokens.expiresAt),
			"msg", "the token could not be renewed, the old one is used until it expires")
		return s.tokens.jwt, nil
	}
	return jwt, err
}

// discard drops a token that the appliance has refused, unless it was replaced already. So several
// pages that are refused at the same time cause one login.
func (s *session) discard(jwt string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens.jwt == jwt {
		s.tokens.dropJWT()
	}
}

func (s *session) expiry() (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens.expiresAt, !s.tokens.expiresAt.IsZero()
}

// retryAt returns when a rejected login is tried again, and false if it was not
// rejected.
func (s *session) retryAt() (time.Time, bool) {
	s.mu.Lock()
	secret := s.secret
	s.mu.Unlock()
	return s.client.config.Guard.retryAt(secret, s.client.config.Credentials.Domain)
}

// obtain gets a new token, unless the backoff after a failed login has not passed. If there is a
// refresh token, it uses that first, because a login with the password makes another refresh token
// on the appliance. Otherwise it uses the password or certificate.
func (s *session) obtain(ctx context.Context) (jwt string, err error) {
	s.mu.Lock()
	err = s.failed.check()
	old := s.tokens
	s.mu.Unlock()
	if err != nil {
		return "", &LoginError{Err: err}
	}
	if old.refresh == "" {
		return s.loginBySecret(ctx)
	}
	jwt, err = s.send(ctx, grantRefresh, loginBody{RefreshToken: string(old.refresh)})
	failure, failed := errors.AsType[*LoginError](err)
	if !failed || !failure.answered {
		return jwt, err
	}
	level.Debug(s.client.config.Logger).Log("during", "login", "grant", grantRefresh, "err", err,
		"msg", "the refresh token could not be used, logging in again")
	if failure.rejected {
		s.mu.Lock()
		s.tokens.refresh, s.tokens.refreshID = "", ""
		s.mu.Unlock()
	}
	jwt, err = s.loginBySecret(ctx)
	if err == nil && !failure.rejected {
		// The old refresh token may still be valid, but is not used any more. If it cannot be revoked,
		// the appliance drops it later.
		_ = s.revoke(ctx, jwt, old.refreshID)
	}
	return jwt, err
}

// loginBySecret gets a token with the password or certificate, if the guard allows it.
func (s *session) loginBySecret(ctx context.Context) (jwt string, err error) {
	grant, body, secret, err := s.primary(ctx)
	if err != nil {
		return "", &LoginError{Err: err}
	}
	s.warnExposed()
	s.mu.Lock()
	s.secret = secret
	s.mu.Unlock()
	begins, err := s.client.config.Guard.attempt(ctx, secret, body.Domain, func() (err error) {
		jwt, err = s.send(ctx, grant, body)
		return err
	})
	if begins {
		retry, _ := s.retryAt()
		level.Warn(s.client.config.Logger).Log("during", "login", "grant", grant, "err", err, "hint", s.client.config.Hint(reason.HintOf(err)), "retry", clock(retry),
			"msg", "login was rejected; it is retried with a backoff from 10s to 5m, or when the secret changes")
	}
	if _, ok := errors.AsType[*LoginError](err); err != nil && !ok {
		err = &LoginError{Err: err}
	}
	return jwt, err
}

// primary returns the grant for the credentials, the body of the login, and a fingerprint of the
// secret, the user and the appliance.
func (s *session) primary(ctx context.Context) (grant string, body loginBody, secret uint64, err error) {
	body = loginBody{Domain: s.client.config.Credentials.Domain, Connection: s.client.config.Credentials.Connection}
	if domain := s.client.config.Credentials.AuthDomain; strings.HasPrefix(domain, "/") {
		body.AuthDomainPath = domain
	} else {
		body.AuthDomain = domain
	}
	fingerprint := func(secrets ...string) uint64 {
		return s.client.config.Guard.fingerprint(append(secrets, s.client.address(), s.client.config.Credentials.AuthDomain, s.client.config.Credentials.Connection)...)
	}
	if s.client.config.Credentials.ClientID != "" {
		cert, key, err := s.client.files.keyPair(ctx, &s.client.config.TLS)
		if err != nil {
			return "", loginBody{}, 0, unreadable(err, hintCertificate)
		}
		body.ClientID = s.client.config.Credentials.ClientID
		return grantCertificate, body, fingerprint(body.ClientID, cert, key), nil
	}
	password, err := s.client.config.Credentials.password(ctx, &s.client.files)
	if err != nil {
		return "", loginBody{}, 0, unreadable(err, hintPassword)
	}
	body.Username, body.Password = s.client.config.Credentials.Username, string(password)
	body.RevokeUnusedIn = unusedRefreshMinutes
	return grantPassword, body, fingerprint(body.Username, body.Password), nil
}

// send sends one login and stores the token. Its errors are LoginErrors.
func (s *session) send(ctx context.Context, grant string, body loginBody) (jwt string, err error) {
	if err := s.client.config.Guard.appliances.check(s.client.address()); err != nil {
		return "", &LoginError{Err: err}
	}
	body.GrantType = grant
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	s.client.readClientExpiry(ctx)
	asked := time.Now()
	answer, err := s.client.login(ctx, body)
	s.client.config.OnLogin(grant, loginResult(err))
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.client.config.Guard.appliances.record(s.client.address(), err)
		failure := &LoginError{Err: err, rejected: isRejected(err), answered: answered(err)}
		if !failure.rejected {
			s.failed.start(failure, firstFailureBackoff, longestFailureBackoff)
		}
		return "", failure
	}
	s.failed = pause{}
	lifetime := min(time.Duration(min(answer.Duration, math.MaxInt32))*time.Second, maxTokenLifetime)
	s.tokens.jwt, s.tokens.renewAt, s.tokens.expiresAt = answer.JWT, asked.Add(lifetime-min(renewBefore, lifetime/5)), asked.Add(lifetime)
	if answer.RefreshToken != "" {
		// The response to a refresh may omit the id if the refresh token stays the same.
		s.tokens.refresh, s.tokens.refreshID = Secret(answer.RefreshToken), cmp.Or(answer.RefreshTokenID, s.tokens.refreshID)
	}
	return answer.JWT, nil
}

// close cancels logins in progress and revokes the refresh token, until ctx ends.
func (s *session) close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	// A login whose response has arrived may still store a refresh token.
	select {
	case <-s.renewals.DoChan("", s.renew):
	case <-ctx.Done():
		return classify(fmt.Errorf("waiting for the end of a login: %w", context.Cause(ctx)))
	}
	old := s.removeTokens()
	if old.refreshID == "" {
		return nil
	}
	err := s.revoke(ctx, old.jwt, old.refreshID)
	if isUnauthorized(err) {
		// The token has expired. The refresh token can still get another one.
		if _, err = s.send(ctx, grantRefresh, loginBody{RefreshToken: string(old.refresh)}); err == nil {
			latest := s.removeTokens()
			err = s.revoke(ctx, latest.jwt, cmp.Or(latest.refreshID, old.refreshID))
		}
	}
	if err != nil {
		return fmt.Errorf("revoking the refresh token: %w", err)
	}
	return nil
}

// removeTokens removes the tokens from the session and returns them.
func (s *session) removeTokens() tokens {
	s.mu.Lock()
	defer s.mu.Unlock()
	removed := s.tokens
	s.tokens = tokens{}
	return removed
}

// revoke revokes the refresh token with the given id.
func (s *session) revoke(ctx context.Context, jwt, id string) error {
	req, err := s.client.newRequest(ctx, http.MethodDelete, endpointTokens+"/"+url.PathEscape(id), nil, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+jwt)
	resp, err := s.client.do(req, endpointTokens)
	if err != nil {
		return s.client.secrets.redactError(err)
	}
	defer func() { _ = resp.Body.Close() }()
	// 404 means that the refresh token does not exist any more.
	if resp.StatusCode/100 != 2 && resp.StatusCode != http.StatusNotFound {
		return s.client.apiError(resp).withReason()
	}
	return nil
}
