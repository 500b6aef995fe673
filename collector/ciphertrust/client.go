// Package ciphertrust is a REST client for one CipherTrust Manager: it logs in,
// keeps the token, reads pages of the API and returns errors with one of a few
// reasons. It knows nothing of synchronization jobs.
package ciphertrust

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/go-kit/log"

	"cckm_sync_exporter/collector/reason"
)

// MaxConcurrency is the largest number of pages in flight. More would be a load on
// the appliance without any gain.
const MaxConcurrency = 64

// Config configures a Client.
type Config struct {
	// URL is the appliance's address, with or without a trailing "/" or "/api".
	URL string
	// Credentials are those of the user that reads the API.
	Credentials Credentials
	// TLS configures how the appliance is verified and, for a login by client
	// certificate, has the certificate and its key.
	TLS TLSConfig
	// Concurrency is how many pages may be in flight; 0 means 4.
	Concurrency int
	// Retries is how often a page is requested again within one scrape, if its
	// failure may pass; 0 means never.
	Retries int
	// AttemptTimeout bounds one attempt at a page, so that a connection that died
	// silently does not take the whole scrape; 0 means no bound.
	AttemptTimeout time.Duration
	// Guard is shared by the clients that may have the same secret; nil means that
	// the client has its own.
	Guard *LoginGuard
	// UserAgent is sent with every request.
	UserAgent string
	// Observer is called for every request and login; it may be nil.
	Observer Observer
	// Logger gets what no error returns; nil means that nothing is logged.
	Logger log.Logger
	// Hint rewrites the hints in the log for the target's configuration; it may be nil.
	Hint func(hint string) string
}

// Format implements fmt.Formatter: the TLS settings' own key has a type that fmt
// shows.
func (c Config) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "configuration of %s", c.URL) }

// Observer is notified of what the client does, for the exporter's own metrics.
type Observer interface {
	// Request is called after each request with the path below /api/v1/, the
	// status code, or 0 without a response, and the time until the header.
	Request(endpoint string, code int, took time.Duration)
	// Login is called after each login. The result is one of LoginResults.
	Login(grant, result string)
}

// Client reads from one appliance. It is safe for concurrent use.
type Client struct {
	base      *url.URL
	http      *http.Client
	userAgent string
	observer  Observer
	logger    log.Logger
	hint      func(string) string
	session   *session
	secrets   secrets
	retries   int
	// attemptTimeout bounds one attempt at a page, 0 means no bound.
	attemptTimeout time.Duration
	// lists holds back the pages of each path, see Retry-After.
	lists holds
	// slots bounds the pages in flight.
	slots chan struct{}
	// applianceExpiry and clientExpiry are those of the certificates.
	applianceExpiry, clientExpiry expiry
	// inflaters holds *gzip.Reader, whose windows are worth reusing.
	inflaters sync.Pool
}

// New returns a client. It reads the TLS files to find mistakes early, but does
// not connect.
func New(cfg Config) (*Client, error) {
	base, err := ParseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	if err := CheckScheme(base, cfg.TLS.InsecureSkipVerify); err != nil {
		return nil, err
	}
	if cfg.Concurrency <= 0 {
		cfg.Concurrency = 4
	}
	transport, err := newTransport(cfg.TLS, cfg.Concurrency)
	if err != nil {
		return nil, err
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
	c := &Client{
		base: base,
		http: &http.Client{
			Transport: transport,
			// A redirect could carry the token to another host.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		userAgent:      cfg.UserAgent,
		observer:       cfg.Observer,
		logger:         cfg.Logger,
		hint:           cfg.Hint,
		retries:        max(0, cfg.Retries),
		attemptTimeout: cfg.AttemptTimeout,
		slots:          make(chan struct{}, cfg.Concurrency),
	}
	c.readClientExpiry(cfg.TLS)
	c.session = newSession(c, cfg.Credentials, cfg.TLS, cfg.Guard)
	return c, nil
}

// Format implements fmt.Formatter: a verb that does not suit a struct would print
// what its pointers lead to, which here includes the password.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "client of %s", c.URL()) }

// URL returns the appliance's address without a path, for messages.
func (c *Client) URL() string { return c.base.Redacted() }

// Login gets a token unless there is a valid one. Its errors are LoginErrors, except
// if ctx ends or the client is closed.
func (c *Client) Login(ctx context.Context) error {
	_, err := c.session.token(ctx)
	return err
}

// TokenExpiry returns when the present token expires by its own duration, and
// false without a token.
func (c *Client) TokenExpiry() (time.Time, bool) { return c.session.expiry() }

// LoginRetry returns when a rejected login is retried, and false if the last login
// was not rejected.
func (c *Client) LoginRetry() (time.Time, bool) { return c.session.retryAt() }

// Get requests a path below /api/v1/ and passes the body of a 200 to read. It
// waits for a free slot, renews the token if necessary, and after a 401 gets one
// new token and requests the page again. A failure that may pass is retried after
// a pause, in which the slot is free for other pages; read is then called again,
// with a new body. A body that ends too early, or whose transfer fails, is an
// error with its own reason even if read did not mind.
//
// Its errors carry a reason.Reason. One about the login is a LoginError.
func (c *Client) Get(ctx context.Context, path string, query url.Values, read func(io.Reader) error) error {
	return c.retry(ctx, func() error { return c.attempt(ctx, path, query, read) })
}

// attempt requests a page, and again with a new token if the token was refused.
func (c *Client) attempt(ctx context.Context, path string, query url.Values, read func(io.Reader) error) error {
	// A select would choose at random between a free slot and the end.
	if ctx.Err() != nil {
		return classify(context.Cause(ctx))
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return classify(context.Cause(ctx))
	}
	token, err := c.session.token(ctx)
	if err != nil {
		return err
	}
	err = c.request(ctx, token, path, query, read)
	if !isUnauthorized(err) {
		return err
	}
	c.session.discard(token)
	if token, err = c.session.token(ctx); err != nil {
		return err
	}
	return c.request(ctx, token, path, query, read)
}

// request requests a page with a token, unless the appliance asked to hold back the
// pages of this path.
func (c *Client) request(ctx context.Context, token, path string, query url.Values, read func(io.Reader) error) error {
	if err := c.lists.check(path); err != nil {
		return err
	}
	attempt, cancel := ctx, context.CancelFunc(func() {})
	if c.attemptTimeout > 0 {
		cause := fmt.Errorf("the page was not complete after %s: %w", c.attemptTimeout, context.DeadlineExceeded)
		attempt, cancel = context.WithTimeoutCause(ctx, c.attemptTimeout, cause)
	}
	defer cancel()
	err := c.secrets.hideIn(c.transfer(attempt, token, path, query, read))
	if err != nil && ctx.Err() == nil && attempt.Err() != nil {
		return classify(context.Cause(attempt))
	}
	c.lists.note(path, err)
	return err
}

// transfer sends the request of a page and reads its response.
func (c *Client) transfer(ctx context.Context, token, path string, query url.Values, read func(io.Reader) error) error {
	req, err := c.newRequest(ctx, http.MethodGet, path, query, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := c.do(req, path)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		failure := c.apiError(resp)
		return reason.New(failure.reason(), failure, failure.remedy())
	}
	body := &watchedBody{r: resp.Body}
	err = c.inflate(resp, body, read)
	return body.judge(ctx, resp, err)
}

// apiError returns the error of a response, whose body may be compressed. The
// status says what is wrong even if the body is cut short or garbled: a 401 has to
// bring a new token all the same.
func (c *Client) apiError(resp *http.Response) *APIError {
	failure := readAPIError(resp, http.NoBody, c.secrets.hide)
	_ = c.inflate(resp, resp.Body, func(body io.Reader) error {
		failure = readAPIError(resp, body, c.secrets.hide)
		return nil
	})
	return failure
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
	if c.userAgent != "" {
		req.Header.Set("User-Agent", c.userAgent)
	}
	return req, nil
}

// do sends a request and notifies the observer.
func (c *Client) do(req *http.Request, endpoint string) (*http.Response, error) {
	start := time.Now()
	resp, err := c.http.Do(req)
	took := time.Since(start)
	c.observeChain(resp, err)
	if err != nil {
		c.observe(endpoint, 0, took)
		return nil, classify(err)
	}
	c.observe(endpoint, resp.StatusCode, took)
	return resp, nil
}

func (c *Client) observe(endpoint string, code int, took time.Duration) {
	if c.observer != nil {
		c.observer.Request(endpoint, code, took)
	}
}

// Close cancels logins under way, revokes the refresh token on the appliance so
// that none is left behind, and closes idle connections. It returns when ctx ends
// at the latest.
func (c *Client) Close(ctx context.Context) error {
	err := c.session.close(ctx)
	c.http.CloseIdleConnections()
	return err
}
