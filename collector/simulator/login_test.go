package simulator_test

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/collector/simulator"
)

const passwordLogin = `{"grant_type":"password","username":"prometheus","password":"demo-password"}`

func TestPasswordLogin(t *testing.T) {
	now := newClock()
	a := simulator.New(simulator.Options{Clock: now.Now})
	c := newClient(t, start(t, a))
	got := c.login(`{"grant_type":"password","username":"prometheus","password":"demo-password","connection":"ldap","domain":"root",
		"auth_domain":"users","auth_domain_path":"/tenant","labels":["x"],"refresh_token_lifetime":60,"refresh_token_revoke_unused_in":15}`)
	if got.Duration != 300 || got.TokenType != "Bearer" || got.ClientID == "" || got.RefreshToken == "" || got.RefreshTokenID == "" {
		t.Errorf("answer %+v", got)
	}
	c.page(googlePath, 0, 10, "")

	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(got.JWT, claims); err != nil {
		t.Fatal(err)
	}
	if claims["iss"] != "kylo" || claims["acc"] != "kylo" || claims["preferred_username"] != "prometheus" || claims["aud"] != got.ClientID {
		t.Errorf("claims %v", claims)
	}
	cust, _ := claims["cust"].(map[string]any)
	if cust["domain_id"] != "00000000-0000-0000-0000-000000000000" || cust["sid"] == "" || claims["jwtid"] == "" {
		t.Errorf("claims %v", claims)
	}

	want := []simulator.LoginRecord{{Time: now.Now(), Result: simulator.LoginAccepted, Request: simulator.LoginRequest{
		GrantType: "password", Username: "prometheus", Password: "demo-password", Connection: "ldap", Domain: "root",
		AuthDomain: "users", AuthDomainPath: "/tenant", Labels: []string{"x"}, RefreshTokenLifetime: 60, RefreshTokenRevokeUnusedIn: 15,
	}}}
	if diff := cmp.Diff(want, a.Logins()); diff != "" {
		t.Errorf("logins: %s", diff)
	}
	refresh := a.RefreshTokens()
	if len(refresh) != 1 || refresh[0].ID != got.RefreshTokenID || refresh[0].Token != got.RefreshToken ||
		refresh[0].Lifetime != time.Hour || refresh[0].RevokeUnusedIn != 15*time.Minute {
		t.Errorf("refresh tokens %+v", refresh)
	}
}

func TestLoginWithoutTrailingSlash(t *testing.T) {
	c := newClient(t, start(t, simulator.New(simulator.Options{})))
	ask[tokens](c, http.MethodPost, strings.TrimSuffix(tokensPath, "/"), passwordLogin, http.StatusOK)
}

func TestRefusedLogins(t *testing.T) {
	for _, test := range []struct {
		name, body   string
		status, code int
	}{
		{"wrong password", `{"grant_type":"password","username":"prometheus","password":"x"}`, http.StatusUnauthorized, 5},
		{"wrong user", `{"grant_type":"password","username":"x","password":"demo-password"}`, http.StatusUnauthorized, 5},
		{"unknown domain", `{"grant_type":"password","username":"prometheus","password":"demo-password","domain":"x"}`, http.StatusUnauthorized, 5},
		{"unknown refresh token", `{"grant_type":"refresh_token","refresh_token":"x"}`, http.StatusUnauthorized, 5},
		{"no refresh token", `{"grant_type":"refresh_token"}`, http.StatusUnauthorized, 5},
		{"no client certificate", `{"grant_type":"client_credential","client_id":"me"}`, http.StatusUnauthorized, 5},
		{"unknown grant", `{"grant_type":"magic"}`, http.StatusBadRequest, 15},
		{"no JSON", `grant_type=password`, http.StatusBadRequest, 15},
		{"wrong type", `{"grant_type":"password","username":5}`, http.StatusBadRequest, 15},
		{"negative lifetime", strings.Replace(passwordLogin, "}", `,"refresh_token_lifetime":-1}`, 1), http.StatusUnprocessableEntity, 15},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := simulator.New(simulator.Options{ClientID: "me"})
			c := newClient(t, start(t, a))
			c.refused(http.MethodPost, tokensPath, test.body, test.status, test.code)
			if n := len(a.RefreshTokens()); n != 0 {
				t.Errorf("%d refresh tokens after a refused login", n)
			}
		})
	}
}

func TestClientCertificateLogin(t *testing.T) {
	a := simulator.New(simulator.Options{ClientID: "exporter"})
	s := start(t, a)
	certPEM, keyPEM, err := s.ClientCertificate("exporter-user")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, s, pair)
	c.refused(http.MethodPost, tokensPath, `{"grant_type":"client_credential","client_id":"other"}`, http.StatusUnauthorized, 5)
	got := c.login(`{"grant_type":"client_credential","client_id":"exporter"}`)
	if got.RefreshToken != "" || got.RefreshTokenID != "" || got.ClientID != "exporter" {
		t.Errorf("answer %+v", got)
	}
	c.page(googlePath, 0, 10, "")
	if ok, bad := a.LoginCount(simulator.GrantClientCertificate, simulator.LoginAccepted), a.LoginCount(simulator.GrantClientCertificate, simulator.LoginRejected); ok != 1 || bad != 1 {
		t.Errorf("%d logins accepted and %d rejected, want 1 and 1", ok, bad)
	}
}

func TestForeignClientCertificateIsRefused(t *testing.T) {
	a := simulator.New(simulator.Options{ClientID: "exporter"})
	certPEM, keyPEM, err := start(t, a).ClientCertificate("exporter-user")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	// The second server has a client CA of its own. A client whose certificate does not fit what the
	// server asks for sends none, so it is made to.
	c := newClient(t, start(t, a))
	transport, ok := c.http.Transport.(*http.Transport)
	if !ok {
		t.Fatal("the client has another transport")
	}
	transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.base+tokensPath, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := c.http.Do(req); err == nil {
		resp.Body.Close()
		t.Errorf("status %d, want the handshake to fail", resp.StatusCode)
	}
}

func TestTokenExpiresByTheClock(t *testing.T) {
	now := newClock()
	a := simulator.New(simulator.Options{Clock: now.Now, TokenLifetime: 10 * time.Second})
	c := connect(t, a)
	now.Move(9 * time.Second)
	c.page(googlePath, 0, 10, "")
	now.Move(time.Second)
	c.refused(http.MethodGet, googlePath, "", http.StatusUnauthorized, 5)
}

func TestRefresh(t *testing.T) {
	for _, rotate := range []bool{false, true} {
		now := newClock()
		a := simulator.New(simulator.Options{Clock: now.Now, RotateRefreshTokens: rotate})
		c := newClient(t, start(t, a))
		first := c.login(strings.Replace(passwordLogin, "}", `,"refresh_token_revoke_unused_in":10,"refresh_token_lifetime":25}`, 1))
		now.Move(9 * time.Minute)
		second := c.login(`{"grant_type":"refresh_token","refresh_token":"` + first.RefreshToken + `"}`)
		c.page(googlePath, 0, 10, "")
		if second.RefreshTokenID != first.RefreshTokenID || (second.RefreshToken != first.RefreshToken) != rotate {
			t.Errorf("rotate %t: %+v after %+v", rotate, second, first)
		}
		if rotate {
			c.refused(http.MethodPost, tokensPath, `{"grant_type":"refresh_token","refresh_token":"`+first.RefreshToken+`"}`, http.StatusUnauthorized, 5)
		}
		refresh := `{"grant_type":"refresh_token","refresh_token":"` + second.RefreshToken + `"}`
		if rotate {
			now.Move(10 * time.Minute) // It was unused for too long.
		} else {
			now.Move(9 * time.Minute)
			c.login(refresh)
			now.Move(7 * time.Minute) // Its lifetime is over.
		}
		c.refused(http.MethodPost, tokensPath, refresh, http.StatusUnauthorized, 5)
		if got := a.RefreshTokens(); len(got) != 0 {
			t.Errorf("rotate %t: still there: %+v", rotate, got)
		}
	}
}

func TestRevocation(t *testing.T) {
	a := simulator.New(simulator.Options{})
	c := newClient(t, start(t, a))
	got := c.login(passwordLogin)
	c.login(passwordLogin)

	c.refused(http.MethodDelete, tokensPath+"unknown", "", http.StatusNotFound, 16)
	if status, _ := c.do(http.MethodDelete, tokensPath+got.RefreshTokenID, ""); status != http.StatusNoContent {
		t.Errorf("revoking: status %d", status)
	}
	c.refused(http.MethodDelete, tokensPath+got.RefreshTokenID, "", http.StatusNotFound, 16)
	c.refused(http.MethodPost, tokensPath, `{"grant_type":"refresh_token","refresh_token":"`+got.RefreshToken+`"}`, http.StatusUnauthorized, 5)
	if n := len(a.RefreshTokens()); n != 1 {
		t.Errorf("%d refresh tokens, want 1", n)
	}
	c.page(googlePath, 0, 10, "") // The token itself lives on.

	bearer := c.token
	c.token = ""
	c.refused(http.MethodDelete, tokensPath+a.RefreshTokens()[0].ID, "", http.StatusUnauthorized, 5)
	c.token = bearer

	a.RevokeAllTokens()
	c.refused(http.MethodGet, googlePath, "", http.StatusUnauthorized, 5)
	c.login(`{"grant_type":"refresh_token","refresh_token":"` + a.RefreshTokens()[0].Token + `"}`)
	c.page(googlePath, 0, 10, "")

	last := a.RefreshTokens()[0].Token
	a.RevokeRefreshTokens()
	c.refused(http.MethodPost, tokensPath, `{"grant_type":"refresh_token","refresh_token":"`+last+`"}`, http.StatusUnauthorized, 5)
}

func TestSetPassword(t *testing.T) {
	a := simulator.New(simulator.Options{})
	c := connect(t, a)
	a.SetPassword("another")
	c.page(googlePath, 0, 10, "")
	c.refused(http.MethodPost, tokensPath, passwordLogin, http.StatusUnauthorized, 5)
	c.login(strings.Replace(passwordLogin, "demo-password", "another", 1))
}

func TestBadBearers(t *testing.T) {
	c := connect(t, simulator.New(simulator.Options{}))
	good := c.token
	other := connect(t, simulator.New(simulator.Options{})).token
	unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"iss": "kylo", "exp": 1 << 40}).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"none": "", "garbage": "garbage", "cut short": good[:len(good)-2], "of another appliance": other, "unsigned": unsigned,
	} {
		t.Run(name, func(t *testing.T) {
			c.t = t
			c.token = token
			c.refused(http.MethodGet, googlePath, "", http.StatusUnauthorized, 5)
		})
	}
}

func TestDomains(t *testing.T) {
	a := simulator.New(simulator.Options{Domains: []string{"emea"}})
	insert(t, a.List(simulator.GoogleKeys), simulator.Job{Scopes: []string{"in-root"}})
	j := insert(t, a.ListIn("emea", simulator.GoogleKeys), simulator.Job{Scopes: []string{"in-emea"}})
	if !strings.HasPrefix(j.URI, "kylo:kylo-") || !strings.HasPrefix(j.Account, "kylo:kylo-") {
		t.Errorf("uri %q, account %q", j.URI, j.Account)
	}
	c := newClient(t, start(t, a))
	c.login(strings.Replace(passwordLogin, "}", `,"domain":"emea"}`, 1))
	if got := ids(t, c.all(googlePath, 10, "")); len(got) != 1 || got[0] != j.ID {
		t.Errorf("jobs %v, want %s", got, j.ID)
	}
	if a.ListIn("apac", simulator.GoogleKeys) != nil || a.List("nothing") != nil {
		t.Error("a list of an unknown domain or name")
	}
}
