package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"
)

// healthyTimeout bounds the command healthy.
const healthyTimeout = 5 * time.Second

// healthy asks the exporter that runs on this host whether it is healthy. It sends no credentials. That the
// exporter refuses the request, because it wants a password or a client certificate, proves that it responds.
func healthy(ctx context.Context, s *settings) error {
	if err := s.validateListening(ctx); err != nil {
		return err
	}
	addresses := slices.DeleteFunc(slices.Clone(*s.web.WebListenAddresses), isVsock)
	if len(addresses) == 0 {
		return errors.New("--web.listen-address has no TCP address, and healthy asks no other")
	}
	address := addresses[0]
	ctx, cancel := context.WithTimeout(ctx, healthyTimeout)
	defer cancel()
	transport := &http.Transport{
		// Unlike the host of a URL, the one of an address may be empty.
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // The certificate need not name this address, and nothing secret is sent.
	}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.scheme()+"://localhost/-/healthy", http.NoBody) //nolint:gosec // Only the scheme varies.
	if err != nil {
		return fmt.Errorf("the request cannot be made: %w", err)
	}
	resp, err := transport.RoundTrip(req)
	if refused, ok := errors.AsType[*net.OpError](err); ok && refused.Op == "remote error" {
		return nil // An alert of TLS.
	}
	if err != nil {
		return fmt.Errorf("the exporter on %s does not respond: %w", address, err)
	}
	_ = resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK, http.StatusUnauthorized, http.StatusTooManyRequests:
		return nil
	default:
		return fmt.Errorf("the exporter on %s responds with %s", address, resp.Status)
	}
}
