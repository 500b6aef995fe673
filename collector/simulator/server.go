package simulator

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
	// CAPEM is the CA certificate that a client must trust.
	CAPEM []byte

	clients *authority
	handler http.Handler
	config  *tls.Config

	// mu guards the fields that Stop and Resume use.
	mu       sync.Mutex
	listener net.Listener
	server   *http.Server
	cancel   context.CancelFunc
	// running counts the server's goroutines: one that accepts, and one for each connection.
	running sync.WaitGroup
}

// StartTLS makes the appliance listen on a free port of 127.0.0.1. The caller closes the server.
func (a *Appliance) StartTLS() (*Server, error) { return a.StartTLSWith(Certificate{}) }

// StartTLSWith is StartTLS with another certificate, such as an expired one or one for another name.
func (a *Appliance) StartTLSWith(c Certificate) (*Server, error) {
	ca, err := newAuthority("simulator server CA")
	if err != nil {
		return nil, err
	}
	clients, err := newAuthority("simulator client CA")
	if err != nil {
		return nil, err
	}
	config, err := serverTLS(ca, clients, c)
	if err != nil {
		return nil, err
	}
	s := &Server{CAPEM: ca.pem(), clients: clients, handler: a, config: config}
	if err := s.listen("127.0.0.1:0"); err != nil {
		return nil, err
	}
	s.URL = "https://" + s.Addr().String()
	return s, nil
}

// listen starts to serve at an address.
func (s *Server) listen(address string) error {
	ctx, cancel := context.WithCancel(context.Background())
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		cancel()
		return fmt.Errorf("listening on a loopback address: %w", err)
	}
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 30 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnState:         s.connState,
		ErrorLog:          log.New(io.Discard, "", 0), // Tests cause failed handshakes.
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener, s.server, s.cancel = listener, server, cancel
	s.running.Go(func() {
		// Serve always returns an error, and here only Stop ends it.
		_ = server.Serve(tls.NewListener(listener, s.config))
	})
	return nil
}

// connState counts connections, so that Stop can wait for them. An interceptor that takes over a connection
// closes it itself.
func (s *Server) connState(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.running.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.running.Done()
	default: // It is still open.
	}
}

// Addr returns the address that the server listens on. Resume does not change it.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listener.Addr()
}

// ClientCertificate makes a client certificate for logins over mutual TLS, and its key, in PEM. The common
// name is the user's name.
func (s *Server) ClientCertificate(commonName string) (certPEM, keyPEM []byte, err error) {
	return s.ClientCertificateUntil(commonName, time.Now().AddDate(10, 0, 0))
}

// ClientCertificateUntil is ClientCertificate with another expiry.
func (s *Server) ClientCertificateUntil(commonName string, notAfter time.Time) (certPEM, keyPEM []byte, err error) {
	certPEM, keyPEM, err = s.clients.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: commonName},
		NotBefore:   time.Now().Add(-time.Hour),
		NotAfter:    notAfter,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("making the client certificate of %s: %w", commonName, err)
	}
	return certPEM, keyPEM, nil
}

// Stop drops all connections and refuses new ones until Resume, like an appliance that restarts. It cancels
// the contexts of requests in flight and returns when the server's goroutines have ended.
func (s *Server) Stop() {
	s.mu.Lock()
	server, cancel := s.server, s.cancel
	s.mu.Unlock()
	_ = server.Close() // It closes the listener and the connections even if it returns an error.
	cancel()
	s.running.Wait()
}

// Resume listens again at the same address after Stop. It returns an error while another program uses the
// port.
func (s *Server) Resume() error { return s.listen(s.Addr().String()) }

// Close stops the server.
func (s *Server) Close() { s.Stop() }
