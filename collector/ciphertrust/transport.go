package ciphertrust

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/config"
)

// TLSConfig is Prometheus' own form of a client's TLS settings. Its files are
// read again when they change.
type TLSConfig config.TLSConfig

// Format implements fmt.Formatter, because Prometheus' own form shows its key.
func (c TLSConfig) Format(f fmt.State, verb rune) {
	shown := config.TLSConfig(c)
	if shown.Key != "" {
		shown.Key = hidden
	}
	_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), shown)
}

// newTransport returns a transport for as many requests at once as there are
// pages in flight. It speaks HTTP/1.1 only: bulk reads over HTTP/2 share one
// connection and its flow control, which makes them slower.
func newTransport(cfg TLSConfig, concurrency int) (http.RoundTripper, error) {
	tlsConfig, err := config.NewTLSConfig((*config.TLSConfig)(&cfg))
	if err != nil {
		return nil, fmt.Errorf("TLS settings: %w", err)
	}
	if tlsConfig.MinVersion == 0 {
		tlsConfig.MinVersion = tls.VersionTLS12
	}
	asked := new(atomic.Bool)
	if tlsConfig.GetClientCertificate == nil {
		tlsConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked.Store(true)
			return new(tls.Certificate), nil
		}
	}
	newTransport := func(tlsConfig *tls.Config) (http.RoundTripper, error) {
		protocols := new(http.Protocols)
		protocols.SetHTTP1(true)
		return &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			OnProxyConnectResponse: checkProxy,
			TLSClientConfig:        tlsConfig,
			Protocols:              protocols,
			// The client inflates by itself, see body.go.
			DisableCompression: true,
			// A scrape's deadline ends its own wait, not the attempt to connect,
			// which the next scrape may use.
			DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			// The default of two idle connections would throw warm TLS
			// connections away between pages. A login needs one more.
			MaxIdleConnsPerHost: concurrency + 1,
			IdleConnTimeout:     90 * time.Second,
			TLSHandshakeTimeout: 10 * time.Second,
		}, nil
	}
	next, err := config.NewTLSRoundTripper(tlsConfig, tlsFiles(cfg), newTransport)
	return &certificateWatch{next: next, asked: asked}, err
}

// errProxyAuth is the error of a connection for which the proxy wants other
// credentials, or any at all.
var errProxyAuth = errors.New("the proxy requires authentication (407)")

// checkProxy gives a proxy's 407 an error of its own.
func checkProxy(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusProxyAuthRequired {
		return errProxyAuth
	}
	return nil
}

// certificateWatch notices that a handshake failed after the appliance had asked
// for a client certificate and got none. By TLS 1.2, the alert alone may as well
// mean that there is no common cipher suite.
type certificateWatch struct {
	next  http.RoundTripper
	asked *atomic.Bool
}

// RoundTrip implements http.RoundTripper.
func (w *certificateWatch) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := w.next.RoundTrip(req)
	if err != nil && w.asked.Swap(false) {
		return resp, certificateAskedError{err}
	}
	return resp, err
}

// CloseIdleConnections is called by http.Client.
func (w *certificateWatch) CloseIdleConnections() {
	if closer, ok := w.next.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

// certificateAskedError is an error of a connection on which a client certificate
// was asked for in vain.
type certificateAskedError struct{ error }

// Unwrap returns what happened.
func (e certificateAskedError) Unwrap() error { return e.error }

// tlsFiles names the files that are watched for changes.
func tlsFiles(cfg TLSConfig) config.TLSRoundTripperSettings {
	secret := func(inline, file string) config.SecretReader {
		switch {
		case file != "":
			return config.NewFileSecret(file)
		case inline != "":
			return config.NewInlineSecret(inline)
		default:
			return nil
		}
	}
	return config.TLSRoundTripperSettings{
		CA:   secret(cfg.CA, cfg.CAFile),
		Cert: secret(cfg.Cert, cfg.CertFile),
		Key:  secret(string(cfg.Key), cfg.KeyFile),
	}
}
