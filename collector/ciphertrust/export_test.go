package ciphertrust

import "net/http"

// WrapTransport puts a transport of a test around the client's own, or in its
// place: a test's clock does not run while real sockets are waited for.
func (c *Client) WrapTransport(wrap func(http.RoundTripper) http.RoundTripper) {
	c.http.Transport = wrap(c.http.Transport)
}
