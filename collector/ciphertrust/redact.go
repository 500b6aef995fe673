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
	"unicode"
	"unicode/utf8"

	"cckm_sync_exporter/collector/reason"
)

// maxTokens bounds how many tokens and refresh tokens are remembered. It is enough for about an hour.
const maxTokens = 32

// secrets are the secrets that were sent or received. The appliance, or a proxy, may repeat in any
// response what it was sent, and errors quote responses.
type secrets struct {
	mu       sync.Mutex
	password string
	tokens   []string
	// forms are all forms of the secrets that are long enough; nil if they must be computed again.
	// words are the shorter secrets.
	forms, words []string
}

// Redact redacts the secrets of this client in a text of the appliance: the password, and the last 32
// tokens and refresh tokens that were sent or received. It finds them as they are and as encoded in
// JSON, URLs, HTML, base64 and hexadecimal digits.
//
// A secret of less than eight characters is redacted only as a separate word, and one of less than
// four bytes is not redacted. If the text ends with an ellipsis, it was cut: then the beginning of a
// secret before the ellipsis is redacted as well.
func (c *Client) Redact(text string) string { return c.secrets.redact(text) }

// rememberLogin remembers the secrets of a login. Its password replaces the one before.
func (s *secrets) rememberLogin(body *loginBody) {
	s.rememberTokens(body.RefreshToken)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.password = cmp.Or(body.Password, s.password)
	s.forms = nil
}

// rememberTokens remembers tokens.
func (s *secrets) rememberTokens(tokens ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, token := range tokens {
		if token == "" {
			continue
		}
		// A token that is still in use becomes the newest again.
		s.tokens = append(slices.DeleteFunc(s.tokens, func(t string) bool { return t == token }), token)
	}
	s.tokens = slices.Delete(s.tokens, 0, max(0, len(s.tokens)-maxTokens))
	s.forms = nil
}

// redact is Client.Redact. It must be called before a text is cut, which could cut a secret in two, unless
// the text ends with an ellipsis then.
func (s *secrets) redact(text string) string {
	forms, words := s.known()
	for _, form := range forms {
		text = strings.ReplaceAll(text, form, redacted)
	}
	for _, word := range words {
		text = redactWord(text, word)
	}
	if rest, wasCut := strings.CutSuffix(text, ellipsis); wasCut {
		text = redactPrefix(rest, forms) + ellipsis
	}
	return text
}

// known returns all forms of the long secrets, and the short ones as they are.
func (s *secrets) known() (forms, words []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.forms != nil {
		return s.forms, s.words
	}
	s.forms, s.words = []string{}, nil
	for _, secret := range append(slices.Clone(s.tokens), s.password) {
		if isShort(secret) {
			// Redacting a part of "<secret>" itself would disclose it.
			if len(secret) >= minPrefix && !strings.Contains(redacted, secret) {
				s.words = append(s.words, secret)
			}
			continue
		}
		for _, form := range formsOf(secret) {
			if !slices.Contains(s.forms, form) {
				s.forms = append(s.forms, form)
			}
		}
	}
	return s.forms, s.words
}

const (
	// ellipsis is what ends a text that was cut.
	ellipsis = "…"
	// minPrefix is the smallest number of bytes of a secret's beginning that is redacted. Fewer are
	// more likely the beginning of an ordinary word.
	minPrefix = 4
	// minReliable is the smallest number of characters of a secret that is redacted anywhere in a
	// text. A shorter one occurs in texts by chance, and redacting it discloses it:
	// "htt<secret>s://" reveals the password "p".
	minReliable = 8
)

func isShort(secret string) bool { return utf8.RuneCountInString(secret) < minReliable }

// redactWord redacts a short secret if it is a separate word.
func redactWord(text, word string) string {
	inWord := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, word)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		last, _ := utf8.DecodeLastRuneInString(b.String())
		next, _ := utf8.DecodeRuneInString(after)
		if inWord(last) || inWord(next) {
			b.WriteString(word)
		} else {
			b.WriteString(redacted)
		}
		text = after
	}
}

// redactPrefix redacts the beginning of a secret at the end of a text.
func redactPrefix(text string, forms []string) string {
	from := len(text)
	for _, form := range forms {
		if len(form) <= minPrefix {
			continue
		}
		for at := max(0, len(text)-len(form)); at < from; at++ {
			next := strings.Index(text[at:], form[:minPrefix])
			if next < 0 {
				break
			}
			if at += next; strings.HasPrefix(form, text[at:]) {
				from = min(from, at)
			}
		}
	}
	if from == len(text) {
		return text
	}
	return text[:from] + redacted
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
	return forms
}

// redactError returns an error whose text has no secret. If err has one, the result does not wrap err,
// which would still show it, but has the same reason. An APIError stays as it is: its fields are
// redacted, and a password may be a word of the sentence around them.
func (s *secrets) redactError(err error) error {
	if _, ok := errors.AsType[*APIError](err); ok || err == nil {
		return err
	}
	text := err.Error()
	if clean := s.redact(text); clean != text {
		return reason.New(reason.Of(err), errors.New(clean), reason.RemedyOf(err))
	}
	return err
}
