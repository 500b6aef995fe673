package ciphertrust

import (
	"context"
	"net/http"
	"time"
)

// SetTransport replaces the client's transport: a test's clock does not run while real sockets are
// waited for.
func (c *Client) SetTransport(transport http.RoundTripper) { c.http.Transport = transport }

// ErrProxyAuth is the error of a connection through a proxy that answers 407.
var ErrProxyAuth = errProxyAuth

// EndBackoff lets the next login be sent at once after one that failed without
// being rejected, for tests over sockets, which cannot move the clock.
func (c *Client) EndBackoff() {
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	c.session.failed = pause{}
}

// ExpireToken makes the current token expire now.
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

// RetryAfter returns the parsed header Retry-After.
func RetryAfter(header http.Header) time.Duration { return retryAfter(header) }

// FileReader returns a function that reads files, and shares reads that block.
func FileReader() func(ctx context.Context, path string) ([]byte, error) { return new(files).read }
