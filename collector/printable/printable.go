// Package printable makes what an appliance wrote safe to read: in the log, on the status page and in
// the output of commands. Labels of metrics have names as the appliance gives them.
//
// Secrets must be redacted first: a secret that is cut in two is not found any more.
package printable

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Ellipsis ends a text that was cut.
const Ellipsis = "…"

// Line returns a text as Text does, in at most limit bytes.
func Line(text string, limit int) string { return Shorten(Text(text), limit) }

// Text returns a text as one line of UTF-8 in which every character is visible. White space becomes a
// blank, and a byte that is not UTF-8 becomes U+FFFD. Any other invisible character, for example one
// that controls a terminal or the direction of text, becomes its number: \u{202E}.
func Text(text string) string {
	if isVisibleASCII(text) || !strings.ContainsFunc(text, func(r rune) bool { return r == utf8.RuneError || !isVisible(r) }) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case isVisible(r):
			b.WriteRune(r)
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		default:
			fmt.Fprintf(&b, `\u{%X}`, r)
		}
	}
	return b.String()
}

// isVisibleASCII reports whether a text has only visible ASCII characters and blanks. Most texts do, and
// bytes are faster to check than characters.
func isVisibleASCII(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// isVisible reports whether a character is visible or a blank. Unicode has letters and marks that are
// rendered as nothing, such as the Hangul fillers.
func isVisible(r rune) bool {
	if r < utf8.RuneSelf {
		return ' ' <= r && r <= '~'
	}
	return unicode.IsPrint(r) && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// Shorten returns a text in at most limit bytes. A longer one is cut at the end of a character and ends
// with Ellipsis.
func Shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	end := max(0, limit-len(Ellipsis))
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + Ellipsis
}

// ReplaceWord replaces a word of a text that is not a part of a longer word, which is made of letters, digits and
// the characters in more. An empty word is not found.
func ReplaceWord(text, word, replacement, more string) string {
	if word == "" {
		return text
	}
	inWord := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(more, r) }
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
			b.WriteString(replacement)
		}
		text = after
	}
}
