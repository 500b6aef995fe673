package cmsim

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log" //nolint:depguard // http.Server takes no other logger, and this one discards.
	"net"
	"net/http"
	"sync"
	"time"
)

// Server is an appliance that listens on a loopback address with HTTP/1.1 over TLS.
type Server struct {
	// URL is the base address, such as "https://127.0.0.1:40123".
	URL string
	// CAPEM is the certificate of the authority that signed the server's, for a client to trust.
	CAPEM []byte

	clients  *authority
	listener net.Listener
	server   *http.Server
	cancel   context.CancelFunc
	// running counts the server's goroutines: the one that accepts, and one for each connection.
	running sync.WaitGroup
}

// StartTLS makes the appliance listen on a free port of 127.0.0.1. The caller closes the server. An
// error says which of the certificates or the listener could not be made.
func (a *Appliance) StartTLS() (*Server, error) { return a.StartTLSWith(Certificate{}) }

// StartTLSWith is StartTLS with a certificate of the caller's choice, such as an expired one or one for
// another name.
func (a *Appliance) StartTLSWith(c Certificate) (*Server, error) {
	ca, err := newAuthority("cmsim server CA")
	if err != nil {
		return nil, err
	}
	clients, err := newAuthority("cmsim client CA")
	if err != nil {
		return nil, err
	}
	config, err := serverTLS(ca, clients, c)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		cancel()
		return nil, fmt.Errorf("listening on a loopback address: %w", err)
	}
	s := &Server{
		URL:      "https://" + listener.Addr().String(),
		CAPEM:    ca.pem(),
		clients:  clients,
		listener: listener,
		cancel:   cancel,
	}
	s.server = &http.Server{
		Handler:           a,
		ReadHeaderTimeout: 30 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnState:         s.connState,
		ErrorLog:          log.New(io.Discard, "", 0), // Refused handshakes are what tests are after.
	}
	s.running.Go(func() {
		// Serve always ends with an error, and here by Close alone.
		_ = s.server.Serve(tls.NewListener(listener, config))
	})
	return s, nil
}

// connState counts connections. A new one is announced before Serve can return, so that Close waits for it;
// one that an interceptor took over is that interceptor's to close.
func (s *Server) connState(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.running.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.running.Done()
	default: // It goes on being used.
	}
}

// Addr returns the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// ClientCertificate makes a client certificate for logins over mutual TLS, and its key, in PEM. The
// name becomes that of the user.
func (s *Server) ClientCertificate(commonName string) (certPEM, keyPEM []byte, err error) {
	certPEM, keyPEM, err = s.clients.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: commonName},
		NotBefore:   time.Now().Add(-time.Hour),
		NotAfter:    time.Now().AddDate(10, 0, 0),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("the client certificate of %s: %w", commonName, err)
	}
	return certPEM, keyPEM, nil
}

// Close drops every connection and returns when the server's goroutines have ended. Requests that are
// being answered see their context end.
func (s *Server) Close() {
	_ = s.server.Close() // The listener and the connections are closed whatever this says.
	s.cancel()
	s.running.Wait()
}
