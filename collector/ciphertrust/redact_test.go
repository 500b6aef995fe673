package ciphertrust_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/simulator"
)

// TestRepeatedSecrets has the appliance repeat, in the answer to a page, what it
// was sent at the login, in each form and place that an error can show.
func TestRepeatedSecrets(t *testing.T) {
	const odd = `pa"ss/w~rd<é>-SECRET`
	quoted, err := json.Marshal(odd)
	if err != nil {
		t.Fatal(err)
	}
	forms := map[string]string{
		"itself": odd, "JSON": strings.Trim(string(quoted), `"`), "query": url.QueryEscape(odd), "path": url.PathEscape(odd),
		"HTML":   html.EscapeString(odd),
		"base64": base64.StdEncoding.EncodeToString([]byte(odd)), "hexadecimal": hex.EncodeToString([]byte(odd)),
		"Go": strings.Trim(fmt.Sprintf("%q", odd), `"`),
	}
	places := map[string]func(http.ResponseWriter, *http.Request, string){
		"message": func(w http.ResponseWriter, _ *http.Request, text string) {
			simulator.WriteError(w, http.StatusForbidden, text)
		},
		"status line": func(w http.ResponseWriter, r *http.Request, text string) {
			raw(t, "HTTP/1.1 "+text+"\r\n\r\n", false)(w, r)
		},
		"header line": func(w http.ResponseWriter, r *http.Request, text string) {
			raw(t, "HTTP/1.1 200 OK\r\n"+text+"\r\n\r\n", false)(w, r)
		},
		"length": func(w http.ResponseWriter, r *http.Request, text string) {
			raw(t, "HTTP/1.1 200 OK\r\nContent-Length: "+text+"\r\n\r\n", false)(w, r)
		},
		"encoding": func(w http.ResponseWriter, r *http.Request, text string) {
			raw(t, "HTTP/1.1 200 OK\r\nContent-Encoding: "+text+"\r\nContent-Length: 1\r\n\r\n ", false)(w, r)
		},
	}
	for form, text := range forms {
		for place, answer := range places {
			t.Run(form+" in the "+place, func(t *testing.T) {
				h, _ := overTLS(t, simulator.Options{Password: odd}, func(cfg *ciphertrust.Config) { cfg.Credentials.Password = odd })
				h.mustGet()
				h.onPages(func(w http.ResponseWriter, r *http.Request) { answer(w, r, text) })
				err := h.get(t.Context())
				if err == nil {
					t.Fatal("no error")
				}
				if strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), "<sec") {
					t.Errorf("%s: %v", reason.Of(err), err)
				}
			})
		}
	}
}

// TestPasswordThatIsAWord holds that a rejection is recognized even if its own words
// contain the password.
func TestPasswordThatIsAWord(t *testing.T) {
	for _, word := range []string{"password", "refused", "401", "a"} {
		h, _ := overTLS(t, simulator.Options{Password: "another"}, func(cfg *ciphertrust.Config) {
			cfg.Credentials.Password, cfg.Logger = ciphertrust.Secret(word), nil
		})
		for range 3 {
			if err := h.client.Get(t.Context(), listPath, nil, discard); reason.Of(err) != reason.Auth {
				t.Errorf("%s: %v", word, err)
			}
		}
		if n := h.logins(); n != 1 {
			t.Errorf("the refused password %q was tried %d times", word, n)
		}
	}
}

// TestConfigIsNeverPrinted prints a configuration with a key of its own.
func TestConfigIsNeverPrinted(t *testing.T) {
	cfg := ciphertrust.Config{URL: "https://cm.example.com"}
	cfg.TLS.Key = secret
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, value := range []any{cfg, &cfg} {
			text := fmt.Sprintf(verb, value)
			wantRedacted(t, "configuration by "+verb, text)
			wantText(t, text, "https://cm.example.com")
		}
	}
}

// TestRedact checks that no text of the appliance shows the password or a token in any form.
func TestRedact(t *testing.T) {
	const odd = `pa"ss/w~rd<é>-SECRET`
	h, _ := overTLS(t, simulator.Options{Password: odd}, func(cfg *ciphertrust.Config) { cfg.Credentials.Password = odd })
	if got := h.client.Redact("nothing is known yet"); got != "nothing is known yet" {
		t.Errorf("before the login: %q", got)
	}
	h.mustGet()
	secrets := append(h.appliance.Issued(), odd)
	if len(secrets) < 3 {
		t.Fatalf("only %d secrets", len(secrets))
	}
	for _, secret := range secrets {
		quoted, err := json.Marshal(secret)
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range []string{
			secret, strings.Trim(string(quoted), `"`), url.QueryEscape(secret), url.PathEscape(secret), html.EscapeString(secret), hex.EncodeToString([]byte(secret)),
			base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
		} {
			if got, want := h.client.Redact("denied for "+form+", twice: "+form), "denied for <secret>, twice: <secret>"; got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
	}
	h.appliance.RevokeAllTokens()
	h.mustGet()
	for _, secret := range h.appliance.Issued() {
		if got := h.client.Redact(secret); got != "<secret>" {
			t.Errorf("after another login %q is shown", got)
		}
	}
	// A token that the appliance repeats is not forgotten.
	for range 40 {
		h.appliance.RevokeAllTokens()
		h.mustGet()
		if got := h.client.Redact(secrets[0]); got != "<secret>" {
			t.Fatalf("after many logins %q is shown", got)
		}
	}
	for _, text := range []string{"", "vault synchronized successfully", "failed: 403 Forbidden", `begins pa"ss`, "<secret>"} {
		if got := h.client.Redact(text); got != text {
			t.Errorf("%q has become %q", text, got)
		}
	}
}

// TestShortSecrets holds that a password which is a part of many texts cannot be
// concluded from what they lack. As a word of its own it is taken out, if that is
// no accident.
func TestShortSecrets(t *testing.T) {
	for _, test := range []struct{ password, text, want string }{
		{"p", "https://proxy p: p", "https://proxy p: p"},
		{"401", "401 Unauthorized", "401 Unauthorized"},
		{"abc1", "abc1", "<secret>"},
		{"abc1", "wrong password 'abc1' or abc12, xabc1, abc1 (abc1)", "wrong password '<secret>' or abc12, xabc1, <secret> (<secret>)"},
		{"pässe", "pässe, Reisepässe", "<secret>, Reisepässe"},
		{"secret", "a secret token is <secret>", "a secret token is <secret>"},
		{"jobs", "/synchronization-jobs", "/synchronization-<secret>"},
		{"sync", "/synchronization-jobs", "/synchronization-jobs"},
		{"eight-80", "xeight-80x", "x<secret>x"},
	} {
		h := inMemory(t, simulator.Options{Password: test.password}, func(cfg *ciphertrust.Config) {
			cfg.Credentials.Password = ciphertrust.Secret(test.password)
		})
		h.mustGet()
		if got := h.client.Redact(test.text); got != test.want {
			t.Errorf("with the password %q: got %q, want %q", test.password, got, test.want)
		}
		if got, want := len(h.client.Warnings(t.Context())), 1; got != want && test.password != "eight-80" || got > 0 && test.password == "eight-80" {
			t.Errorf("%d warnings about the password %q", got, test.password)
		}
	}
}
