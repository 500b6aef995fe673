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

// RetryAfter is for how long an answer with this header asks to be left alone.
func RetryAfter(header http.Header) time.Duration { return retryAfter(header) }
