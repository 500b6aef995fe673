package ciphertrust_test

import (
	"net/http"
	"strings"
	"testing"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/reason"
)

// FuzzParseURL holds that an address is either refused, or becomes one that
// requests can be made for and that shows no secret.
func FuzzParseURL(f *testing.F) {
	for _, address := range []string{
		"https://cm.example.com", "cm:8443/api/v1", "https://user:pw@cm", "[::1]", "http://a/b/../api", "https://a?b#c", "a://b", "https://a/%2f/api",
	} {
		f.Add(address)
	}
	f.Fuzz(func(t *testing.T, address string) {
		u, err := ciphertrust.ParseURL(address)
		if (u == nil) != (err != nil) {
			t.Fatalf("%q: got %v and %v", address, u, err)
		}
		if err != nil {
			return
		}
		if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Hostname() == "" ||
			(u.Scheme != "https" && u.Scheme != "http") {
			t.Errorf("%q became %#v", address, u)
		}
		if strings.HasSuffix(u.Path, "/") {
			t.Errorf("%q became %q, with a slash at its end", address, u)
		}
		if _, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u.JoinPath("api", "v1", listPath).String(), http.NoBody); err != nil {
			t.Errorf("%q became %q, which nobody can be asked by: %v", address, u, err)
		}
	})
}

// FuzzLoginAnswer holds that no answer to a login makes the client panic, hang,
// send a header that is none, or show a secret.
func FuzzLoginAnswer(f *testing.F) {
	f.Add(200, `{"jwt":"jwt-SECRET","duration":300,"refresh_token":"refresh-SECRET","refresh_token_id":"id"}`)
	f.Add(200, `{"jwt":"SECRET\n","duration":-1}`)
	f.Add(200, `{"jwt":["SECRET"],"duration":1e99}`)
	f.Add(200, `{"JWT":"jwt","duration":300,"refresh_token":"r","refresh_token_id":"../../x?y"}`)
	f.Add(401, `{"code":5,"codeDesc":"NCERR","message":"pass-SECRET-word is wrong"}`)
	f.Add(302, ``)
	f.Add(500, `<html>`)
	f.Fuzz(func(t *testing.T, status int, answer string) {
		if status < 200 || status > 999 {
			t.Skip("no server can answer so")
		}
		h := serving(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case isLogin(r):
				respond(w, status, answer)
			case !isList(r) && !isRevocation(r):
				t.Errorf("%s %s", r.Method, r.URL)
			default:
				respond(w, http.StatusOK, `{}`)
			}
		})
		for range 2 {
			err := h.client.Login(t.Context())
			expiry, ok := h.client.TokenExpiry()
			if (err == nil) != (ok && !expiry.IsZero()) {
				t.Errorf("login: %v, and the token is there: %t", err, ok)
			}
			if err == nil {
				h.mustGet()
				continue
			}
			// What the appliance says in an error may be anything; only what was
			// sent must not be in it.
			if strings.Contains(err.Error(), password) {
				t.Errorf("the error shows the password: %v", err)
			}
			if status/100 == 2 {
				h.note(err)
				wantReason(t, err, reason.Decode)
			}
		}
	})
}
