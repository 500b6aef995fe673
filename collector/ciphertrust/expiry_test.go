package ciphertrust_test

import (
	"crypto/tls"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/simulator"
)

// wantExpiry checks an expiry against the one that a certificate was issued with;
// a zero time means that it is unknown. Certificates have whole seconds.
func wantExpiry(t *testing.T, of string, expiry func() (time.Time, bool), want time.Time) {
	t.Helper()
	got, ok := expiry()
	if ok == want.IsZero() || (ok && got.Unix() != want.Unix()) {
		t.Errorf("the expiry of the %s certificate is %s, %t, want %s", of, got, ok, want)
	}
}

// TestApplianceCertificateExpiry checks the expiry of the appliance's certificate,
// also if the certificate is not verified or not trusted.
func TestApplianceCertificateExpiry(t *testing.T) {
	now := time.Now()
	for _, test := range []struct {
		name       string
		until      time.Time
		skipVerify bool
		fails      bool
	}{
		{"trusted", now.Add(20 * 24 * time.Hour), false, false},
		{"not verified", now.Add(-time.Hour), true, false},
		{"expired", now.Add(-time.Hour), false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHarness(t, simulator.Options{})
			server := startTLS(t, h.appliance, simulator.Certificate{NotBefore: now.Add(-48 * time.Hour), NotAfter: test.until})
			h.connect(server.URL, func(cfg *ciphertrust.Config) {
				cfg.TLS.CA, cfg.TLS.InsecureSkipVerify = string(server.CAPEM), test.skipVerify
			}, nil)
			wantExpiry(t, "appliance's", h.client.ApplianceCertificateExpiry, time.Time{})
			if test.fails {
				h.wantReason(reason.TLS)
			} else {
				h.mustGet()
			}
			wantExpiry(t, "appliance's", h.client.ApplianceCertificateExpiry, test.until)
			wantExpiry(t, "client", h.client.ClientCertificateExpiry, time.Time{})
		})
	}
}

// TestChainPresentedLast has an appliance whose chain is replaced: the earliest
// expiry in the last chain counts.
func TestChainPresentedLast(t *testing.T) {
	by := issuer(t)
	var presented atomic.Pointer[tls.Config]
	present := func(leaf, intermediate time.Time) {
		cert, key := issue(t, by, "appliance", leaf)
		other, _ := issue(t, by, "appliance", intermediate)
		pair, err := tls.X509KeyPair([]byte(cert+other), []byte(key))
		if err != nil {
			t.Fatal(err)
		}
		presented.Store(&tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}})
	}
	h := newHarness(t, simulator.Options{})
	server := httptest.NewUnstartedServer(h.appliance)
	server.Config.SetKeepAlivesEnabled(false)
	server.TLS = &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return presented.Load(), nil },
	}
	soon, late := time.Now().Add(24*time.Hour), time.Now().Add(1000*time.Hour)
	present(late, soon)
	server.StartTLS()
	t.Cleanup(server.Close)
	h.connect(server.URL, func(cfg *ciphertrust.Config) { cfg.TLS.InsecureSkipVerify = true }, nil)
	h.mustGet()
	wantExpiry(t, "appliance's", h.client.ApplianceCertificateExpiry, soon)
	present(late, late.Add(time.Hour))
	h.mustGet()
	wantExpiry(t, "appliance's", h.client.ApplianceCertificateExpiry, late)
}

// TestNoTLSNoExpiry has an appliance without TLS.
func TestNoTLSNoExpiry(t *testing.T) {
	h := inMemory(t, simulator.Options{}, nil)
	h.mustGet()
	wantExpiry(t, "appliance's", h.client.ApplianceCertificateExpiry, time.Time{})
	wantExpiry(t, "client", h.client.ClientCertificateExpiry, time.Time{})
}

// TestClientCertificateExpiry checks that the client certificate's file is read at
// the start and at a login, also at one by password.
func TestClientCertificateExpiry(t *testing.T) {
	for name, clientID := range map[string]string{"by certificate": "exporter", "by password": ""} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, simulator.Options{ClientID: clientID})
			server := startTLS(t, h.appliance, simulator.Certificate{})
			soon, late := time.Now().Add(24*time.Hour), time.Now().Add(1000*time.Hour)
			cert, key := issue(t, server, "exporter", late)
			intermediate, _ := issue(t, server, "exporter", soon)
			certFile, keyFile := write(t, "client.pem", cert+intermediate), write(t, "client.key", key)
			h.connect(server.URL, func(cfg *ciphertrust.Config) {
				cfg.TLS.CA, cfg.TLS.CertFile, cfg.TLS.KeyFile = string(server.CAPEM), certFile, keyFile
				if clientID != "" {
					cfg.Credentials = ciphertrust.Credentials{ClientID: clientID}
				}
			}, nil)
			wantExpiry(t, "client", h.client.ClientCertificateExpiry, soon)
			cert, key = issue(t, server, "exporter", late)
			overwrite(t, certFile, cert)
			overwrite(t, keyFile, key)
			h.mustGet()
			wantExpiry(t, "client", h.client.ClientCertificateExpiry, late)
		})
	}
}
