package ciphertrust_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/simulator"
)

// TestStatuses checks the reason, text and hint of each status of a page. A missing license looks like a
// missing permission, and the list's reader names that.
func TestStatuses(t *testing.T) {
	for _, test := range []struct {
		status            int
		message, location string
		want              reason.Reason
		text, hint        string
	}{
		{400, "", "", reason.Other, "400 Bad Request", "--ciphertrust.url"},
		{401, "", "", reason.Auth, "401 Unauthorized", "rejected a token that it has just issued"},
		{403, "permission denied", "", reason.Forbidden, "403 Forbidden", ""},
		{403, "no valid LICENSE", "", reason.Forbidden, "403 Forbidden", "not licensed"},
		{404, "", "", reason.NotFound, "404 Not Found", "turn the list off"},
		{429, "", "", reason.Server, "429 Too Many Requests", "next scrape"},
		{500, "", "", reason.Server, "500 Internal Server Error", "next scrape"},
		{599, "", "", reason.Server, "599", "next scrape"},
		{206, "", "", reason.Other, "206 Partial Content", "--ciphertrust.url"},
		{304, "", "", reason.Other, "304 Not Modified", "redirects are never followed"},
		{302, "", "https://user:SECRET@sso.example.com/login?token=SECRET", reason.Other, "302 Found to https://sso.example.com", "redirects are never followed"},
		{307, "", "/elsewhere?SECRET", reason.Other, "307 Temporary Redirect to " + unroutable, "redirects are never followed"},
	} {
		t.Run(test.text, func(t *testing.T) {
			h := inMemory(t, simulator.Options{}, nil)
			h.onPages(func(w http.ResponseWriter, _ *http.Request) {
				if test.location != "" {
					w.Header().Set("Location", test.location)
				}
				respond(w, test.status, fmt.Sprintf(`{"message":%q}`, test.message))
			})
			err := h.failure(test.want)
			if want := "the appliance answered " + test.text; !strings.HasPrefix(err.Error(), want) {
				t.Errorf("got %q, want %q", err, want)
			}
			got := reason.HintOf(err)
			wantText(t, got, test.hint)
			if test.hint == "" && got != "" {
				t.Errorf("the hint is %q, want none", got)
			}
			if failure, ok := errors.AsType[*ciphertrust.APIError](err); !ok || failure.Status != test.status {
				t.Errorf("the status cannot be found in %#v", err)
			}
		})
	}
}

// TestErrorBodies checks what an error contains of the body.
func TestErrorBodies(t *testing.T) {
	const status = "the appliance answered 503 Service Unavailable"
	for _, test := range []struct{ name, body, want string }{
		{
			"the API's form", `{"code":1,"codeDesc":"NCERRInternalServerError","message":"starting up","requestID":"r-1"}`,
			status + ", code 1, NCERRInternalServerError: starting up (request r-1)",
		},
		{"no message", `{"code":16,"codeDesc":"NCERRResourceNotFound"}`, status + ", code 16, NCERRResourceNotFound"},
		{"code in quotes", `{"code":"1","codeDesc":"NCERR","message":"m"}`, status + ", code 1, NCERR: m"},
		{"code of a wrong kind", `{"code":[1],"codeDesc":"NCERR","message":"m"}`, status + ", code 0, NCERR: m"},
		{"message of a wrong kind", `{"code":1,"codeDesc":"NCERR","message":{"a":1},"requestID":"r"}`, status + ", code 1, NCERR (request r)"},
		{"null", `null`, status},
		{"HTML", `<html><body><h1>503 Service Unavailable</h1></body></html>`, status},
		{"cut short", `{"code":1,"codeDesc":"NCERR`, status},
		{"huge HTML", "<html>" + strings.Repeat("x", 10<<20), status},
		{"a long message", `{"message":"` + strings.Repeat("x", 1000) + `"}`, status + ": " + strings.Repeat("x", 297) + "…"},
		{"invisible characters", `{"message":"a\nb\u202e","codeDesc":"\u009b2J","requestID":"\u200b"}`, status + `, code 0, \u{9B}2J: a b\u{202E} (request \u{200B})`},
		{"a message that repeats the token", `{"message":"jwt TOKEN","codeDesc":"TOKEN","requestID":"TOKEN"}`, status + ", code 0, <secret>: jwt <secret> (request <secret>)"},
		{
			"a long message that repeats the token at its end", `{"message":"` + strings.Repeat("x", 290) + `TOKEN"}`,
			status + ": " + strings.Repeat("x", 290) + "<secret>",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := inMemory(t, simulator.Options{}, nil)
			h.onPages(func(w http.ResponseWriter, r *http.Request) {
				token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
				respond(w, http.StatusServiceUnavailable, strings.ReplaceAll(test.body, "TOKEN", token))
			})
			if err := h.failure(reason.Server); err.Error() != test.want {
				t.Errorf("got %q, want %q", err, test.want)
			}
		})
	}
}

// TestStatusBeforeBody checks that the status of a page decides the reason even if the body of the error
// is cut short, reset or garbled.
func TestStatusBeforeBody(t *testing.T) {
	for name, rest := range map[string]string{
		"cut short":        "Content-Length: 100\r\n\r\n{\"code\":5",
		"chunks cut short": "Transfer-Encoding: chunked\r\n\r\n64\r\n{\"code\":5",
		"no gzip":          "Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone",
		"another coding":   "Content-Encoding: br\r\nContent-Length: 4\r\n\r\nnone",
	} {
		t.Run(name, func(t *testing.T) {
			h, _ := overTLS(t, nil)
			// A login on a connection that has just ended would fail, so the response announces the end.
			h.onPages(raw(t, "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n"+rest, name == "chunks cut short"))
			h.wantReason(reason.Auth)
			h.wantLogins(1, 1)
		})
	}
}
