package ciphertrust_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/simulator"
)

// wantExpiry checks an expiry. If want is zero, it must be unknown. Certificates have whole seconds.
func wantExpiry(t *testing.T, of string, expiry func() (time.Time, bool), want time.Time) {
	t.Helper()
	got, ok := expiry()
	if ok == want.IsZero() || (ok && got.Unix() != want.Unix()) {
		t.Errorf("the expiry of the %s certificate is %s, %t, want %s", of, got, ok, want)
	}
}

// TestVerification checks which certificates are accepted, the hints for the others, and that the
// expiry is known of both.
func TestVerification(t *testing.T) {
	now := time.Now()
	foreign := issuer(t)
	expired := simulator.Certificate{NotBefore: now.Add(-2 * time.Hour), NotAfter: now.Add(-time.Hour)}
	other := simulator.Certificate{Names: []string{"cm.example.com"}}
	for _, test := range []struct {
		name        string
		certificate simulator.Certificate
		change      func(*ciphertrust.TLSConfig)
		// hint is a part of the hint; if it is empty, the certificate is accepted.
		hint string
	}{
		{"trusted", simulator.Certificate{NotAfter: now.Add(48 * time.Hour)}, func(*ciphertrust.TLSConfig) {}, ""},
		{"system's CAs", simulator.Certificate{}, func(c *ciphertrust.TLSConfig) { c.CA = "" }, "--ciphertrust.ca-file"},
		{"another CA", simulator.Certificate{}, func(c *ciphertrust.TLSConfig) { c.CA = string(foreign.CAPEM) }, "--ciphertrust.ca-file"},
		{"wrong name", other, func(*ciphertrust.TLSConfig) {}, "--ciphertrust.server-name"},
		{"server name", other, func(c *ciphertrust.TLSConfig) { c.ServerName = "cm.example.com" }, ""},
		{"expired", expired, func(*ciphertrust.TLSConfig) {}, "renew the appliance's certificate"},
		{"expired, not verified", expired, func(c *ciphertrust.TLSConfig) { c.InsecureSkipVerify = true }, ""},
		{"not valid yet", simulator.Certificate{NotBefore: now.Add(time.Hour)}, func(*ciphertrust.TLSConfig) {}, "clock of this machine"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHarness(t, simulator.Options{})
			server := startTLS(t, h.appliance, test.certificate)
			h.connect(server.URL, func(cfg *ciphertrust.Config) {
				cfg.TLS.CA = string(server.CAPEM)
				test.change(&cfg.TLS)
			}, nil)
			wantExpiry(t, "appliance's", h.client.ApplianceCertificateExpiry, time.Time{})
			if test.hint == "" {
				h.mustGet()
			} else {
				wantText(t, reason.HintOf(h.failure(reason.TLS)), test.hint)
				if n := len(h.appliance.Requests()); n != 0 {
					t.Errorf("%d requests went to a server that is not trusted", n)
				}
			}
			if want := test.certificate.NotAfter; !want.IsZero() {
				wantExpiry(t, "appliance's", h.client.ApplianceCertificateExpiry, want)
			}
			wantExpiry(t, "client", h.client.ClientCertificateExpiry, time.Time{})
		})
	}
}

// TestChainPresentedLast checks that the earliest expiry in the last chain counts.
func TestChainPresentedLast(t *testing.T) {
	soon, late := time.Now().Add(time.Hour), time.Now().Add(1000*time.Hour)
	h := newHarness(t, simulator.Options{})
	var chain []*x509.Certificate
	h.connect(unroutable, nil, roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := inProcess(h.appliance).RoundTrip(req)
		if err == nil {
			resp.TLS = &tls.ConnectionState{PeerCertificates: chain}
		}
		return resp, err
	}))
	for _, want := range []time.Time{soon, late} {
		chain = []*x509.Certificate{{NotAfter: late}, {NotAfter: want}}
		h.mustGet()
		wantExpiry(t, "appliance's", h.client.ApplianceCertificateExpiry, want)
	}
}

// handshake serves one connection by TLS. It reads on after an alert, because a reset could overtake it.
func handshake(t *testing.T, config *tls.Config) func(net.Conn) {
	t.Helper()
	return func(conn net.Conn) {
		if err := tls.Server(conn, config).HandshakeContext(t.Context()); err == nil {
			t.Error("the handshake succeeded")
		}
		if plain, ok := conn.(*net.TCPConn); ok {
			_ = plain.CloseWrite()
		}
		_, _ = io.Copy(io.Discard, conn)
	}
}

// selfSigned returns a certificate for the addresses.
func selfSigned(t *testing.T, addresses ...net.IP) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, NotAfter: time.Now().Add(time.Hour), IPAddresses: addresses,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestConnectionHints checks the hints for servers that speak TLS differently or not at all.
func TestConnectionHints(t *testing.T) {
	cert, key := certificateFiles(t, issuer(t))
	given := func(c *ciphertrust.TLSConfig) { c.CertFile, c.KeyFile = cert, key }
	none := func(*ciphertrust.TLSConfig) {}
	identity, nameless := selfSigned(t, net.IPv4(127, 0, 0, 1)), selfSigned(t)
	pemOf := func(c tls.Certificate) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}))
	}
	speaking := func(change func(*tls.Config)) func(net.Conn) {
		config := &tls.Config{Certificates: []tls.Certificate{identity}, MinVersion: tls.VersionTLS12}
		change(config)
		return handshake(t, config)
	}
	requiring := func(version uint16) func(net.Conn) {
		return speaking(func(c *tls.Config) {
			c.MinVersion, c.MaxVersion, c.ClientAuth, c.ClientCAs = version, version, tls.RequireAndVerifyClientCert, x509.NewCertPool()
		})
	}
	saying := func(text string) func(net.Conn) {
		return func(conn net.Conn) {
			_, _ = conn.Read(make([]byte, 1000))
			_, _ = io.WriteString(conn, text)
		}
	}
	for _, test := range []struct {
		name, scheme string
		serve        func(net.Conn)
		change       func(*ciphertrust.TLSConfig)
		// want is in the hint, and not, if it is not empty, is not.
		want, not string
	}{
		{"old TLS", "https", speaking(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }), none, "TLS version", ""},
		{"no common cipher suite", "https", speaking(func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}
		}), none, "cipher suites", "--ciphertrust.cert-file"},
		{"client certificate required by TLS 1.2", "https", requiring(tls.VersionTLS12), none, "--ciphertrust.cert-file", "cipher suites"},
		{"client certificate required by TLS 1.3", "https", requiring(tls.VersionTLS13), none, "--ciphertrust.cert-file", ""},
		{"client certificate refused by TLS 1.2", "https", requiring(tls.VersionTLS12), given, "--ciphertrust.cert-file", ""},
		{"client certificate refused by TLS 1.3", "https", requiring(tls.VersionTLS13), given, "--ciphertrust.cert-file", ""},
		{"common name alone", "https", speaking(func(c *tls.Config) { c.Certificates = []tls.Certificate{nameless} }), none, "subject alternative name", "--ciphertrust.server-name"},
		{"plain HTTP", "https", saying("HTTP/1.1 400 Bad Request\r\n\r\n"), none, "speaks plain HTTP", "password"},
		{"no HTTP", "https", saying("220 mail.example.com ESMTP\r\n"), none, "does not speak TLS", "password"},
		{"plain HTTP to HTTPS", "http", saying("HTTP/1.1 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server."), none, "https", "password"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHarness(t, simulator.Options{})
			h.connect(test.scheme+"://"+listen(t, test.serve), func(cfg *ciphertrust.Config) {
				cfg.TLS.CA = pemOf(identity) + pemOf(nameless)
				test.change(&cfg.TLS)
			}, nil)
			hint := reason.HintOf(h.failure(reason.TLS))
			wantText(t, hint, test.want)
			if test.not != "" && strings.Contains(hint, test.not) {
				t.Errorf("the hint mentions %s: %s", test.not, hint)
			}
		})
	}
}

// TestCAFileAtRunTime replaces, corrupts and removes the CA file while the client runs. Its content applies
// from the next connection on, and the error names the file.
func TestCAFileAtRunTime(t *testing.T) {
	foreign := issuer(t)
	path := write(t, "ca.pem", string(foreign.CAPEM))
	h, server := overTLS(t, func(cfg *ciphertrust.Config) { cfg.TLS.CA, cfg.TLS.CAFile = "", path })
	h.wantReason(reason.TLS)

	overwrite(t, path, string(server.CAPEM))
	h.client.EndBackoff()
	h.mustGet()

	overwrite(t, path, "no certificate")
	err := h.failure(reason.TLS)
	wantText(t, err.Error(), path)
	wantText(t, reason.HintOf(err), "--ciphertrust.ca-file")

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	err = h.failure(reason.TLS)
	wantText(t, err.Error(), path)
	wantText(t, reason.HintOf(err), "make "+path+" readable")

	overwrite(t, path, string(foreign.CAPEM)+string(server.CAPEM))
	h.mustGet()
	h.wantLogins(1, 0)
}

// TestClientCertificateAtRunTime has the certificate and key replaced while the client runs, as an issuer
// of short-lived certificates does. Its earliest expiry is known, also if the login is by password.
func TestClientCertificateAtRunTime(t *testing.T) {
	for name, clientID := range map[string]string{"by certificate": "client-1", "by password": ""} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, simulator.Options{ClientID: clientID})
			server := startTLS(t, h.appliance, simulator.Certificate{})
			soon, late := time.Now().Add(24*time.Hour), time.Now().Add(1000*time.Hour)
			cert, key := write(t, "cert.pem", ""), write(t, "key.pem", "")
			renew := func(name string, intermediate time.Time) {
				certPEM, keyPEM := issue(t, server, name, late)
				other, _ := issue(t, server, "intermediate", intermediate)
				overwrite(t, cert, certPEM+other)
				overwrite(t, key, keyPEM)
			}
			renew("old", soon)
			h.connect(server.URL, func(cfg *ciphertrust.Config) {
				if clientID != "" {
					cfg.Credentials = ciphertrust.Credentials{ClientID: clientID}
				}
				cfg.TLS.CA, cfg.TLS.CertFile, cfg.TLS.KeyFile = string(server.CAPEM), cert, key
			}, nil)
			wantExpiry(t, "client", h.client.ClientCertificateExpiry, soon)
			var names []string
			h.appliance.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				names = append(names, r.TLS.PeerCertificates[0].Subject.CommonName)
				next.ServeHTTP(w, r)
			})
			h.mustGet()
			renew("new", late)
			h.mustGet()
			if !slices.Equal(names, []string{"old", "old", "new"}) {
				t.Errorf("requests came from %q", names)
			}
			h.client.ExpireToken()
			h.mustGet()
			wantExpiry(t, "client", h.client.ClientCertificateExpiry, late)
		})
	}
}

// TestTLSFilesAtTheStart checks that mistakes in the files are found without a connection.
func TestTLSFilesAtTheStart(t *testing.T) {
	server := issuer(t)
	cert, key := certificateFiles(t, server)
	_, otherKey := certificateFiles(t, server)
	garbage := write(t, "garbage.pem", "SECRET")
	for name, cfg := range map[string]ciphertrust.TLSConfig{
		"CA missing":                       {CAFile: garbage + ".missing"},
		"CA garbage":                       {CAFile: garbage},
		"CA garbage inline":                {CA: "SECRET"},
		"certificate missing":              {CertFile: cert + ".missing", KeyFile: key},
		"key missing":                      {CertFile: cert, KeyFile: key + ".missing"},
		"key of another certificate":       {CertFile: cert, KeyFile: otherKey},
		"key garbage":                      {CertFile: cert, KeyFile: garbage},
		"certificate without a key":        {CertFile: cert},
		"CA in a file and in the settings": {CAFile: cert, CA: string(server.CAPEM)},
	} {
		_, err := ciphertrust.New(ciphertrust.Config{URL: server.URL, TLS: cfg})
		if err == nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error shows what is in the file: %v", name, err)
		}
	}
}
