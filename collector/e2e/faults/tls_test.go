package faults_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/simulator"
)

// tlsFaults are faults of the appliance's TLS. The exporter trusts each certificate's CA, unless the row is
// about that.
func tlsFaults() []fault {
	now := time.Now()
	return []fault{
		secure("certificate expired", place{}, certificate(simulator.Certificate{NotBefore: now.Add(-2 * time.Hour), NotAfter: now.Add(-time.Hour)}, true)),
		secure("certificate not valid yet", place{}, certificate(simulator.Certificate{NotBefore: now.Add(time.Hour)}, true)),
		secure("wrong name", place{}, certificate(simulator.Certificate{Names: []string{"elsewhere.example"}}, true)),
		secure("unknown CA", place{}, certificate(simulator.Certificate{}, false)),
		secure("too old", place{}, handshake(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 })),
		secure("client certificate required", place{}, handshake(func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert })),
		secure("client certificate refused", place{certificate: true}, handshake(func(c *tls.Config) {
			c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		})),
		secure("client certificate refused by TLS 1.2", place{certificate: true}, handshake(func(c *tls.Config) {
			c.MaxVersion, c.ClientAuth, c.ClientCAs = tls.VersionTLS12, tls.RequireAndVerifyClientCert, x509.NewCertPool()
		})),
		secure("no TLS", place{}, func(r *rig) func() {
			return impostor(r, func(conn net.Conn) {
				_, _ = conn.Read(make([]byte, 1))
				_, _ = io.WriteString(conn, "220 mail.example.com ESMTP\r\n")
				drain(conn)
			})
		}),
		secure("plain HTTP", place{}, func(r *rig) func() {
			return impostor(r, func(conn net.Conn) {
				_, _ = conn.Read(make([]byte, 1))
				_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
				drain(conn)
			})
		}),
		secure("CA file invalid", place{}, func(r *rig) func() {
			r.overwrite(r.caFile, "no certificate")
			r.reconnect()
			return func() { r.trust(nil) }
		}),
	}
}

// secure is a fault of TLS, which affects both lists.
func secure(name string, p place, start func(*rig) func()) fault {
	p.proxied = true
	return fault{name: "TLS: " + name, place: p, alone: true, start: start, google: fails(reason.TLS), azure: fails(reason.TLS)}
}

// certificate replaces the appliance's certificate.
func certificate(c simulator.Certificate, trusted bool) func(*rig) func() {
	return func(r *rig) func() {
		other, err := r.appliance.StartTLSWith(c)
		if err != nil {
			r.t.Fatal(err)
		}
		if trusted {
			r.trust(other.CAPEM)
		}
		r.redirectTo(other.Addr().String())
		return func() {
			r.redirectTo(r.server.Addr().String())
			other.Close()
		}
	}
}

// redirectTo makes the proxy connect to another address.
func (r *rig) redirectTo(address string) {
	r.t.Helper()
	r.proxy.stop()
	r.proxy.upstream = address
	up(r)
}

// handshake changes the appliance's TLS configuration. It keeps reading after its alert, because a reset
// could arrive before the alert.
func handshake(demand func(*tls.Config)) func(*rig) func() {
	return func(r *rig) func() {
		identity := httptest.NewTLSServer(http.NotFoundHandler())
		r.trust(certificatePEM(identity.Certificate()))
		config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: identity.TLS.Certificates}
		identity.Close()
		demand(config)
		return impostor(r, func(conn net.Conn) {
			if err := tls.Server(conn, config).HandshakeContext(r.t.Context()); err == nil {
				r.t.Error("the handshake succeeded")
			}
			drain(conn)
		})
	}
}

// drain closes the connection for writing and reads until the other side closes it.
func drain(conn net.Conn) {
	if plain, ok := conn.(*net.TCPConn); ok {
		_ = plain.CloseWrite()
	}
	_, _ = io.Copy(io.Discard, conn)
}
