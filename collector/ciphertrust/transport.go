package ciphertrust

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/common/config"
)

// TLSConfig is Prometheus' type for a client's TLS settings. Its files are read again when they
// change.
type TLSConfig config.TLSConfig

// Format implements fmt.Formatter, because fmt prints the key in Prometheus' type.
func (c TLSConfig) Format(f fmt.State, verb rune) {
	shown := config.TLSConfig(c)
	if shown.Key != "" {
		shown.Key = redacted
	}
	_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), shown)
}

// newTransport returns a transport. It uses HTTP/1.1 only: bulk reads over HTTP/2 share one connection and
// its flow control, which makes them slower.
func (c *Client) newTransport() (http.RoundTripper, error) {
	settings := c.files.tlsFiles(&c.config.TLS)
	// Prometheus' package would wait for a file that blocks.
	for _, file := range []config.SecretReader{settings.CA, settings.Cert, settings.Key} {
		if file == nil {
			continue
		}
		if _, err := file.Fetch(context.Background()); err != nil {
			return nil, fmt.Errorf("TLS settings: %w", err)
		}
	}
	tlsConfig, err := config.NewTLSConfig((*config.TLSConfig)(&c.config.TLS))
	if err != nil {
		return nil, fmt.Errorf("TLS settings: %w", err)
	}
	if tlsConfig.MinVersion == 0 {
		tlsConfig.MinVersion = tls.VersionTLS12
	}
	if tlsConfig.GetClientCertificate == nil {
		tlsConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			c.certificateAsked.Store(true)
			return new(tls.Certificate), nil
		}
	}
	newTransport := func(tlsConfig *tls.Config) (http.RoundTripper, error) {
		protocols := new(http.Protocols)
		protocols.SetHTTP1(true)
		return &http.Transport{
			Proxy:                  c.config.Proxy.function(),
			OnProxyConnectResponse: checkProxy,
			TLSClientConfig:        tlsConfig,
			Protocols:              protocols,
			// The client decompresses bodies itself, see body.go.
			DisableCompression: true,
			// net/http continues to connect after a scrape's deadline. The next scrape can use the
			// connection.
			DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			// With the default of two idle connections, TLS connections would be closed between pages.
			// A login needs one more.
			MaxIdleConnsPerHost: c.config.Concurrency + 1,
			// net/http's default of 10 MB takes more than 100 MB in many short header lines.
			MaxResponseHeaderBytes: 256 << 10,
			IdleConnTimeout:        90 * time.Second,
			TLSHandshakeTimeout:    10 * time.Second,
		}, nil
	}
	return config.NewTLSRoundTripper(tlsConfig, settings, newTransport)
}
