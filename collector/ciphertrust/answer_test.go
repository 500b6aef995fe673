package ciphertrust_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/collector/reason"
)

// TestLoginAnswers checks which responses to a login give a token. One that gives none is no rejection,
// because it does not mention the password. The matrix of faults has more of them.
func TestLoginAnswers(t *testing.T) {
	const token = `"jwt":"jwt-SECRET","refresh_token":"refresh-SECRET","refresh_token_id":"id-1"`
	for _, test := range []struct {
		name   string
		status int
		body   string
		// lives is how long the token lives; 0 means reason decode.
		lives time.Duration
	}{
		{"as documented", 200, `{` + token + `,"duration":300,"token_type":"Bearer","client_id":"c"}`, 300 * time.Second},
		{"created", 201, `{` + token + `,"duration":300}`, 300 * time.Second},
		{"no refresh token", 200, `{"jwt":"jwt-SECRET","duration":300}`, 300 * time.Second},
		{"unknown members", 200, `{` + token + `,"duration":300,"more":{"a":[1]}}`, 300 * time.Second},
		{"one second", 200, `{` + token + `,"duration":1}`, time.Second},
		{"duration null", 200, `{` + token + `,"duration":null}`, 0},
		{"a part of a second", 200, `{` + token + `,"duration":0.5}`, 0},
		{"jwt with a space", 200, `{"jwt":"jwt SECRET","duration":300}`, 0},
		{"jwt with a zero byte", 200, `{"jwt":"jwt\u0000SECRET","duration":300}`, 0},
		{"jwt beyond ASCII", 200, `{"jwt":"jwt-SECRÉT-SECRET","duration":300}`, 0},
		{"jwt that is no UTF-8", 200, "{\"jwt\":\"SECRET\xff\",\"duration\":300}", 0},
		{"refresh token of another kind", 200, `{"jwt":"jwt-SECRET","duration":300,"refresh_token":7}`, 0},
		{"a string", 200, `"jwt-SECRET"`, 0},
		{"a page", 200, `<html>jwt-SECRET</html>`, 0},
		{"no content", 204, ``, 0},
		{"megabytes", 200, `{` + token + `,"duration":300,"more":"` + strings.Repeat("SECRET", 1<<18) + `"}`, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := serving(t, func(w http.ResponseWriter, r *http.Request) {
					switch {
					case isRevocation(r):
						w.WriteHeader(http.StatusNoContent)
					case isLogin(r):
						respond(w, test.status, test.body)
					default:
						respond(w, http.StatusOK, `{}`)
					}
				})
				begun := time.Now()
				if test.lives > 0 {
					h.mustGet()
					if expiry, ok := h.client.TokenExpiry(); !ok || expiry.Sub(begun) != test.lives {
						t.Errorf("the token lives for %s (%t), want %s", expiry.Sub(begun), ok, test.lives)
					}
					return
				}
				for range 2 {
					err := h.failure(reason.Decode)
					advance(time.Second)
					wantText(t, err.Error(), "the login")
					wantText(t, reason.RemedyOf(err), "--ciphertrust.url")
				}
				if _, ok := h.client.TokenExpiry(); ok {
					t.Error("there is a token")
				}
				asked := fmt.Sprintf("auth/tokens %d", test.status)
				want := []string{asked, "login password error", asked, "login password error"}
				if diff := cmp.Diff(want, h.observed.take()); diff != "" {
					t.Errorf("the observer saw: %s", diff)
				}
			})
		})
	}
}
