package ciphertrust_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/config"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/simulator"
)

// recordLogins keeps the bodies of logins as they are sent.
func recordLogins(a *simulator.Appliance) (bodies func() []string) {
	var mu sync.Mutex
	var sent []string
	a.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if isLogin(r) {
			mu.Lock()
			sent = append(sent, bodyOf(r))
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

func TestPasswordLoginBody(t *testing.T) {
	const user = `{"grant_type":"password","username":"prometheus","password":"pass-SECRET-word"`
	for _, test := range []struct{ domain, authDomain, connection, want string }{
		{"", "", "", `,"refresh_token_revoke_unused_in":120}`},
		{"emea", "", "", `,"domain":"emea","refresh_token_revoke_unused_in":120}`},
		{"", "/tenant", "", `,"auth_domain_path":"/tenant","refresh_token_revoke_unused_in":120}`},
		{"emea", "users", "ldap", `,"connection":"ldap","domain":"emea","auth_domain":"users","refresh_token_revoke_unused_in":120}`},
	} {
		h := inMemory(t, simulator.Options{Domains: []string{"emea"}}, func(cfg *ciphertrust.Config) {
			cfg.Credentials.Domain, cfg.Credentials.AuthDomain, cfg.Credentials.Connection = test.domain, test.authDomain, test.connection
		})
		bodies := recordLogins(h.appliance)
		h.mustGet()
		h.client.ExpireToken()
		h.mustGet()
		want := []string{user + test.want, `{"grant_type":"refresh_token","refresh_token":"` + h.appliance.RefreshTokens()[0] + `"}`}
		if sent := bodies(); !slices.Equal(sent, want) {
			t.Errorf("logins: %q, want %q", sent, want)
		}
	}
}

// TestClientCertificateLogin logs in over mutual TLS with the certificate in files, and in the settings.
func TestClientCertificateLogin(t *testing.T) {
	for _, inline := range []bool{false, true} {
		h := newHarness(t, simulator.Options{ClientID: "client-1", Domains: []string{"emea"}})
		server := startTLS(t, h.appliance, simulator.Certificate{})
		h.connect(server.URL, func(cfg *ciphertrust.Config) {
			cfg.Credentials = ciphertrust.Credentials{ClientID: "client-1", Domain: "emea", AuthDomain: "/tenant"}
			cfg.TLS.CA = string(server.CAPEM)
			if inline {
				cert, key := issue(t, server, "exporter", time.Now().Add(time.Hour))
				cfg.TLS.Cert, cfg.TLS.Key = cert, config.Secret(key)
			} else {
				cfg.TLS.CertFile, cfg.TLS.KeyFile = certificateFiles(t, server)
			}
		}, nil)
		bodies := recordLogins(h.appliance)
		h.mustGet()
		h.appliance.RevokeAllTokens()
		h.mustGet()
		const want = `{"grant_type":"client_credential","client_id":"client-1","domain":"emea","auth_domain_path":"/tenant"}`
		if sent := bodies(); !slices.Equal(sent, []string{want, want}) {
			t.Errorf("logins: %q, want %q twice", sent, want)
		}
		h.wantRefreshTokens(0)
		if err := h.close(); err != nil {
			t.Error(err)
		}
		if n := h.count(http.MethodDelete, "/"); n != 0 {
			t.Errorf("%d revocations without a refresh token", n)
		}
	}
}

// TestLoginAnswers checks which responses to a login give no token. They are no rejections. The matrix of
// faults has more of them.
func TestLoginAnswers(t *testing.T) {
	for _, body := range []string{
		`{"jwt":"jwt-SECRET","duration":null}`,
		`{"jwt":"jwt-SECRET","duration":0.5}`,
		`{"jwt":"jwt SECRET","duration":300}`,
		`{"jwt":"jwt-SECRÉT-SECRET","duration":300}`,
		`{"jwt":"jwt-SECRET","duration":300,"refresh_token":7}`,
		`"jwt-SECRET"`,
		`{"jwt":"jwt-SECRET","duration":300,"more":"` + strings.Repeat("SECRET", 1<<18) + `"}`,
	} {
		h := serving(t, func(w http.ResponseWriter, _ *http.Request) { respond(w, http.StatusOK, body) })
		err := h.failure(reason.Decode)
		wantText(t, err.Error(), "the login")
		wantText(t, reason.HintOf(err), "--ciphertrust.url")
		if _, ok := h.client.TokenExpiry(); ok {
			t.Errorf("there is a token after %.40s", body)
		}
		h.wantEvents("auth/tokens 200", "login password error")
	}
}

// TestCompressedLogin checks that the responses to logins may be compressed, as pages are, and that any 2xx
// is a success.
func TestCompressedLogin(t *testing.T) {
	for _, coding := range []string{"gzip", "x-gzip", "GZIP"} {
		h := serving(t, func(w http.ResponseWriter, r *http.Request) {
			status, body := http.StatusOK, `{}`
			switch {
			case isRefresh(r):
				status, body = http.StatusUnauthorized, `{"code":5,"codeDesc":"NCERRUnauthorizedAccess","message":"it has expired"}`
			case isLogin(r):
				status = http.StatusCreated
				body = `{"jwt":"jwt-SECRET","duration":300,"refresh_token":"refresh-SECRET","refresh_token_id":"id"}`
			}
			w.Header().Set("Content-Encoding", coding)
			respond(w, status, zipped(t, body))
		})
		h.mustGet()
		h.client.ExpireToken()
		h.mustGet()
		wantText(t, h.texts.String(), "NCERRUnauthorizedAccess: it has expired")
	}
}

func TestRequest(t *testing.T) {
	h := newHarness(t, simulator.Options{})
	var got *http.Request
	h.connect(unroutable+"/gateway/api/", nil, inProcess(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
	})))
	query := url.Values{"skip": {"0"}, "limit": {"10"}, "id": {"a b", "c&d"}}
	if err := h.client.Get(t.Context(), listPath, query, discard); err != nil {
		t.Fatal(err)
	}
	if want := unroutable + "/gateway/api/v1/" + listPath + "?id=a+b&id=c%26d&limit=10&skip=0"; got.URL.String() != want {
		t.Errorf("got a request for %s, want %s", got.URL, want)
	}
	for name, want := range map[string]string{
		"Authorization": "Bearer jwt-SECRET", "Accept": "application/json", "User-Agent": "cckm_sync_exporter/test",
	} {
		if value := got.Header.Get(name); value != want {
			t.Errorf("%s: %q, want %q", name, value, want)
		}
	}
}

// TestReports checks that each request and login is reported once.
func TestReports(t *testing.T) {
	h := inMemory(t, simulator.Options{}, nil)
	h.mustGet()
	h.wantEvents("auth/tokens 200", "login password success", listPath+" 200")
	h.mustGet()
	h.wantEvents(listPath + " 200")
	h.appliance.RevokeAllTokens()
	h.mustGet()
	h.wantEvents(listPath+" 401", "auth/tokens 200", "login refresh_token success", listPath+" 200")
	h.appliance.RevokeAllTokens()
	h.appliance.RevokeRefreshTokens()
	h.mustGet()
	h.wantEvents(listPath+" 401", "auth/tokens 401", "login refresh_token rejected",
		"auth/tokens 200", "login password success", listPath+" 200")
	h.onPages(aborting)
	h.wantReason(reason.Network)
	h.wantEvents(listPath + " 0")
	h.appliance.RevokeAllTokens()
	if err := h.close(); err != nil {
		t.Error(err)
	}
	h.wantEvents("auth/tokens 401", "auth/tokens 200", "login refresh_token success", "auth/tokens 204")
}
