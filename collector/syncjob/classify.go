package syncjob

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"cckm_sync_exporter/collector/printable"
)

// Meaning is what a text of detailed_status means for its scope's status. The zero value stands for
// the meaning of Detail.Text.
type Meaning uint8

const (
	_ Meaning = iota
	// saysNothing means that the scope has the job's own status: there is no text, or
	// it is a form of in_progress.
	saysNothing
	saysCompleted
	saysFailed
	saysAborted
	// saysUnknown is any other text. It never counts as a success.
	saysUnknown
)

// evidence is the set of the kinds of words that a text contains.
type evidence uint8

const (
	failure evidence = 1 << iota
	abort
	success
	// negation denies a success only if one follows it: "not yet synchronized".
	negation
)

// word is a word, or a part of words, that a text in lower case may contain.
type word struct {
	text string
	kind evidence
	// begins and ends report whether a word must begin with it and end with it.
	begins, ends bool
}

// dictionary holds words by their first byte.
type dictionary struct {
	words [256][]word
	// seconds has, for each first byte, a set of the second bytes of its words. With it, search
	// skips most positions of a text.
	seconds [256]uint32
}

func (d *dictionary) add(w word) {
	first := w.text[0]
	d.words[first] = append(d.words[first], w)
	d.seconds[first] |= bitOf(w.text[1])
}

// bitOf returns the bit of a byte in a set. Few bytes of texts share one.
func bitOf(c byte) uint32 { return 1 << (c % 32) }

// textWords are the words by which texts are classified. The API's documentation has only two kinds
// of text, "in_progress" and "… synchronized successfully". The words for failures are those of the
// clouds' error messages, which CipherTrust Manager repeats elsewhere.
//
//nolint:gochecknoglobals // An immutable table.
var textWords = func() (d dictionary) {
	for _, text := range []string{
		"fail", "error", "denied", "forbidden", "unauthorized", "not authorized", "unable", "cannot", "not found",
		"timed out", "timeout", "invalid", "unsuccessful", "exception", "exceeded", "refused", "unavailable",
		"unreachable", "not reachable", "throttl", "too many", "toomany", "quota", "expired", "reset by",
		"no such host", "aadsts",
	} {
		d.add(word{text: text, kind: failure})
	}
	for _, w := range []word{
		{text: "abort", kind: abort},
		{text: "cancel", kind: abort},
		{text: "success", kind: success, begins: true},
		// "incomplete" and "completely" are not a success.
		{text: "complete", kind: success, begins: true, ends: true},
		{text: "completed", kind: success, begins: true, ends: true},
		{text: "synchronized", kind: success, begins: true, ends: true},
		{text: "refreshed", kind: success, begins: true, ends: true},
		{text: "not", kind: negation, begins: true},
		{text: "never", kind: negation, begins: true},
		{text: "n't", kind: negation},
	} {
		d.add(w)
	}
	return d
}()

// MeaningOf returns the meaning of a text of at most MaxText bytes. It does not allocate.
//
// The documented ending of a success is checked first, because a scope's name in the text may
// contain any word: "failover-vault synchronized successfully".
func MeaningOf(text string) Meaning {
	// A text that was cut is never a success: what was cut off may deny it.
	cut := len(text) > MaxText-utf8.UTFMax && strings.HasSuffix(text, printable.Ellipsis)
	text = strings.TrimSpace(text)
	if text == "" || isFormOf(text, OverallInProgress) {
		return saysNothing
	}
	var buffer [MaxText]byte
	lower := appendLower(buffer[:0], text)
	ended := bytes.HasSuffix(lower, []byte("synchronized successfully"))
	decisive := failure
	if ended {
		decisive = 0
	}
	found, denied := search(lower, decisive)
	switch {
	case ended && !denied:
		return saysCompleted
	case found&failure != 0:
		return saysFailed
	case found&abort != 0:
		return saysAborted
	case found&success != 0 && !denied && !cut:
		return saysCompleted
	default:
		return saysUnknown
	}
}

// search returns the kinds of words in a text in lower case, and whether the text denies a success.
// It stops at the first word of a decisive kind.
func search(lower []byte, decisive evidence) (found evidence, denied bool) {
	for i := range len(lower) - 1 {
		first, second := lower[i], lower[i+1]
		if textWords.seconds[first]&bitOf(second) == 0 {
			continue
		}
		words := textWords.words[first]
		for w := range words {
			word := &words[w]
			if word.text[1] != second || !word.isAt(lower, i) {
				continue
			}
			found |= word.kind
			if found&decisive != 0 {
				return found, denied
			}
			if word.kind == negation {
				denied = denied || deniesSuccess(lower[i+len(word.text):])
			}
		}
	}
	return found, denied
}

// isAt reports whether the word is at index i of a text.
func (w *word) isAt(lower []byte, i int) bool {
	end := i + len(w.text)
	if end > len(lower) || string(lower[i:end]) != w.text {
		return false
	}
	return (!w.begins || i == 0 || !isWordByte(lower[i-1])) && (!w.ends || end == len(lower) || !isWordByte(lower[end]))
}

// deniesSuccess reports whether what follows "not" makes it deny a success, as in
// "could not yet be synchronized successfully".
func deniesSuccess(rest []byte) bool {
	if next, _ := utf8.DecodeRune(rest); !unicode.IsSpace(next) {
		return false // "notwithstanding"
	}
	for word := range bytes.FieldsSeq(rest) {
		switch string(word) {
		case "be", "been", "yet", "fully":
			continue
		}
		for _, success := range [...]string{"synchronized", "complete", "success", "refreshed"} {
			if strings.HasPrefix(string(word), success) {
				return true
			}
		}
		return false
	}
	return false
}

func isWordByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z'
}

// appendLower appends a text with its ASCII letters in lower case.
func appendLower(b []byte, text string) []byte {
	start := len(b)
	b = append(b, text...)
	for i, c := range b[start:] {
		b[start+i] = lowerByte(c)
	}
	return b
}

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
