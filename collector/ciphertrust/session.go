package ciphertrust

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/go-kit/log/level"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"cckm_sync_exporter/collector/reason"
)

const (
	// loginTimeout bounds a login. It is no scrape's own deadline, because a
	// login serves every scrape that waits for it and the next ones as well. One
	// that hangs must not fail those as well, so it is no longer than Prometheus'
	// scrape_timeout is by default.
	loginTimeout = 10 * time.Second
	// renewBefore is how long before its expiry a token is replaced, at most;
	// a short-lived one is replaced when a fifth of its life is left.
	renewBefore = 30 * time.Second
	// unusedRefreshMinutes is after how many minutes without use the appliance
	// may drop a refresh token, so that one that could not be revoked does not
	// stay there for ever.
	unusedRefreshMinutes = 120
)

// session keeps one token per token lifetime, whoever asks for it.
type session struct {
	client      *Client
	credentials Credentials
	tls         TLSConfig
	rejections  *rejections
	exposures   *exposureWatch
	// ctx ends when the session is closed; logins under way are given up then.
	ctx    context.Context //nolint:containedctx // Logins outlive the scrape that asks for them.
	cancel context.CancelFunc
	// logins lets all who need a token wait for one login.
	logins singleflight.Group
	// turn holds one login back while another is under way, which a refused
	// token can bring about: each is to begin with the refresh token that the
	// one before it left, and the later one is to have the last word.
	turn chan struct{}

	mu sync.Mutex
	// source keeps the token and renews it when it is about to expire.
	source oauth2.TokenSource
	// generation counts the tokens that the appliance has refused. It keeps a
	// login that was under way before a refusal from answering after it.
	generation int
	present    string
	expiresAt  time.Time
	refresh    refreshToken
	// underway counts logins, so that none goes on after close.
	underway sync.WaitGroup
	closed   bool
}

type refreshToken struct {
	token Secret
	id    string
}

func newSession(c *Client, credentials Credentials, tls TLSConfig) *session {
	s := &session{client: c, credentials: credentials, tls: tls, rejections: newRejections(), turn: make(chan struct{}, 1)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.source = s.newSource()
	s.exposures = newExposureWatch(c.logger, s.secretFiles())
	return s
}

// newSource returns a source without a token. The early expiry is a formality:
// the margin is in the expiry that obtain gives, because it depends on the
// token's own duration.
func (s *session) newSource() oauth2.TokenSource {
	return oauth2.ReuseTokenSourceWithExpiry(nil, loginSource{s}, time.Nanosecond)
}

// loginSource makes the session's login the source of oauth2's tokens, which
// takes no context.
type loginSource struct{ session *session }

// Token implements oauth2.TokenSource.
func (l loginSource) Token() (*oauth2.Token, error) {
	l.session.turn <- struct{}{}
	defer func() { <-l.session.turn }()
	ctx, cancel := context.WithTimeout(l.session.ctx, loginTimeout)
	defer cancel()
	return l.session.obtain(ctx)
}

// token returns a token that is good for a while. It waits for a login no
// longer than ctx lasts.
func (s *session) token(ctx context.Context) (string, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return "", errClosed()
	}
	source, generation := s.source, s.generation
	result := s.logins.DoChan(strconv.Itoa(generation), func() (any, error) {
		if !s.begin() {
			return nil, errClosed()
		}
		defer s.underway.Done()
		return source.Token()
	})
	s.mu.Unlock()

	select {
	case r := <-result:
		if r.Err != nil {
			return "", r.Err
		}
		token, ok := r.Val.(*oauth2.Token)
		if !ok {
			return "", fmt.Errorf("login returned a %T", r.Val)
		}
		return token.AccessToken, nil
	case <-ctx.Done():
		return "", classify(fmt.Errorf("waiting for a login: %w", context.Cause(ctx)))
	}
}

func errClosed() error {
	return reason.New(reason.Other, errors.New("the session with the appliance is closed"), "")
}

// begin counts a login unless the session is closed.
func (s *session) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.underway.Add(1)
	return true
}

// discard drops a token that the appliance has refused, unless it was replaced
// already: of several pages that are refused at once, one gets a new token.
func (s *session) discard(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.present != token {
		return
	}
	s.present, s.expiresAt = "", time.Time{}
	s.source = s.newSource()
	s.generation++
}

func (s *session) expiry() (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.expiresAt, !s.expiresAt.IsZero()
}

// obtain gets a token: by the refresh token where there is one, which leaves no
// further refresh token on the appliance, else by the password or certificate.
func (s *session) obtain(ctx context.Context) (*oauth2.Token, error) {
	s.mu.Lock()
	refresh := s.refresh
	s.mu.Unlock()
	if refresh.token == "" {
		return s.obtainAnew(ctx)
	}
	token, err := s.login(ctx, grantRefresh, loginBody{RefreshToken: string(refresh.token)})
	if err == nil || !answered(err) {
		return token, err
	}
	level.Debug(s.client.logger).Log("during", "login", "grant", grantRefresh, "err", err,
		"msg", "the refresh token could not be used, logging in anew")
	if isRejected(err) || reason.Of(err) == reason.NotFound {
		s.mu.Lock()
		s.refresh = refreshToken{}
		s.mu.Unlock()
		return s.obtainAnew(ctx)
	}
	if token, err = s.obtainAnew(ctx); err != nil {
		return nil, err
	}
	// The refresh token may still be good, and nobody will use it any more. If
	// it cannot be revoked, the appliance drops it as unused.
	_ = s.revoke(ctx, token.AccessToken, refresh.id)
	return token, nil
}

// obtainAnew gets a token by the password or certificate.
func (s *session) obtainAnew(ctx context.Context) (*oauth2.Token, error) {
	grant, body, secret, err := s.primary()
	if err != nil {
		return nil, err
	}
	s.exposures.look(s.secretFiles())
	if err := s.rejections.check(secret); err != nil {
		return nil, err
	}
	token, err := s.login(ctx, grant, body)
	switch {
	case err == nil:
		s.rejections.forget()
	case isRejected(err):
		s.rejections.note(secret, err)
	}
	return token, err
}

// primary returns the grant that the credentials allow, its body, and a
// fingerprint of the secret that it uses.
func (s *session) primary() (grant string, body loginBody, secret fingerprint, err error) {
	body = loginBody{Domain: s.credentials.Domain, Connection: s.credentials.Connection}
	body.setAuthDomain(s.credentials.AuthDomain)
	if s.credentials.ClientID != "" {
		cert, key, err := readKeyPair(s.tls)
		if err != nil {
			return "", loginBody{}, 0, unreadable(err, remedyCertificate)
		}
		body.ClientID = s.credentials.ClientID
		return grantCertificate, body, s.rejections.fingerprint(cert, key), nil
	}
	password, err := s.credentials.password()
	if err != nil {
		return "", loginBody{}, 0, unreadable(err, remedyPassword)
	}
	body.Username, body.Password = s.credentials.Username, string(password)
	body.RevokeUnusedIn = unusedRefreshMinutes
	return grantPassword, body, s.rejections.fingerprint(body.Username, body.Password), nil
}

// login asks for a token and keeps what came.
func (s *session) login(ctx context.Context, grant string, body loginBody) (*oauth2.Token, error) {
	body.GrantType = grant
	s.client.readClientExpiry(s.tls)
	asked := time.Now()
	answer, err := s.client.login(ctx, body)
	if s.client.observer != nil {
		s.client.observer.Login(grant, loginResult(err))
	}
	if err != nil {
		return nil, err
	}
	expires := asked.Add(answer.lifetime())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.present, s.expiresAt = answer.JWT, expires
	if answer.RefreshToken != "" {
		// An answer to a refresh may leave out the id of a token that stays.
		s.refresh = refreshToken{token: Secret(answer.RefreshToken), id: cmp.Or(answer.RefreshTokenID, s.refresh.id)}
	}
	return &oauth2.Token{
		AccessToken: answer.JWT,
		Expiry:      expires.Add(-min(renewBefore, answer.lifetime()/5)),
	}, nil
}

// close gives up logins under way and revokes the refresh token.
func (s *session) close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	// A login whose answer is there already may still leave a refresh token.
	s.underway.Wait()
	token, refresh := s.take()
	if refresh.id == "" {
		return nil
	}

	err := s.revoke(ctx, token, refresh.id)
	if isUnauthorized(err) {
		// The token has expired; the refresh token can still get a last one.
		if _, err = s.login(ctx, grantRefresh, loginBody{RefreshToken: string(refresh.token)}); err == nil {
			token, latest := s.take()
			err = s.revoke(ctx, token, cmp.Or(latest.id, refresh.id))
		}
	}
	if err != nil {
		return fmt.Errorf("revoking the refresh token: %w", err)
	}
	return nil
}

// take takes the tokens out of the session.
func (s *session) take() (token string, refresh refreshToken) {
	s.mu.Lock()
	defer s.mu.Unlock()
	token, refresh = s.present, s.refresh
	s.present, s.expiresAt, s.refresh = "", time.Time{}, refreshToken{}
	return token, refresh
}

func (s *session) revoke(ctx context.Context, token, id string) error {
	req, err := s.client.newRequest(ctx, http.MethodDelete, endpointTokens+"/"+url.PathEscape(id), nil, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := s.client.do(req, endpointTokens)
	if err != nil {
		return s.client.secrets.hideIn(err)
	}
	defer func() { _ = resp.Body.Close() }()
	// A refresh token that is gone already is as good as revoked.
	if resp.StatusCode/100 != 2 && resp.StatusCode != http.StatusNotFound {
		return newAPIError(resp, resp.Body, s.client.secrets.hide)
	}
	return nil
}
