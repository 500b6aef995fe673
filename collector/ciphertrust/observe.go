package ciphertrust

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"cckm_sync_exporter/collector/reason"
)

const (
	// maxClockDifference is by how much the two clocks may differ before ages use the appliance's.
	maxClockDifference = 5 * time.Second
	// maxClockAhead bounds the offset that is believed, as the year 2000 does on the other side.
	maxClockAhead = 10 * 365 * 24 * time.Hour
)

// do sends a request, calls OnRequest, and records the appliance's clock and certificates.
func (c *Client) do(req *http.Request, endpoint string) (*http.Response, error) {
	start := time.Now()
	resp, err := c.http.Do(req)
	took := time.Since(start)
	if err != nil {
		c.config.OnRequest(endpoint, 0, took)
		if refused, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			c.applianceExpiry.Store(earliestExpiry(refused.UnverifiedCertificates))
		}
		// In TLS 1.2, this alert may also mean that there is no common cipher suite.
		if c.certificateAsked.Swap(false) && strings.Contains(err.Error(), handshakeAlert) {
			return nil, reason.New(reason.TLS, err, hintTLSClient)
		}
		return nil, classify(err)
	}
	c.config.OnRequest(endpoint, resp.StatusCode, took)
	if resp.TLS != nil {
		c.applianceExpiry.Store(earliestExpiry(resp.TLS.PeerCertificates))
	}
	c.observeClock(resp, start, took)
	return resp, nil
}

// observeClock updates the clock offset from the Date of a response to a request that was sent at a
// time and took a duration. The appliance read its clock at an unknown time in between, and Date has
// whole seconds, so the offset is between least and most. The first offset is 0 if that is possible, so
// that a slow response does not report an offset between clocks that may agree, else the middle. A
// later response corrects the offset only as far as necessary, so that ages do not jump.
func (c *Client) observeClock(resp *http.Response, sent time.Time, took time.Duration) {
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil || date.Year() < 2000 || date.Sub(sent) > maxClockAhead {
		return
	}
	// The Date of a cached response is old, and that of a gateway's own error is the gateway's.
	if resp.Header.Get("Age") != "" || resp.StatusCode >= http.StatusBadGateway {
		return
	}
	least, most := date.Sub(sent.Add(took)), date.Add(time.Second).Sub(sent)
	offset, known := c.ClockOffset()
	if known {
		offset = min(max(offset, least), most)
	} else if least > 0 || most < 0 {
		offset = (least + most) / 2
	}
	c.clockOffset.Store(&offset)
}

// ClockOffset returns by how much the appliance's clock is ahead of this host's, according to the
// header Date of the last response. It returns false before the first response.
func (c *Client) ClockOffset() (time.Duration, bool) { return load(&c.clockOffset) }

// ClockCorrection returns what to add to this host's time to compute the age of a time that the
// appliance has written: the offset if it is more than 5 s, else 0.
func (c *Client) ClockCorrection() time.Duration {
	if offset, _ := c.ClockOffset(); offset.Abs() > maxClockDifference {
		return offset
	}
	return 0
}

// ApplianceCertificateExpiry returns the earliest expiry in the chain that the appliance presented
// last, even if it was not trusted. It returns false before the first connection, and without TLS.
func (c *Client) ApplianceCertificateExpiry() (time.Time, bool) { return load(&c.applianceExpiry) }

// ClientCertificateExpiry returns the earliest expiry in the client certificate's file, as of the last
// login. It returns false if there is no client certificate, or if it cannot be read.
func (c *Client) ClientCertificateExpiry() (time.Time, bool) { return load(&c.clientExpiry) }

// load returns the value that was stored last, and false if there is none.
func load[T any](p *atomic.Pointer[T]) (value T, ok bool) {
	if stored := p.Load(); stored != nil {
		return *stored, true
	}
	return value, false
}

// readClientExpiry reads the client certificate and sets clientExpiry.
func (c *Client) readClientExpiry(ctx context.Context) {
	content := []byte(c.config.TLS.Cert)
	if file := c.config.TLS.CertFile; file != "" {
		// The error is ignored here: the request with this certificate returns it.
		content, _ = c.files.read(ctx, file)
	}
	c.clientExpiry.Store(earliestExpiry(parseChain(content)))
}

// parseChain returns the certificates of a PEM file, or none if one of them cannot be parsed.
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

// earliestExpiry returns the earliest expiry in a chain, or nil if the chain is empty.
func earliestExpiry(chain []*x509.Certificate) (earliest *time.Time) {
	for _, certificate := range chain {
		if earliest == nil || certificate.NotAfter.Before(*earliest) {
			earliest = &certificate.NotAfter
		}
	}
	return earliest
}
