package simulator_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/collector/simulator"
)

// TestPasswordLogin checks that a login and its token look like the documentation's.
func TestPasswordLogin(t *testing.T) {
	now := newClock()
	a := simulator.New(simulator.Options{Clock: now.Now})
	c := &client{t: t, appliance: a}
	got := c.login(`{"grant_type":"password","username":"prometheus","password":"demo-password","connection":"ldap","domain":"root",
		"refresh_token_lifetime":60,"refresh_token_revoke_unused_in":15}`)
	if got.Duration != 300 || got.TokenType != "Bearer" || got.ClientID == "" || got.RefreshToken == "" || got.RefreshTokenID == "" {
		t.Errorf("response %+v", got)
	}
	c.page(googlePath, 0, 10, "")

	var claims map[string]any
	parts := strings.Split(got.JWT, ".")
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(text, &claims) != nil || len(parts) != 3 {
		t.Fatalf("%s is no JWT: %v", got.JWT, err)
	}
	begin := float64(now.Now().Unix())
	if claims["iss"] != "kylo" || claims["acc"] != "kylo" || claims["preferred_username"] != "prometheus" ||
		claims["aud"] != got.ClientID || claims["iat"] != begin || claims["exp"] != begin+300 {
		t.Errorf("claims %v", claims)
	}
	want := []simulator.LoginRecord{{Result: simulator.LoginAccepted, Request: simulator.LoginRequest{
		GrantType: "password", Username: "prometheus", Password: "demo-password", Domain: "root",
		RefreshTokenLifetime: 60, RefreshTokenRevokeUnusedIn: 15,
	}}}
	if diff := cmp.Diff(want, a.Logins()); diff != "" {
		t.Errorf("logins: %s", diff)
	}
	if issued := a.Issued(); !slices.Equal(a.RefreshTokens(), []string{got.RefreshToken}) || len(issued) != 2 || !slices.Contains(issued, got.JWT) {
		t.Errorf("issued %q, refresh tokens %q", issued, a.RefreshTokens())
	}
}

func TestRefusedLogins(t *testing.T) {
	for name, test := range map[string]struct {
		body         string
		status, code int
	}{
		"wrong password":        {`{"grant_type":"password","username":"prometheus","password":"x"}`, http.StatusUnauthorized, 5},
		"wrong user":            {`{"grant_type":"password","username":"x","password":"demo-password"}`, http.StatusUnauthorized, 5},
		"unknown domain":        {`{"grant_type":"password","username":"prometheus","password":"demo-password","domain":"x"}`, http.StatusUnauthorized, 5},
		"no refresh token":      {`{"grant_type":"refresh_token"}`, http.StatusUnauthorized, 5},
		"no client certificate": {`{"grant_type":"client_credential","client_id":"me"}`, http.StatusUnauthorized, 5},
		"unknown grant":         {`{"grant_type":"magic"}`, http.StatusBadRequest, 15},
		"no JSON":               {`grant_type=password`, http.StatusBadRequest, 15},
	} {
		t.Run(name, func(t *testing.T) {
			a := simulator.New(simulator.Options{ClientID: "me"})
			(&client{t: t, appliance: a}).refused(http.MethodPost, tokensPath, test.body, test.status, test.code)
			if n := len(a.RefreshTokens()); n != 0 {
				t.Errorf("%d refresh tokens after a refused login", n)
			}
		})
	}
}

// TestTokens checks which tokens are accepted, and until when.
func TestTokens(t *testing.T) {
	now := newClock()
	a := simulator.New(simulator.Options{Clock: now.Now, TokenLifetime: 10 * time.Second})
	c := connect(t, a)
	good := c.token
	for _, bad := range []string{"", "garbage", good[:len(good)-2], connect(t, simulator.New(simulator.Options{})).token} {
		c.token = bad
		c.refused(http.MethodGet, googlePath, "", http.StatusUnauthorized, 5)
	}
	c.token = good
	now.Move(9 * time.Second)
	c.page(googlePath, 0, 10, "")
	now.Move(time.Second)
	c.refused(http.MethodGet, googlePath, "", http.StatusUnauthorized, 5)
	c.login(passwordLogin)
	a.RevokeAllTokens()
	c.refused(http.MethodGet, googlePath, "", http.StatusUnauthorized, 5)
	a.SetPassword("another")
	c.refused(http.MethodPost, tokensPath, passwordLogin, http.StatusUnauthorized, 5)
	c.login(strings.Replace(passwordLogin, "demo-password", "another", 1))
	if accepted, rejected := a.LoginCount("password", simulator.LoginAccepted), a.LoginCount("password", simulator.LoginRejected); accepted != 3 || rejected != 1 {
		t.Errorf("%d logins were accepted and %d rejected, want 3 and 1", accepted, rejected)
	}
}

func TestRefresh(t *testing.T) {
	for _, rotate := range []bool{false, true} {
		now := newClock()
		a := simulator.New(simulator.Options{Clock: now.Now, RotateRefreshTokens: rotate})
		c := &client{t: t, appliance: a}
		login := func(token string) string { return `{"grant_type":"refresh_token","refresh_token":"` + token + `"}` }
		first := c.login(strings.Replace(passwordLogin, "}", `,"refresh_token_revoke_unused_in":10,"refresh_token_lifetime":25}`, 1))
		now.Move(9 * time.Minute)
		second := c.login(login(first.RefreshToken))
		c.page(googlePath, 0, 10, "")
		if second.RefreshTokenID != first.RefreshTokenID || (second.RefreshToken != first.RefreshToken) != rotate {
			t.Errorf("rotate %t: %+v after %+v", rotate, second, first)
		}
		if rotate {
			c.refused(http.MethodPost, tokensPath, login(first.RefreshToken), http.StatusUnauthorized, 5)
			now.Move(10 * time.Minute) // It was not used for too long.
		} else {
			now.Move(9 * time.Minute)
			c.login(login(second.RefreshToken))
			now.Move(7 * time.Minute) // Its lifetime is over.
		}
		c.refused(http.MethodPost, tokensPath, login(second.RefreshToken), http.StatusUnauthorized, 5)
		if n := len(a.RefreshTokens()); n != 0 {
			t.Errorf("rotate %t: %d refresh tokens are left", rotate, n)
		}
	}
}

func TestRevocation(t *testing.T) {
	a := simulator.New(simulator.Options{})
	c := connect(t, a)
	revoked := c.login(passwordLogin)
	w := httptest.NewRecorder()
	a.ServeHTTP(w, c.request(http.MethodDelete, tokensPath+revoked.RefreshTokenID, ""))
	if w.Code != http.StatusNoContent || len(a.RefreshTokens()) != 1 {
		t.Errorf("status %d, %d refresh tokens are left", w.Code, len(a.RefreshTokens()))
	}
	c.refused(http.MethodDelete, tokensPath+revoked.RefreshTokenID, "", http.StatusNotFound, 16)
	c.page(googlePath, 0, 10, "") // The token stays valid.
	c.token = ""
	c.refused(http.MethodDelete, tokensPath+"x", "", http.StatusUnauthorized, 5)
	a.RevokeRefreshTokens()
	if n := len(a.RefreshTokens()); n != 0 {
		t.Errorf("%d refresh tokens are left", n)
	}
}

func TestDomains(t *testing.T) {
	a := simulator.New(simulator.Options{Domains: []string{"emea"}})
	a.List(simulator.GoogleKeys).Put(simulator.Job{Scopes: []string{"in-root"}})
	j := a.ListIn("emea", simulator.GoogleKeys).Put(simulator.Job{Scopes: []string{"in-emea"}})
	c := &client{t: t, appliance: a}
	c.login(strings.Replace(passwordLogin, "}", `,"domain":"emea"}`, 1))
	got := ask[struct {
		Resources []struct{ ID, URI, Account string }
	}](c, http.MethodGet, googlePath, "", http.StatusOK).Resources
	if len(got) != 1 || got[0].ID != j.ID.String() || !strings.HasPrefix(got[0].URI, "kylo:kylo-") || !strings.HasPrefix(got[0].Account, "kylo:kylo-") {
		t.Errorf("jobs %+v, want %s", got, j.ID)
	}
}
