package ciphertrust

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"cckm_sync_exporter/collector/printable"
	"cckm_sync_exporter/collector/reason"
)

const (
	// maxTokens bounds how many tokens and refresh tokens are remembered. It is enough for about an hour.
	maxTokens = 32
	// minRedacted is the smallest number of bytes of a secret that is redacted.
	minRedacted = 4
	// minReliable is the smallest number of characters of a secret that is redacted anywhere in a
	// text. A shorter one occurs in texts by chance, and redacting it discloses it:
	// "htt<secret>s://" reveals the password "p".
	minReliable = 8
)

// secrets are the secrets that were sent or received. The appliance, or a proxy, may repeat in any
// response what it was sent, and errors quote responses.
type secrets struct {
	mu       sync.Mutex
	password secret
	// proxy is the proxy's password, which does not change.
	proxy  secret
	tokens []secret
	// replacer redacts those that are long enough; nil if it must be made again. words are the shorter
	// ones.
	replacer *strings.Replacer
	words    []string
}

// secret is a secret, and its forms if it is long enough to be redacted anywhere in a text.
type secret struct {
	value string
	forms []string
}

func newSecret(value string) secret {
	if isShort(value) {
		return secret{value: value}
	}
	return secret{value: value, forms: formsOf(value)}
}

func isShort(value string) bool { return utf8.RuneCountInString(value) < minReliable }

// isIn reports whether the secret is in a text.
func (s secret) isIn(text string) bool {
	return slices.ContainsFunc(s.forms, func(form string) bool { return strings.Contains(text, form) })
}

// Redact redacts the secrets of this client in a text of the appliance: the password, that of the proxy, and the last 32
// tokens and refresh tokens that were sent, received or redacted. It finds them as they are and as
// encoded in JSON, URLs, HTML, base64 and hexadecimal digits. It must be called before a text is cut,
// because it does not find a part of a secret.
//
// A secret of less than eight characters is redacted only as a separate word, and one of less than
// four bytes is not redacted.
func (c *Client) Redact(text string) string { return c.secrets.redact(text) }

// rememberLogin remembers the secrets of a login. Its password replaces the one before.
func (s *secrets) rememberLogin(body *loginBody) {
	s.rememberTokens(body.RefreshToken)
	s.mu.Lock()
	defer s.mu.Unlock()
	if body.Password != "" && body.Password != s.password.value {
		s.password, s.replacer = newSecret(body.Password), nil
	}
}

// rememberTokens remembers tokens.
func (s *secrets) rememberTokens(tokens ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, token := range tokens {
		if token != "" {
			s.setNewest(newSecret(token))
		}
	}
	s.tokens = slices.Delete(s.tokens, 0, max(0, len(s.tokens)-maxTokens))
	s.replacer = nil
}

// redact is Client.Redact.
func (s *secrets) redact(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.replacer == nil {
		s.prepare()
	}
	clean := s.replacer.Replace(text)
	if clean != text {
		// The appliance keeps texts for longer than an hour: remember the tokens that it repeats.
		for _, token := range slices.Clone(s.tokens) {
			if token.isIn(text) {
				s.setNewest(token)
			}
		}
	}
	for _, word := range s.words {
		clean = printable.ReplaceWord(clean, word, redacted, "")
	}
	return clean
}

// clean returns a text of the appliance as people may read it: redacted, printable and cut.
func (s *secrets) clean(text string, limit int) string {
	return printable.Line(s.redact(text), limit)
}

// setNewest makes a token the newest one.
func (s *secrets) setNewest(token secret) {
	s.tokens = append(slices.DeleteFunc(s.tokens, func(t secret) bool { return t.value == token.value }), token)
}

// prepare makes the replacer and the words. Of two forms that begin at the same place, the longer one
// counts.
func (s *secrets) prepare() {
	s.words = nil
	var forms []string
	for _, secret := range append(slices.Clip(s.tokens), s.password, s.proxy) {
		forms = append(forms, secret.forms...)
		// Redacting a part of "<secret>" itself would disclose it.
		if secret.forms == nil && len(secret.value) >= minRedacted && !strings.Contains(redacted, secret.value) {
			s.words = append(s.words, secret.value)
		}
	}
	slices.SortFunc(forms, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	pairs := make([]string, 0, 2*len(forms))
	for _, form := range forms {
		pairs = append(pairs, form, redacted)
	}
	s.replacer = strings.NewReplacer(pairs...)
}

// formsOf returns a secret as it is, and as encoded by Go, JSON, JSON pointers, URLs, HTML, base64 and
// hexadecimal digits.
func formsOf(secret string) []string {
	inner := func(quoted string) string { return quoted[1 : len(quoted)-1] }
	forms := []string{
		secret, inner(fmt.Sprintf("%q", secret)), strings.NewReplacer("~", "~0", "/", "~1").Replace(secret),
		url.QueryEscape(secret), url.PathEscape(secret), html.EscapeString(secret),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawStdEncoding.EncodeToString([]byte(secret)),
		base64.RawURLEncoding.EncodeToString([]byte(secret)),
		hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret))),
	}
	if quoted, err := json.Marshal(secret); err == nil {
		forms = append(forms, inner(string(quoted)))
	}
	// An error may quote what a response has quoted already.
	for _, form := range forms {
		forms = append(forms, inner(fmt.Sprintf("%q", form)))
	}
	slices.Sort(forms)
	return slices.Compact(forms)
}

// redactError returns an error whose text has no secret and is printable. If that changes it, the
// result does not wrap err, which would still show it, but has the same reason. An APIError stays as
// it is: its fields are clean, and a password may be a word of the sentence around them.
func (s *secrets) redactError(err error) error {
	if _, ok := errors.AsType[*APIError](err); ok || err == nil {
		return err
	}
	text := err.Error()
	if clean := s.clean(text, maxError); clean != text {
		return reason.New(reason.Of(err), errors.New(clean), reason.HintOf(err))
	}
	return err
}
