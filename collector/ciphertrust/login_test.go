package ciphertrust_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/config"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/simulator"
)

// recordLogins keeps the bodies of logins in the form in which they are sent.
func recordLogins(a *simulator.Appliance) (bodies func() []string) {
	var mu sync.Mutex
	var sent []string
	a.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if isLogin(r) {
			body := bodyOf(r)
			mu.Lock()
			sent = append(sent, body)
			mu.Unlock()
		}
		next.ServeHTTP(w, r)
	})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return sent
	}
}

func wantJSON(t *testing.T, got, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("want (-) got (+): %s", diff)
	}
}

func TestPasswordLoginBody(t *testing.T) {
	const always = `"grant_type":"password","username":"prometheus","password":"pass-SECRET-word","refresh_token_revoke_unused_in":120`
	for _, test := range []struct {
		name   string
		change func(*ciphertrust.Credentials)
		want   string
	}{
		{"nothing but a user", func(*ciphertrust.Credentials) {}, `{` + always + `}`},
		{"domain", func(c *ciphertrust.Credentials) { c.Domain = "emea" }, `{` + always + `,"domain":"emea"}`},
		{"auth domain", func(c *ciphertrust.Credentials) { c.AuthDomain = "users" }, `{` + always + `,"auth_domain":"users"}`},
		{"path of auth domains", func(c *ciphertrust.Credentials) { c.AuthDomain = "/tenant" }, `{` + always + `,"auth_domain_path":"/tenant"}`},
		{
			"all of it", func(c *ciphertrust.Credentials) { c.Domain, c.AuthDomain, c.Connection = "emea", "users", "ldap" },
			`{` + always + `,"domain":"emea","auth_domain":"users","connection":"ldap"}`,
		},
		{"a file wins over the environment", func(c *ciphertrust.Credentials) {
			c.PasswordFile, c.Password = write(t, "password", password+"\n"), "another"
		}, `{` + always + `}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := inMemory(t, simulator.Options{Domains: []string{"emea"}}, func(cfg *ciphertrust.Config) { test.change(&cfg.Credentials) })
			bodies := recordLogins(h.appliance)
			h.mustGet()
			if sent := bodies(); len(sent) != 1 {
				t.Fatalf("logins: %q", sent)
			}
			wantJSON(t, bodies()[0], test.want)
			h.client.ExpireToken()
			h.mustGet()
			wantJSON(t, bodies()[1], `{"grant_type":"refresh_token","refresh_token":"`+h.appliance.RefreshTokens()[0].Token+`"}`)
			for _, r := range h.appliance.Requests() {
				if r.Method == http.MethodPost && r.Path != "/api/v1/auth/tokens/" {
					t.Errorf("the login went to %s", r.Path)
				}
			}
		})
	}
}

// certificateFiles writes a client certificate and its key.
func certificateFiles(t *testing.T, server *simulator.Server) (cert, key string) {
	t.Helper()
	cert, key = issue(t, server, "exporter", time.Now().Add(time.Hour))
	return write(t, "cert.pem", cert), write(t, "key.pem", key)
}

// TestClientCertificateLogin logs in over mutual TLS with the certificate in
// files, in the settings, and one part here and the other there.
func TestClientCertificateLogin(t *testing.T) {
	for _, test := range []struct {
		name                     string
		inlineCert, inlineKey    bool
		domain, authDomain, want string
	}{
		{"files", false, false, "", "", `{"grant_type":"client_credential","client_id":"client-1"}`},
		{
			"inline", true, true, "emea", "/tenant",
			`{"grant_type":"client_credential","client_id":"client-1","domain":"emea","auth_domain_path":"/tenant"}`,
		},
		{"inline certificate", true, false, "", "", `{"grant_type":"client_credential","client_id":"client-1"}`},
		{"inline key", false, true, "", "", `{"grant_type":"client_credential","client_id":"client-1"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHarness(t, simulator.Options{ClientID: "client-1", Domains: []string{"emea"}})
			server := startTLS(t, h.appliance, simulator.Certificate{})
			certPEM, keyPEM := issue(t, server, "exporter", time.Now().Add(time.Hour))
			h.connect(server.URL, func(cfg *ciphertrust.Config) {
				cfg.Credentials = ciphertrust.Credentials{ClientID: "client-1", Domain: test.domain, AuthDomain: test.authDomain}
				cfg.TLS.CA = string(server.CAPEM)
				if test.inlineCert {
					cfg.TLS.Cert = certPEM
				} else {
					cfg.TLS.CertFile = write(t, "cert.pem", certPEM)
				}
				if test.inlineKey {
					cfg.TLS.Key = config.Secret(keyPEM)
				} else {
					cfg.TLS.KeyFile = write(t, "key.pem", keyPEM)
				}
			}, nil)
			bodies := recordLogins(h.appliance)
			h.mustGet()
			h.appliance.RevokeAllTokens()
			h.mustGet()
			if sent := bodies(); len(sent) != 2 {
				t.Fatalf("logins: %q", sent)
			}
			wantJSON(t, bodies()[0], test.want)
			wantJSON(t, bodies()[1], test.want)
			h.wantRefreshTokens(0)
			if err := h.close(); err != nil {
				t.Error(err)
			}
			if n := h.count(http.MethodDelete, "/"); n != 0 {
				t.Errorf("%d revocations of a refresh token that there is not", n)
			}
		})
	}
}

// TestCompressedLogin proves that the responses to logins may be compressed, as pages
// are.
func TestCompressedLogin(t *testing.T) {
	for _, coding := range []string{"gzip", "x-gzip", "GZIP"} {
		t.Run(coding, func(t *testing.T) {
			h := serving(t, func(w http.ResponseWriter, r *http.Request) {
				status, body := http.StatusOK, `{}`
				switch {
				case isLogin(r) && strings.Contains(bodyOf(r), `"refresh_token":`):
					status, body = http.StatusUnauthorized, `{"code":5,"codeDesc":"NCERRUnauthorizedAccess","message":"it has expired"}`
				case isLogin(r):
					body = `{"jwt":"jwt-SECRET","duration":300,"refresh_token":"refresh-SECRET","refresh_token_id":"id"}`
				}
				w.Header().Set("Content-Encoding", coding)
				respond(w, status, zipped(t, body))
			})
			h.mustGet()
			h.client.ExpireToken()
			h.mustGet()
			wantText(t, h.texts.String(), "NCERRUnauthorizedAccess: it has expired")
		})
	}
}

func TestRequest(t *testing.T) {
	h := newHarness(t, simulator.Options{})
	var got *http.Request
	h.connect(unroutable+"/gateway/api/", nil, memory{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			if r.URL.Path != "/gateway/api/v1/auth/tokens/" || r.Header.Get("Content-Type") != "application/json" ||
				r.Header.Get("Authorization") != "" {
				t.Errorf("login to %s with %v", r.URL, r.Header)
			}
			respond(w, http.StatusOK, `{"jwt":"jwt-SECRET","duration":300}`)
			return
		}
		got = r
		respond(w, http.StatusOK, `{}`)
	})})
	query := url.Values{"skip": {"0"}, "limit": {"10"}, "id": {"a b", "c&d"}}
	if err := h.client.Get(t.Context(), listPath, query, discard); err != nil {
		t.Fatal(err)
	}
	if want := unroutable + "/gateway/api/v1/" + listPath + "?id=a+b&id=c%26d&limit=10&skip=0"; got.URL.String() != want {
		t.Errorf("asked %s, want %s", got.URL, want)
	}
	for name, want := range map[string]string{
		"Authorization": "Bearer jwt-SECRET", "Accept": "application/json", "User-Agent": "cckm_sync_exporter/test",
	} {
		if value := got.Header.Get(name); value != want {
			t.Errorf("%s: %q, want %q", name, value, want)
		}
	}
}
