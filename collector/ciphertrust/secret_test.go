package ciphertrust_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/simulator"
)

// TestSecretIsNeverPrinted prints secrets in every way that Go has, alone and within other values.
func TestSecretIsNeverPrinted(t *testing.T) {
	s := ciphertrust.Secret(password)
	credentials := ciphertrust.Credentials{Username: "u", Password: s}
	cfg := ciphertrust.Config{URL: "https://cm.example.com", Credentials: credentials}
	cfg.TLS.Key = secret
	h := inMemory(t, simulator.Options{}, nil)
	h.mustGet()
	texts := make([]string, 0, 200)
	texts = append(texts, fmt.Sprint(s, credentials), s.String(), errors.Join(fmt.Errorf("%w for %s", errors.New("no"), s)).Error())
	for _, value := range []any{s, &s, credentials, &credentials, cfg, &cfg, h.client, []ciphertrust.Secret{s}, map[ciphertrust.Secret]ciphertrust.Secret{s: s}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%#q", "%d", "%t", "%T", "%10.3s", "%U", "%c", "%z"} {
			texts = append(texts, fmt.Sprintf(verb, value))
		}
	}
	for _, value := range []any{s, &credentials} {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	for _, text := range texts {
		for _, shown := range append(h.appliance.Issued(), secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), fmt.Sprintf("% x", secret)) {
			if strings.Contains(text, shown) {
				t.Errorf("a secret is shown: %q", text)
			}
		}
	}
	wantText(t, fmt.Sprint(cfg), "https://cm.example.com")
}

// TestPasswordThatIsAWord checks that a rejection is recognized even if its own words contain the password.
func TestPasswordThatIsAWord(t *testing.T) {
	for _, word := range []string{"password", "refused", "401", "a"} {
		h := inMemory(t, simulator.Options{Password: "another"}, func(cfg *ciphertrust.Config) {
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

// TestRedact checks that no text of the appliance shows the password or a token in any form.
func TestRedact(t *testing.T) {
	const odd = `pa"ss/w~rd<é>-SECRET`
	h := inMemory(t, simulator.Options{Password: odd}, withPassword(odd))
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
			secret, strings.Trim(string(quoted), `"`), strings.Trim(fmt.Sprintf("%q", secret), `"`), url.QueryEscape(secret), url.PathEscape(secret),
			html.EscapeString(secret), hex.EncodeToString([]byte(secret)),
			base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
		} {
			if got, want := h.client.Redact("denied for "+form+", twice: "+form), "denied for <secret>, twice: <secret>"; got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
	}
	// A token that the appliance repeats is not forgotten.
	for range 40 {
		h.appliance.RevokeAllTokens()
		h.mustGet()
		issued := h.appliance.Issued()
		for _, secret := range []string{secrets[0], issued[len(issued)-1]} {
			if got := h.client.Redact(secret); got != "<secret>" {
				t.Fatalf("after many logins %q is shown", got)
			}
		}
	}
	for _, text := range []string{"", "vault synchronized successfully", "failed: 403 Forbidden", `begins pa"ss`, "<secret>"} {
		if got := h.client.Redact(text); got != text {
			t.Errorf("%q has become %q", text, got)
		}
	}
}

// TestShortSecrets checks that a password which is a part of many texts cannot be concluded from what they
// lack. It is redacted only as a separate word of at least four bytes, and there is a warning about it.
func TestShortSecrets(t *testing.T) {
	for _, test := range []struct{ password, text, want string }{
		{"p", "https://proxy p: p", "https://proxy p: p"},
		{"401", "401 Unauthorized", "401 Unauthorized"},
		{"abc1", "abc1", "<secret>"},
		{"abc1", "wrong password 'abc1' or abc12, xabc1, abc1 (abc1)", "wrong password '<secret>' or abc12, xabc1, <secret> (<secret>)"},
		{"pässe", "pässe, Reisepässe", "<secret>, Reisepässe"},
		{"secret", "a secret token is <secret>", "a secret token is <secret>"},
		{"sync", "/synchronization-jobs", "/synchronization-jobs"},
		{"eight-80", "xeight-80x", "x<secret>x"},
	} {
		h := inMemory(t, simulator.Options{Password: test.password}, withPassword(ciphertrust.Secret(test.password)))
		h.mustGet()
		if got := h.client.Redact(test.text); got != test.want {
			t.Errorf("with the password %q: got %q, want %q", test.password, got, test.want)
		}
		warnings := h.client.Warnings(t.Context())
		if short := test.password != "eight-80"; (len(warnings) > 0) != short {
			t.Errorf("the warnings about the password %q are %v", test.password, warnings)
		}
	}
}
