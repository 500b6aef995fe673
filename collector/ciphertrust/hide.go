package ciphertrust

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"cckm_sync_exporter/collector/reason"
)

// maxTokens bounds how many tokens and refresh tokens are remembered: those of
// the last hour or so.
const maxTokens = 32

// secrets are those that went over the wire. An appliance, or a proxy on the way,
// may repeat in any answer what it was ever sent, and errors repeat answers.
type secrets struct {
	mu       sync.Mutex
	password string
	tokens   []string
	// forms are those of all secrets that are long enough, or nil until they are
	// needed. words are the shorter secrets.
	forms, words []string
}

// Hide takes out of a text of the appliance whatever secret of this client it
// repeats: the password, tokens and refresh tokens that went over the wire so far,
// as they are and as JSON, URLs, base64 and hexadecimal digits write them. A secret
// of less than eight characters is taken out only as a word of its own, one of less
// than four bytes stays. Where a text was cut, which an ellipsis at its end tells, the beginning of a secret
// before the ellipsis is taken out as well. A token that was sent long ago (32
// tokens are remembered), or by another process, is not known.
func (c *Client) Hide(text string) string { return c.secrets.hide(text) }

// rememberLogin has the secrets of a login hidden from now on. Its password takes
// the place of the last one.
func (s *secrets) rememberLogin(body *loginBody) {
	s.rememberTokens(body.RefreshToken)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.password = cmp.Or(body.Password, s.password)
	s.forms = nil
}

// rememberTokens has tokens hidden from now on.
func (s *secrets) rememberTokens(tokens ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, token := range tokens {
		if token == "" {
			continue
		}
		// One that is still in use is not to be forgotten for newer ones.
		s.tokens = append(slices.DeleteFunc(s.tokens, func(t string) bool { return t == token }), token)
	}
	s.tokens = slices.Delete(s.tokens, 0, max(0, len(s.tokens)-maxTokens))
	s.forms = nil
}

// hide takes the secrets out of a text, in each form in which an answer or an
// error may repeat them. It has to come before the text is shortened, which could
// cut a secret in two, or else an ellipsis has to tell that it was.
func (s *secrets) hide(text string) string {
	forms, words := s.known()
	for _, form := range forms {
		text = strings.ReplaceAll(text, form, hidden)
	}
	for _, word := range words {
		text = hideWord(text, word)
	}
	if rest, wasCut := strings.CutSuffix(text, ellipsis); wasCut {
		text = hideBeginning(rest, forms) + ellipsis
	}
	return text
}

// known returns the secrets in each of their forms, and the short ones as they
// are.
func (s *secrets) known() (forms, words []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.forms != nil {
		return s.forms, s.words
	}
	s.forms, s.words = []string{}, nil
	for _, secret := range append(slices.Clone(s.tokens), s.password) {
		if isShort(secret) {
			// Redacting a part of the mark itself would disclose it.
			if len(secret) >= telling && !strings.Contains(hidden, secret) {
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
	// telling is how many bytes of a secret's beginning are worth hiding: fewer
	// are as likely the beginning of an ordinary word.
	telling = 4
	// reliable is how many characters a secret needs to be redacted anywhere in a
	// text. A shorter one occurs in texts by chance, and redacting it discloses it:
	// "htt<secret>s://" reveals the password "p".
	reliable = 8
)

func isShort(secret string) bool { return utf8.RuneCountInString(secret) < reliable }

// hideWord redacts a short secret where it is a word of its own.
func hideWord(text, word string) string {
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
			b.WriteString(hidden)
		}
		text = after
	}
}

// hideBeginning takes the beginning of a secret off the end of a text.
func hideBeginning(text string, forms []string) string {
	from := len(text)
	for _, form := range forms {
		if len(form) <= telling {
			continue
		}
		for at := max(0, len(text)-len(form)); at < from; at++ {
			next := strings.Index(text[at:], form[:telling])
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
	return text[:from] + hidden
}

// formsOf returns a secret as it is, and as Go, JSON, JSON pointers, URLs, base64
// and hexadecimal digits write it.
func formsOf(secret string) []string {
	inner := func(quoted string) string { return quoted[1 : len(quoted)-1] }
	forms := []string{
		secret, inner(fmt.Sprintf("%q", secret)), strings.NewReplacer("~", "~0", "/", "~1").Replace(secret),
		url.QueryEscape(secret), url.PathEscape(secret),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawStdEncoding.EncodeToString([]byte(secret)),
		base64.RawURLEncoding.EncodeToString([]byte(secret)),
		hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret))),
	}
	if quoted, err := json.Marshal(secret); err == nil {
		forms = append(forms, inner(string(quoted)))
	}
	// An error quotes what an answer has quoted already.
	for _, form := range forms {
		forms = append(forms, inner(fmt.Sprintf("%q", form)))
	}
	return forms
}

// hideIn returns an error whose text shows no secret. One whose text does shows
// it in what it wraps as well, of which only the reason is left. An error of the
// appliance's own stays as it is: no secret is in its fields, and a password may
// be a word of the sentence around them.
func (s *secrets) hideIn(err error) error {
	if _, ok := errors.AsType[*APIError](err); ok || err == nil {
		return err
	}
	text := err.Error()
	if clean := s.hide(text); clean != text {
		return reason.New(reason.Of(err), errors.New(clean), reason.RemedyOf(err))
	}
	return err
}
