package ciphertrust_test

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/reason"
)

// FuzzParseURL checks that an address is refused with an error that shows nothing of it except a scheme, or becomes
// a URL with the same host and scheme that requests can be made for and that shows no secret.
func FuzzParseURL(f *testing.F) {
	for _, address := range []string{
		"https://cm.example.com", "cm:8443/api/v1", "https://user:pw@cm", "[::1]", "http://a/b/../api", "a://b", "https://a?b#c", "https://a/%2f/api",
		"  HTTPS://CM.example.com//\n", "https://gateway.example.com/api/v1/cm", "https://:443", "/api/v1", "ftp://user:SECRET@cm", "user:SECRET@cm://",
		"https://user:SECRET%zz@cm", "https://cm:port", "2001:db8::1", "https://[fe80::1%25en0]:1/api/", "https://cm/api?", "https://cm/#", "https:/cm", "cm:0", "https://cm:99999", "https://cm:", "http://c%C3%A9/", "#://", "[::%25\xc5]",
	} {
		f.Add(address)
	}
	f.Fuzz(func(t *testing.T, address string) {
		u, err := ciphertrust.ParseURL(address)
		if (u == nil) != (err != nil) {
			t.Fatalf("%q: got %v and %v", address, u, err)
		}
		if err != nil {
			wantPlainRefusal(t, address, err)
			return
		}
		scheme, rest, found := strings.Cut(strings.TrimSpace(address), "://")
		if !found {
			scheme, rest = "https", strings.TrimSpace(address)
		}
		if !strings.EqualFold(u.Scheme, scheme) || (u.Scheme != "https" && u.Scheme != "http") {
			t.Errorf("%q became %q, of another scheme", address, u)
		}
		host := rest
		if end := strings.IndexAny(rest, "/?#"); end >= 0 {
			host = rest[:end]
		}
		if unescaped, err := url.PathUnescape(host); u.Host != host && (err != nil || u.Host != unescaped) {
			t.Errorf("%q became %q, of another host", address, u)
		}
		if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Hostname() == "" || strings.Contains(u.Host, "@") {
			t.Errorf("%q became %#v", address, u)
		}
		if strings.HasSuffix(u.Path, "/") {
			t.Errorf("%q became %q, with a slash at its end", address, u)
		}
		if _, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u.JoinPath("api", "v1", listPath).String(), http.NoBody); err != nil {
			t.Errorf("%q became %q, for which no request can be made: %v", address, u, err)
		}
	})
}

// wantPlainRefusal fails if an error shows more of an address than its scheme: for other addresses, it has
// the same text.
func wantPlainRefusal(t *testing.T, address string, err error) {
	t.Helper()
	texts := []string{err.Error()}
	for _, other := range []string{"", "%", "https://", "https:/a", "https://a:0", "https://u@a", "https://a?b", "x://a"} {
		if _, err := ciphertrust.ParseURL(other); err != nil {
			texts = append(texts, err.Error())
		}
	}
	if scheme, _, found := strings.Cut(texts[0], ", only https"); found && strings.HasPrefix(scheme, "the appliance's URL has the scheme ") {
		return
	}
	if !slices.Contains(texts[1:], texts[0]) {
		t.Errorf("%q: the error shows a part of it: %v", address, err)
	}
}

// FuzzLoginAnswer checks that no response to a login makes the client panic, hang, send an invalid header
// or show a secret.
func FuzzLoginAnswer(f *testing.F) {
	f.Add(200, `{"jwt":"jwt-SECRET","duration":300,"refresh_token":"refresh-SECRET","refresh_token_id":"id"}`)
	f.Add(200, `{"jwt":"SECRET\n","duration":-1}`)
	f.Add(200, `{"jwt":["SECRET"],"duration":1e99}`)
	f.Add(200, `{"JWT":"jwt","duration":300,"refresh_token":"r","refresh_token_id":"../../x?y"}`)
	f.Add(401, `{"code":5,"codeDesc":"NCERR","message":"pass-SECRET-word is wrong"}`)
	f.Add(401, `{"message":"SECRET"}`)
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
		if status/100 != 2 {
			// The log quotes the appliance's message, which may be any text but
			// the password.
			h.secret = password
		}
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

// FuzzRetryAfter checks that the header Retry-After is a number of seconds, or a time compared with the
// response's Date, or ignored, and that the pause is between zero and an hour.
func FuzzRetryAfter(f *testing.F) {
	for _, value := range []string{
		"", "0", "120", "86401", "99999999999999999999999", "18446744073709551616", "-1", "+1", "1.5", "1e3", "0x10", "1_0", " 5", "soon",
		"Sun, 06 Nov 1994 08:59:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Fri, 31 Dec 9999 23:59:59 GMT",
	} {
		f.Add(value)
	}
	date := time.Date(1994, time.November, 6, 8, 49, 37, 0, time.UTC)
	f.Fuzz(func(t *testing.T, value string) {
		want := time.Duration(0)
		if digits := strings.TrimLeft(value, "0"); value != "" && strings.Trim(value, "0123456789") == "" {
			want = time.Hour
			if len(digits) < 9 {
				seconds, _ := strconv.Atoi("0" + digits)
				want = min(want, time.Duration(seconds)*time.Second)
			}
		} else if at, err := http.ParseTime(value); err == nil {
			want = min(time.Hour, max(0, at.Sub(date)))
		}
		header := http.Header{"Retry-After": {value}, "Date": {date.Format(http.TimeFormat)}}
		if got := ciphertrust.RetryAfter(header); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	})
}
