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

// onPages answers requests for pages, and only those, by the handler.
func (h *harness) onPages(handler http.HandlerFunc) {
	h.appliance.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if isList(r) {
			handler(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// TestLicense checks that the hint for an appliance without a license for CCKM depends on its
// message, not only on its status: a permission would not help.
func TestLicense(t *testing.T) {
	for message, remedy := range map[string]string{
		"License not found for this feature": "not licensed", "no valid LICENSE": "not licensed", "NCERRLicenseError: unlicensed": "not licensed",
		"permission denied": "", "": "", // The list's reader names the permission.
	} {
		h := inMemory(t, simulator.Options{}, nil)
		h.onPages(func(w http.ResponseWriter, _ *http.Request) { simulator.WriteError(w, http.StatusForbidden, message) })
		got := reason.RemedyOf(h.failure(reason.Forbidden))
		if remedy == "" && got != "" {
			t.Errorf("%q: the client advises %q, and does not know the list", message, got)
		}
		wantText(t, got, remedy)
		if remedy == "not licensed" && strings.Contains(got, "permission") {
			t.Errorf("%q: a permission is advised: %s", message, got)
		}
	}
}

// TestStatuses checks the reason, text and hint of each status of a page.
func TestStatuses(t *testing.T) {
	for _, test := range []struct {
		status   int
		want     reason.Reason
		text     string
		remedy   string
		location string
	}{
		{400, reason.Other, "400 Bad Request", "--ciphertrust.url", ""},
		{401, reason.Auth, "401 Unauthorized", "look at its clock", ""},
		{403, reason.Forbidden, "403 Forbidden", "", ""},
		{404, reason.NotFound, "404 Not Found", "turn the list off", ""},
		{409, reason.Other, "409 Conflict", "--ciphertrust.url", ""},
		{418, reason.Other, "418", "--ciphertrust.url", ""},
		{422, reason.Other, "422 Unprocessable Entity", "--ciphertrust.url", ""},
		{429, reason.Server, "429 Too Many Requests", "next scrape", ""},
		{500, reason.Server, "500 Internal Server Error", "next scrape", ""},
		{502, reason.Server, "502 Bad Gateway", "next scrape", ""},
		{503, reason.Server, "503 Service Unavailable", "next scrape", ""},
		{599, reason.Server, "599", "next scrape", ""},
		{201, reason.Other, "201 Created", "--ciphertrust.url", ""},
		{204, reason.Other, "204 No Content", "--ciphertrust.url", ""},
		{206, reason.Other, "206 Partial Content", "--ciphertrust.url", ""},
		{304, reason.Other, "304 Not Modified", "redirects are never followed", ""},
		{302, reason.Other, "302 Found", "redirects are never followed", ""},
		{
			302, reason.Other, "302 Found to https://sso.example.com", "redirects are never followed",
			"https://user:SECRET@sso.example.com/login?token=SECRET",
		},
		{307, reason.Other, "307 Temporary Redirect to " + unroutable, "redirects are never followed", "/elsewhere?SECRET"},
	} {
		t.Run(test.text, func(t *testing.T) {
			h := inMemory(t, simulator.Options{}, nil)
			h.onPages(func(w http.ResponseWriter, _ *http.Request) {
				if test.location != "" {
					w.Header().Set("Location", test.location)
				}
				w.WriteHeader(test.status)
			})
			err := h.failure(test.want)
			if want := "the appliance answered " + test.text; !strings.HasPrefix(err.Error(), want) {
				t.Errorf("got %q, want %q", err, want)
			}
			wantText(t, reason.RemedyOf(err), test.remedy)
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
		{"only a message", `{"message":"later"}`, status + ": later"},
		{"code in quotes", `{"code":"1","codeDesc":"NCERR","message":"m"}`, status + ", code 1, NCERR: m"},
		{"code of a wrong kind", `{"code":[1],"codeDesc":"NCERR","message":"m"}`, status + ", code 0, NCERR: m"},
		{"code that is no whole number", `{"code":1.5,"codeDesc":"NCERR","message":"m"}`, status + ", code 0, NCERR: m"},
		{"message of a wrong kind", `{"code":1,"codeDesc":"NCERR","message":{"a":1},"requestID":"r"}`, status + ", code 1, NCERR (request r)"},
		{"empty", ``, status},
		{"null", `null`, status},
		{"an array", `[1]`, status},
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
	for status, want := range map[int]reason.Reason{
		http.StatusUnauthorized: reason.Auth, http.StatusForbidden: reason.Forbidden,
		http.StatusNotFound: reason.NotFound, http.StatusServiceUnavailable: reason.Server,
	} {
		// The response announces the end of its connection, because a login that is sent on a connection
		// that has just ended fails.
		head := fmt.Sprintf("HTTP/1.1 %d %s\r\nConnection: close\r\n", status, http.StatusText(status))
		for name, rest := range map[string]string{
			"cut short":        "Content-Length: 100\r\n\r\n{\"code\":5",
			"chunks cut short": "Transfer-Encoding: chunked\r\n\r\n64\r\n{\"code\":5",
			"no gzip":          "Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone",
			"another coding":   "Content-Encoding: br\r\nContent-Length: 4\r\n\r\nnone",
		} {
			t.Run(fmt.Sprintf("%d, %s", status, name), func(t *testing.T) {
				h, _ := overTLS(t, simulator.Options{}, nil)
				h.onPages(raw(t, head+rest, name == "chunks cut short"))
				wantReason(t, h.get(t.Context()), want)
				if status == http.StatusUnauthorized {
					h.wantLogins(1, 1)
				}
			})
		}
	}
}
