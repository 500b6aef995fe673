package ciphertrust

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"sync/atomic"
	"time"
)

// expiry is the earliest expiry in a chain of certificates. The zero value means that it is unknown.
// It is safe for concurrent use.
type expiry struct{ seconds atomic.Int64 }

// set sets the expiry to the earliest one in chain. If chain is empty, the expiry becomes unknown.
func (e *expiry) set(chain []*x509.Certificate) {
	var earliest int64
	for i, certificate := range chain {
		if at := certificate.NotAfter.Unix(); i == 0 || at < earliest {
			earliest = at
		}
	}
	e.seconds.Store(earliest)
}

func (e *expiry) get() (time.Time, bool) {
	seconds := e.seconds.Load()
	return time.Unix(seconds, 0), seconds != 0
}

// ApplianceCertificateExpiry returns the earliest expiry in the chain that the appliance presented
// last, even if it was not trusted. It returns false before the first connection, and without TLS.
func (c *Client) ApplianceCertificateExpiry() (time.Time, bool) { return c.applianceExpiry.get() }

// ClientCertificateExpiry returns the earliest expiry in the client certificate's
// file, as of the last login. It returns false if there is no client certificate,
// or if it cannot be read.
func (c *Client) ClientCertificateExpiry() (time.Time, bool) { return c.clientExpiry.get() }

// observeChain records the chain that the appliance presented for a request.
func (c *Client) observeChain(resp *http.Response, err error) {
	if resp != nil && resp.TLS != nil {
		c.applianceExpiry.set(resp.TLS.PeerCertificates)
	} else if refused, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		c.applianceExpiry.set(refused.UnverifiedCertificates)
	}
}

// readClientExpiry reads the client certificate and sets clientExpiry.
func (c *Client) readClientExpiry(ctx context.Context, cfg *TLSConfig) {
	content := []byte(cfg.Cert)
	if cfg.CertFile != "" {
		// The error is ignored here: the request with this certificate returns it.
		content, _ = c.files.read(ctx, cfg.CertFile)
	}
	c.clientExpiry.set(parseChain(content))
}

// parseChain returns the certificates of a PEM file, or none if one of them cannot
// be parsed.
func parseChain(content []byte) (chain []*x509.Certificate) {
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil
		}
		chain = append(chain, certificate)
	}
	return chain
}
