package ciphertrust

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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

// session caches one token. If it is not valid any more, all callers wait for one login.
type session struct {
	client      *Client
	credentials Credentials
	tls         TLSConfig
	guard       *LoginGuard
	exposures   *exposureWatch
	// ctx is the context of logins. It ends when the session is closed.
	ctx    context.Context //nolint:containedctx // Logins outlive the scrape that asks for them.
	cancel context.CancelFunc
	logins singleflight.Group

	mu  sync.Mutex
	jwt string
	// renewAt is from when on the token is replaced, and expiresAt when it becomes invalid; zero if
	// there is no token.
	renewAt, expiresAt time.Time
	refresh            refreshToken
	// secret is the fingerprint of the password or certificate that was used last; 0 if none was.
	secret fingerprint
	// failed is the backoff after a login that failed but was not rejected.
	failed pause
	// underway counts logins, so that close can wait for them.
	underway sync.WaitGroup
	closed   bool
}

type refreshToken struct {
	token Secret
	id    string
}

func newSession(c *Client, credentials Credentials, tls TLSConfig, guard *LoginGuard) *session {
	s := &session{client: c, credentials: credentials, tls: tls, guard: guard}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.exposures = newExposureWatch(c.logger, s.secretFiles())
	return s
}

// token returns a valid token, after a login if necessary. It waits until ctx ends at most.
func (s *session) token(ctx context.Context) (string, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return "", errClosed()
	}
	if s.jwt != "" && time.Now().Before(s.renewAt) {
		defer s.mu.Unlock()
		return s.jwt, nil
	}
	login := s.logins.DoChan("", s.renew)
	s.mu.Unlock()
	select {
	case result := <-login:
		if result.Err != nil {
			return "", result.Err
		}
		jwt, ok := result.Val.(string)
		if !ok {
			return "", fmt.Errorf("login returned a %T", result.Val)
		}
		return jwt, nil
	case <-ctx.Done():
		return "", classify(fmt.Errorf("waiting for a login: %w", context.Cause(ctx)))
	}
}

func errClosed() error {
	return reason.New(reason.Other, errors.New("the session with the appliance is closed"), "")
}

// discard drops a token that the appliance has refused, unless it was replaced already. So several
// pages that are refused at the same time cause one login.
func (s *session) discard(jwt string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.jwt == jwt {
		s.jwt, s.renewAt, s.expiresAt = "", time.Time{}, time.Time{}
	}
}

func (s *session) expiry() (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.expiresAt, !s.expiresAt.IsZero()
}

// retryAt returns when a rejected login is tried again, and false if it was not
// rejected.
func (s *session) retryAt() (time.Time, bool) {
	s.mu.Lock()
	secret := s.secret
	s.mu.Unlock()
	return s.guard.retryAt(secret, s.credentials.Domain)
}

// renew gets a new token and returns it as a string. If that fails, it returns the old token until
// that expires.
func (s *session) renew() (any, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, errClosed()
	}
	s.underway.Add(1)
	s.mu.Unlock()
	defer s.underway.Done()

	jwt, err := s.obtain(s.ctx)
	if err == nil {
		return jwt, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.jwt != "" && time.Now().Before(s.expiresAt) {
		level.Debug(s.client.logger).Log("during", "login", "err", err, "expires", clock(s.expiresAt),
			"msg", "the token could not be renewed, the old one is used until it expires")
		return s.jwt, nil
	}
	return nil, err
}

// obtain gets a new token, unless the backoff after a failed login has not passed. If there is a
// refresh token, it uses that first, because a login with the password makes another refresh token
// on the appliance. Otherwise it uses the password or certificate.
func (s *session) obtain(ctx context.Context) (jwt string, err error) {
	s.mu.Lock()
	err = s.failed.check()
	refresh := s.refresh
	s.mu.Unlock()
	if err != nil {
		return "", &LoginError{Err: err}
	}
	if refresh.token == "" {
		return s.loginBySecret(ctx)
	}
	jwt, err = s.send(ctx, grantRefresh, loginBody{RefreshToken: string(refresh.token)})
	failure, failed := errors.AsType[*LoginError](err)
	if !failed || !failure.answered {
		return jwt, err
	}
	level.Debug(s.client.logger).Log("during", "login", "grant", grantRefresh, "err", err,
		"msg", "the refresh token could not be used, logging in again")
	if failure.rejected {
		s.mu.Lock()
		s.refresh = refreshToken{}
		s.mu.Unlock()
		return s.loginBySecret(ctx)
	}
	if jwt, err = s.loginBySecret(ctx); err != nil {
		return "", err
	}
	// The old refresh token may still be valid, but is not used any more. If it cannot be revoked, the
	// appliance drops it later.
	_ = s.revoke(ctx, jwt, refresh.id)
	return jwt, nil
}

// loginBySecret gets a token with the password or certificate, if the guard allows it.
func (s *session) loginBySecret(ctx context.Context) (jwt string, err error) {
	grant, body, secret, err := s.primary()
	if err != nil {
		return "", &LoginError{Err: err}
	}
	s.exposures.check(s.secretFiles())
	s.mu.Lock()
	s.secret = secret
	s.mu.Unlock()
	begins, err := s.guard.attempt(ctx, secret, body.Domain, func() (err error) {
		jwt, err = s.send(ctx, grant, body)
		return err
	})
	if begins {
		retry, _ := s.retryAt()
		level.Warn(s.client.logger).Log("during", "login", "grant", grant, "err", err, "hint", s.client.hint(reason.RemedyOf(err)), "retry", clock(retry),
			"msg", "login was rejected; it is retried with a backoff from 10s to 5m, or when the secret changes")
	}
	if _, ok := errors.AsType[*LoginError](err); err != nil && !ok {
		err = &LoginError{Err: err}
	}
	return jwt, err
}

// primary returns the grant for the credentials, the body of the login, and a fingerprint of the
// secret, the user and the appliance.
func (s *session) primary() (grant string, body loginBody, secret fingerprint, err error) {
	body = loginBody{Domain: s.credentials.Domain, Connection: s.credentials.Connection}
	body.setAuthDomain(s.credentials.AuthDomain)
	fingerprint := func(secrets ...string) fingerprint {
		return s.guard.fingerprint(append(secrets, s.address(), s.credentials.AuthDomain, s.credentials.Connection)...)
	}
	if s.credentials.ClientID != "" {
		cert, key, err := readKeyPair(s.tls)
		if err != nil {
			return "", loginBody{}, 0, unreadable(err, remedyCertificate)
		}
		body.ClientID = s.credentials.ClientID
		return grantCertificate, body, fingerprint(body.ClientID, cert, key), nil
	}
	password, err := s.credentials.password()
	if err != nil {
		return "", loginBody{}, 0, unreadable(err, remedyPassword)
	}
	body.Username, body.Password = s.credentials.Username, string(password)
	body.RevokeUnusedIn = unusedRefreshMinutes
	return grantPassword, body, fingerprint(body.Username, body.Password), nil
}

// address returns the appliance's address in a canonical form, as a key for the guard.
func (s *session) address() string {
	u := *s.client.base
	u.Host = strings.ToLower(u.Host)
	if port := map[string]string{"https": ":443", "http": ":80"}[u.Scheme]; port != "" {
		u.Host = strings.TrimSuffix(u.Host, port)
	}
	return u.String()
}

// send sends one login and stores the token. Its errors are LoginErrors.
func (s *session) send(ctx context.Context, grant string, body loginBody) (jwt string, err error) {
	if err := s.guard.appliances.check(s.address()); err != nil {
		return "", &LoginError{Err: err}
	}
	body.GrantType = grant
	s.client.readClientExpiry(s.tls)
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	asked := time.Now()
	answer, err := s.client.login(ctx, body)
	if s.client.observer != nil {
		s.client.observer.Login(grant, loginResult(err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.guard.appliances.record(s.address(), err)
		failure := &LoginError{Err: err, rejected: isRejected(err), answered: answered(err)}
		if !failure.rejected {
			s.failed.start(failure, firstFailureBackoff, longestFailureBackoff)
		}
		return "", failure
	}
	s.failed = pause{}
	lifetime := answer.lifetime()
	s.jwt, s.expiresAt = answer.JWT, asked.Add(lifetime)
	s.renewAt = s.expiresAt.Add(-min(renewBefore, lifetime/5))
	if answer.RefreshToken != "" {
		// The response to a refresh may omit the id if the refresh token stays the same.
		s.refresh = refreshToken{token: Secret(answer.RefreshToken), id: cmp.Or(answer.RefreshTokenID, s.refresh.id)}
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
	ended := make(chan struct{})
	go func() {
		s.underway.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		return classify(fmt.Errorf("waiting for the end of a login: %w", context.Cause(ctx)))
	}
	token, refresh := s.removeTokens()
	if refresh.id == "" {
		return nil
	}

	err := s.revoke(ctx, token, refresh.id)
	if isUnauthorized(err) {
		// The token has expired. The refresh token can still get another one.
		if _, err = s.send(ctx, grantRefresh, loginBody{RefreshToken: string(refresh.token)}); err == nil {
			token, latest := s.removeTokens()
			err = s.revoke(ctx, token, cmp.Or(latest.id, refresh.id))
		}
	}
	if err != nil {
		return fmt.Errorf("revoking the refresh token: %w", err)
	}
	return nil
}

// removeTokens removes the tokens from the session and returns them.
func (s *session) removeTokens() (token string, refresh refreshToken) {
	s.mu.Lock()
	defer s.mu.Unlock()
	token, refresh = s.jwt, s.refresh
	s.jwt, s.renewAt, s.expiresAt, s.refresh = "", time.Time{}, time.Time{}, refreshToken{}
	return token, refresh
}

// revoke revokes the refresh token with the given id.
func (s *session) revoke(ctx context.Context, token, id string) error {
	req, err := s.client.newRequest(ctx, http.MethodDelete, endpointTokens+"/"+url.PathEscape(id), nil, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := s.client.do(req, endpointTokens)
	if err != nil {
		return s.client.secrets.redactError(err)
	}
	defer func() { _ = resp.Body.Close() }()
	// 404 means that the refresh token does not exist any more.
	if resp.StatusCode/100 != 2 && resp.StatusCode != http.StatusNotFound {
		return newAPIError(resp, resp.Body, &s.client.secrets)
	}
	return nil
}
