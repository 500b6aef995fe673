// Package ciphertrust is a REST client for one CipherTrust Manager. It logs in, renews the token,
// requests pages of the API and returns errors with a reason.Reason. It knows nothing about
// synchronization jobs.
package ciphertrust

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-kit/log"

	"cckm_sync_exporter/collector/reason"
)

// MaxConcurrency is the largest number of concurrent page requests. More would put load on the
// appliance without any gain.
const MaxConcurrency = 64

// Config configures a Client.
type Config struct {
	// URL is the appliance's address, with or without a trailing "/" or "/api".
	URL string
	// Credentials are those of the user.
	Credentials Credentials
	// TLS configures how the appliance is verified and, for a login by client
	// certificate, has the certificate and its key.
	TLS TLSConfig
	// Proxy is the proxy for connections to the appliance.
	Proxy Proxy
	// Concurrency is the number of concurrent page requests; 0 means 4.
	Concurrency int
	// Retries is how often a request for a page is retried after a temporary failure; 0 means never.
	Retries int
	// AttemptTimeout bounds one attempt at a page, so that a dead connection does not use up the
	// scrape's time; 0 means no bound.
	AttemptTimeout time.Duration
	// Guard must be shared by clients that may have the same secret; nil means that the client has
	// its own.
	Guard *LoginGuard
	// UserAgent is sent with every request.
	UserAgent string
	// OnRequest is called after each request, with the path below /api/v1/, the status code, or 0 if
	// there was no response, and the time until the response header. It may be nil.
	OnRequest func(endpoint string, code int, took time.Duration)
	// OnLogin is called after each login, with one of Grants and one of LoginResults. It may be nil.
	OnLogin func(grant, result string)
	// Logger is for events that no error reports; it may be nil.
	Logger log.Logger
	// Hint rewrites the hints in the log for the target's configuration; it may be nil.
	Hint func(hint string) string
}

// Format implements fmt.Formatter, because fmt would print the key in the TLS settings.
func (c Config) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "configuration of %s", c.URL) }

// Client reads from one appliance. It is safe for concurrent use.
type Client struct {
	// config has no nil function.
	config  Config
	base    *url.URL
	http    *http.Client
	session *session
	secrets secrets
	files   files
	// lists honors Retry-After for each path.
	lists retryAfters
	// slots bounds the concurrent page requests.
	slots chan struct{}
	// applianceExpiry and clientExpiry are the expiries of the certificates, nil if unknown.
	applianceExpiry, clientExpiry atomic.Pointer[time.Time]
	// clockOffset is by how much the appliance's clock is ahead of this host's, nil if unknown.
	clockOffset atomic.Pointer[time.Duration]
	// certificateAsked is true once the appliance has requested a client certificate and got none.
	certificateAsked atomic.Bool
	// inflaters holds *gzip.Reader, to reuse their buffers.
	inflaters sync.Pool
}

// New returns a client. It reads the TLS files to find mistakes early, but does not connect.
func New(cfg Config) (*Client, error) {
	base, err := ParseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	if err := CheckScheme(base, cfg.TLS.InsecureSkipVerify); err != nil {
		return nil, err
	}
	if err := cfg.Proxy.Check(base, cfg.TLS.InsecureSkipVerify); err != nil {
		return nil, fmt.Errorf("the proxy cannot be used: %w", err)
	}
	if cfg.Concurrency <= 0 {
		cfg.Concurrency = 4
	}
	if cfg.Logger == nil {
		cfg.Logger = log.NewNopLogger()
	}
	if cfg.Hint == nil {
		cfg.Hint = func(hint string) string { return hint }
	}
	if cfg.Guard == nil {
		cfg.Guard = NewLoginGuard()
	}
	if cfg.OnRequest == nil {
		cfg.OnRequest = func(string, int, time.Duration) {}
	}
	if cfg.OnLogin == nil {
		cfg.OnLogin = func(string, string) {}
	}
	c := &Client{config: cfg, base: base, slots: make(chan struct{}, cfg.Concurrency)}
	c.secrets.proxy = newSecret(cfg.Proxy.password())
	transport, err := c.newTransport()
	if err != nil {
		return nil, err
	}
	// A redirect could carry the token to another host.
	c.http = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	c.readClientExpiry(context.Background())
	c.session = newSession(c)
	return c, nil
}

// Format implements fmt.Formatter, because fmt would print the password with some verbs.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "client of %s", c.URL()) }

// address returns the appliance's address in a canonical form, as a key for the guard.
func (c *Client) address() string {
	u := *c.base
	u.Host = strings.ToLower(u.Host)
	if port := map[string]string{"https": ":443", "http": ":80"}[u.Scheme]; port != "" {
		u.Host = strings.TrimSuffix(u.Host, port)
	}
	return u.String()
}

// URL returns the appliance's base URL, for messages.
func (c *Client) URL() string { return c.base.Redacted() }

// Login logs in unless there is a valid token. Its errors are LoginErrors, except if ctx ends or the
// client is closed.
func (c *Client) Login(ctx context.Context) error {
	_, err := c.session.jwt(ctx)
	return err
}

// TokenExpiry returns when the current token expires according to its duration, and false if there
// is none.
func (c *Client) TokenExpiry() (time.Time, bool) { return c.session.expiry() }

// LoginRetry returns when a rejected login is retried, and false if the last login
// was not rejected.
func (c *Client) LoginRetry() (time.Time, bool) { return c.session.retryAt() }

// Get requests a path below /api/v1/ and passes the body of a 200 to read. It waits for a free slot
// and logs in if necessary. After a 401, it gets one new token and requests the page again. After a
// temporary failure, it retries, and calls read again with the new body; during the pause before,
// its slot is free. A transfer that fails or ends too early is an error even if read returns nil.
//
// Its errors carry a reason.Reason. Errors about the login are LoginErrors.
func (c *Client) Get(ctx context.Context, path string, query url.Values, read func(io.Reader) error) error {
	return c.retry(ctx, func() error { return c.authorize(ctx, path, query, read) })
}

// authorize requests a page with a token. If the token is refused, it gets a new one and requests the
// page again.
func (c *Client) authorize(ctx context.Context, path string, query url.Values, read func(io.Reader) error) error {
	// The select below chooses at random if a slot is free and ctx has ended.
	if ctx.Err() != nil {
		return classify(context.Cause(ctx))
	}
	if ctx.Value(withoutSlotKey) == nil {
		select {
		case c.slots <- struct{}{}:
			defer func() { <-c.slots }()
		case <-ctx.Done():
			return classify(context.Cause(ctx))
		}
	}
	for refused := false; ; refused = true {
		jwt, err := c.session.jwt(ctx)
		if err != nil {
			return err
		}
		if err = c.attempt(ctx, jwt, path, query, read); !isUnauthorized(err) || refused {
			return err
		}
		c.session.discard(jwt)
	}
}

// attempt requests a page once, for at most attemptTimeout. It sends nothing if a Retry-After of the
// path has not passed yet.
func (c *Client) attempt(ctx context.Context, jwt, path string, query url.Values, read func(io.Reader) error) error {
	if err := c.lists.check(path); err != nil {
		return err
	}
	attempt, cancel := ctx, context.CancelFunc(func() {})
	if c.config.AttemptTimeout > 0 {
		cause := fmt.Errorf("the page was not complete after %s: %w", c.config.AttemptTimeout, context.DeadlineExceeded)
		attempt, cancel = context.WithTimeoutCause(ctx, c.config.AttemptTimeout, cause)
	}
	defer cancel()
	err := c.secrets.redactError(c.transfer(attempt, jwt, path, query, read))
	if err != nil && ctx.Err() == nil && attempt.Err() != nil {
		return classify(context.Cause(attempt))
	}
	c.lists.record(path, err)
	return err
}

// transfer sends the request for a page and reads the response.
func (c *Client) transfer(ctx context.Context, jwt, path string, query url.Values, read func(io.Reader) error) error {
	req, err := c.newRequest(ctx, http.MethodGet, path, query, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+jwt)
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := c.do(req, path)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return c.apiError(resp).withReason()
	}
	return c.readBody(ctx, resp, read)
}

// newRequest returns a request for a path below /api/v1/.
func (c *Client) newRequest(ctx context.Context, method, path string, query url.Values, body io.Reader) (*http.Request, error) {
	u := c.base.JoinPath("api", "v1", path)
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, reason.New(reason.Other, fmt.Errorf("making a request for %s: %w", path, err), "")
	}
	req.Header.Set("Accept", "application/json")
	if c.config.UserAgent != "" {
		req.Header.Set("User-Agent", c.config.UserAgent)
	}
	return req, nil
}

// Close cancels logins in progress, revokes the refresh token on the appliance, and closes idle
// connections. It returns at the latest when ctx ends.
func (c *Client) Close(ctx context.Context) error {
	err := c.session.close(ctx)
	c.http.CloseIdleConnections()
	return err
}
