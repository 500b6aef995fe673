package ciphertrust

import (
	"net/http"
	"time"
)

// WrapTransport puts a transport of a test around the client's own, or in its
// place: a test's clock does not run while real sockets are waited for.
func (c *Client) WrapTransport(wrap func(http.RoundTripper) http.RoundTripper) {
	c.http.Transport = wrap(c.http.Transport)
}

// ErrProxyAuth is the error of a connection through a proxy that answers 407.
var ErrProxyAuth = errProxyAuth

// EndBackoff lets the next login be sent at once after one that failed without
// being rejected, for tests over sockets, which cannot move the clock.
func (c *Client) EndBackoff() {
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	c.session.failed = pause{}
}

// ExpireToken has the present token expire now.
func (c *Client) ExpireToken() {
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	c.session.tokens.renewAt, c.session.tokens.expiresAt = time.Now(), time.Now()
}

// Secrets returns how many secrets a guard remembers.
func (g *LoginGuard) Secrets() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.secrets)
}

// RetryAfter is for how long an answer with this header asks to be left alone.
func RetryAfter(header http.Header) time.Duration { return retryAfter(header) }
