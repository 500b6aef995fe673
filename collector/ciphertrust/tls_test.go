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
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/simulator"
)

// TestVerification checks which certificates are accepted, and the hints for the others.
func TestVerification(t *testing.T) {
	now := time.Now()
	foreign := issuer(t)
	for _, test := range []struct {
		name        string
		certificate simulator.Certificate
		change      func(*ciphertrust.TLSConfig)
		// remedy is a part of the hint; if it is empty, the certificate is accepted.
		remedy string
	}{
		{"as it should be", simulator.Certificate{}, nil, ""},
		{"system's CAs", simulator.Certificate{}, func(c *ciphertrust.TLSConfig) { c.CA = "" }, "--ciphertrust.ca-file"},
		{"another CA", simulator.Certificate{}, func(c *ciphertrust.TLSConfig) { c.CA = string(foreign.CAPEM) }, "--ciphertrust.ca-file"},
		{
			"another CA, not verified",
			simulator.Certificate{},
			func(c *ciphertrust.TLSConfig) { c.CA, c.InsecureSkipVerify = string(foreign.CAPEM), true }, "",
		},
		{"wrong name", simulator.Certificate{Names: []string{"cm.example.com"}}, nil, "--ciphertrust.server-name"},
		{
			"server name",
			simulator.Certificate{Names: []string{"cm.example.com"}},
			func(c *ciphertrust.TLSConfig) { c.ServerName = "cm.example.com" }, "",
		},
		{
			"wrong server name",
			simulator.Certificate{},
			func(c *ciphertrust.TLSConfig) { c.ServerName = "cm.example.com" }, "--ciphertrust.server-name",
		},
		{"expired", simulator.Certificate{NotBefore: now.Add(-2 * time.Hour), NotAfter: now.Add(-time.Hour)}, nil, "renew the appliance's certificate"},
		{
			"expired, not verified",
			simulator.Certificate{NotBefore: now.Add(-2 * time.Hour), NotAfter: now.Add(-time.Hour)},
			func(c *ciphertrust.TLSConfig) { c.InsecureSkipVerify = true }, "",
		},
		{"not valid yet", simulator.Certificate{NotBefore: now.Add(time.Hour)}, nil, "clock of this machine"},
		{"TLS 1.3 asked for", simulator.Certificate{}, func(c *ciphertrust.TLSConfig) { c.MinVersion = tls.VersionTLS13 }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHarness(t, simulator.Options{})
			server := startTLS(t, h.appliance, test.certificate)
			h.connect(server.URL, func(cfg *ciphertrust.Config) {
				cfg.TLS.CA = string(server.CAPEM)
				if test.change != nil {
					test.change(&cfg.TLS)
				}
			}, nil)
			if test.remedy == "" {
				h.mustGet()
				return
			}
			wantText(t, reason.RemedyOf(h.failure(reason.TLS)), test.remedy)
			if n := len(h.appliance.Requests()); n != 0 {
				t.Errorf("%d requests went to a server that is not trusted", n)
			}
		})
	}
}

// quiet starts a server of the standard library that logs nothing.
func quiet(t *testing.T, config *tls.Config) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		t.Error("a request arrived")
		w.WriteHeader(http.StatusTeapot)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if config == nil {
		server.Start()
	} else {
		server.TLS = config
		server.StartTLS()
	}
	t.Cleanup(server.Close)
	return server
}

func caOf(server *httptest.Server) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
}

func TestOldTLS(t *testing.T) {
	server := quiet(t, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	h := newHarness(t, simulator.Options{})
	h.connect(server.URL, func(cfg *ciphertrust.Config) { cfg.TLS.CA = caOf(server) }, nil)
	wantText(t, reason.RemedyOf(h.failure(reason.TLS)), "TLS version")
}

// TestNoCommonCipherSuite has a server that offers only RSA key exchange. The hint must not blame the
// client certificate.
func TestNoCommonCipherSuite(t *testing.T) {
	server := quiet(t, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}})
	h := newHarness(t, simulator.Options{})
	h.connect(server.URL, func(cfg *ciphertrust.Config) { cfg.TLS.CA = caOf(server) }, nil)
	remedy := reason.RemedyOf(h.failure(reason.TLS))
	wantText(t, remedy, "cipher suites")
	if strings.Contains(remedy, "--ciphertrust.cert-file") {
		t.Errorf("the client certificate is suspected: %s", remedy)
	}
}

// TestCommonNameAlone has a certificate without a subject alternative name: another address or server name
// would not help.
func TestCommonNameAlone(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	server := quiet(t, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	for _, url := range []string{server.URL, strings.Replace(server.URL, "127.0.0.1", "localhost", 1)} {
		h := newHarness(t, simulator.Options{})
		h.connect(url, func(cfg *ciphertrust.Config) { cfg.TLS.CA = caOf(server) }, nil)
		remedy := reason.RemedyOf(h.failure(reason.TLS))
		wantText(t, remedy, "subject alternative name")
		if strings.Contains(remedy, "--ciphertrust.server-name") {
			t.Errorf("another name is advised: %s", remedy)
		}
	}
}

// TestPlainHTTP confuses HTTP and HTTPS, both ways. The hint must not blame the password.
func TestPlainHTTP(t *testing.T) {
	plain := quiet(t, nil)
	secure := quiet(t, &tls.Config{MinVersion: tls.VersionTLS12})
	noTLS := listen(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1))
		_, _ = io.WriteString(conn, "220 mail.example.com ESMTP\r\n")
	})
	for _, test := range []struct{ name, url, remedy string }{
		{"HTTPS to plain HTTP", strings.Replace(plain.URL, "http:", "https:", 1), "speaks plain HTTP"},
		{"HTTPS to what is no HTTP", "https://" + noTLS, "does not speak TLS"},
		{"plain HTTP to HTTPS", strings.Replace(secure.URL, "https:", "http:", 1), "https"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHarness(t, simulator.Options{})
			h.connect(test.url, nil, nil)
			wantText(t, reason.RemedyOf(h.failure(reason.TLS)), test.remedy)
			wantText(t, reason.RemedyOf(h.failure(reason.TLS)), test.remedy)
		})
	}
}

// TestClientCertificateRequired has a server that requires a client certificate.
func TestClientCertificateRequired(t *testing.T) {
	cert, key := certificateFiles(t, issuer(t))
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		for given, change := range map[string]func(*ciphertrust.TLSConfig){
			"none":    func(*ciphertrust.TLSConfig) {},
			"foreign": func(c *ciphertrust.TLSConfig) { c.CertFile, c.KeyFile = cert, key },
		} {
			t.Run(name+", "+given, func(t *testing.T) {
				identity := quiet(t, &tls.Config{MinVersion: tls.VersionTLS12})
				config := &tls.Config{
					MinVersion: version, MaxVersion: version, Certificates: identity.TLS.Certificates,
					ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: x509.NewCertPool(),
				}
				address := listen(t, func(conn net.Conn) {
					if err := tls.Server(conn, config).HandshakeContext(t.Context()); err == nil {
						t.Error("the handshake succeeded")
					}
					if plain, ok := conn.(*net.TCPConn); ok {
						_ = plain.CloseWrite()
					}
					_, _ = io.Copy(io.Discard, conn)
				})
				h := newHarness(t, simulator.Options{})
				h.connect("https://"+address, func(cfg *ciphertrust.Config) {
					cfg.TLS.CA = caOf(identity)
					change(&cfg.TLS)
				}, nil)
				wantText(t, reason.RemedyOf(h.failure(reason.TLS)), "--ciphertrust.cert-file")
			})
		}
	}
}

// TestCAFileAtRunTime replaces, corrupts and removes the CA file while the client runs. Its content applies
// from the next connection on, and the error names the file.
func TestCAFileAtRunTime(t *testing.T) {
	foreign := issuer(t)
	path := write(t, "ca.pem", string(foreign.CAPEM))
	h, server := overTLS(t, simulator.Options{}, func(cfg *ciphertrust.Config) { cfg.TLS.CA, cfg.TLS.CAFile = "", path })
	h.wantReason(reason.TLS)

	overwrite(t, path, string(server.CAPEM))
	h.client.EndBackoff()
	h.mustGet()
	overwrite(t, path, string(foreign.CAPEM)+string(server.CAPEM))
	h.mustGet()

	overwrite(t, path, "no certificate")
	err := h.failure(reason.TLS)
	wantText(t, err.Error(), path)
	wantText(t, reason.RemedyOf(err), "--ciphertrust.ca-file")

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	err = h.failure(reason.TLS)
	wantText(t, err.Error(), path)
	wantText(t, reason.RemedyOf(err), "make "+path+" readable")

	overwrite(t, path, string(server.CAPEM))
	h.mustGet()
	h.wantLogins(1, 0)
}

// TestClientCertificateAtRunTime has the certificate and key replaced while the
// client runs, as an issuer of short-lived certificates does.
func TestClientCertificateAtRunTime(t *testing.T) {
	h, server := overTLS(t, simulator.Options{ClientID: "client-1"}, nil)
	cert, key := write(t, "cert.pem", ""), write(t, "key.pem", "")
	renew := func(name string) {
		certPEM, keyPEM := issue(t, server, name, time.Now().Add(time.Hour))
		overwrite(t, cert, certPEM)
		overwrite(t, key, keyPEM)
	}
	renew("old")
	h.connect(server.URL, func(cfg *ciphertrust.Config) {
		cfg.Credentials = ciphertrust.Credentials{ClientID: "client-1"}
		cfg.TLS.CA, cfg.TLS.CertFile, cfg.TLS.KeyFile = string(server.CAPEM), cert, key
	}, nil)
	var names []string
	h.appliance.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		names = append(names, r.TLS.PeerCertificates[0].Subject.CommonName)
		next.ServeHTTP(w, r)
	})
	h.mustGet()
	renew("new")
	h.mustGet()
	if !slices.Equal(names, []string{"old", "old", "new"}) {
		t.Errorf("requests came from %q", names)
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
		t.Run(name, func(t *testing.T) {
			_, err := ciphertrust.New(ciphertrust.Config{URL: server.URL, TLS: cfg})
			if err == nil {
				t.Fatal("no error")
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error shows what is in the file: %v", err)
			}
		})
	}
}
