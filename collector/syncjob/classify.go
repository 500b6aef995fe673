package syncjob

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"cckm_sync_exporter/collector/printable"
)

// MaxText is the largest size of an overall_status, and of a text of detailed_status, in bytes. The
// decoder cuts longer ones: a broken appliance may send megabytes for each of 20,000 scopes.
const MaxText = 512

// Meaning is what a text of detailed_status means for its scope's status. With the zero
// value, Detail.Text decides.
type Meaning uint8

const (
	_ Meaning = iota
	// meansNothing means that the scope has the job's own status: there is no text, or
	// it is a form of in_progress.
	meansNothing
	meansCompleted
	meansFailed
	meansAborted
	// meansUnknown is any other text. It never counts as a success.
	meansUnknown
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

// word is a word, or a part of words, in lower case. It has at least three letters.
type word struct {
	text string
	kind evidence
	// begins and ends report whether a word must begin with it and end with it.
	begins, ends bool
}

// textWords are the words by which texts are classified. The API's documentation has only two kinds
// of text, "in_progress" and "… synchronized successfully". The words for failures are those of the
// clouds' error messages, which CipherTrust Manager repeats elsewhere.
// They are grouped by their first three letters: wordGroups has the number of the group for each
// three letters (see appendLetter), and words the groups. Group 0 is empty.
//
//nolint:gochecknoglobals // Immutable tables.
var wordGroups, words = func() (groups [maxLetters + 1]uint8, words [][]word) {
	words = [][]word{nil}
	add := func(w word) {
		letters := 0
		for i := range lettersInGroup {
			letters = appendLetter(letters, w.text[i])
		}
		if groups[letters] == 0 {
			groups[letters] = uint8(len(words)) // There are fewer than 256 groups.
			words = append(words, nil)
		}
		words[groups[letters]] = append(words[groups[letters]], w)
	}
	for _, text := range []string{
		"fail", "error", "denied", "forbidden", "unauthorized", "not authorized", "unable", "cannot", "not found",
		"timed out", "timeout", "invalid", "unsuccessful", "exception", "exceeded", "refused", "unavailable",
		"unreachable", "not reachable", "throttl", "too many", "toomany", "quota", "expired", "reset by",
		"no such host", "aadsts",
	} {
		add(word{text: text, kind: failure})
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
		add(w)
	}
	return groups, words
}()

const (
	lettersInGroup = 3
	// maxLetters is the largest result of appendLetter.
	maxLetters = 1<<(5*lettersInGroup) - 1
)

// appendLetter returns the last three letters of a text after c is appended, given those before, in five
// bits each. Upper and lower case have the same bits. Other characters share the bits of letters, so
// equal bits only mean that a word may be there.
func appendLetter(letters int, c byte) int { return (letters<<5 | int(c)&31) & maxLetters }

// MeaningOf returns the meaning of a text of at most MaxText bytes.
//
// The documented ending of a success is checked first, because a scope's name in the text may
// contain any word: "failover-vault synchronized successfully".
func MeaningOf(text string) Meaning {
	// A text that was cut is never a success: what was cut off may deny it.
	cut := len(text) > MaxText-utf8.UTFMax && strings.HasSuffix(text, printable.Ellipsis)
	text = strings.TrimSpace(text)
	if text == "" || isFormOf(text, OverallInProgress) {
		return meansNothing
	}
	const documented = "synchronized successfully"
	found, denied := search(text)
	switch {
	case !denied && hasPrefixFold(text[max(0, len(text)-len(documented)):], documented):
		return meansCompleted
	case found&failure != 0:
		return meansFailed
	case found&abort != 0:
		return meansAborted
	case found&success != 0 && !denied && !cut:
		return meansCompleted
	default:
		return meansUnknown
	}
}

// search returns the kinds of words in a text, and whether the text denies a success.
func search(text string) (found evidence, denied bool) {
	letters := 0
	for i := range len(text) {
		letters = appendLetter(letters, text[i])
		group := wordGroups[letters]
		if group == 0 {
			continue
		}
		start := i + 1 - lettersInGroup
		for _, word := range words[group] {
			if start < 0 || !word.isAt(text, start) {
				continue
			}
			found |= word.kind
			if word.kind == negation {
				denied = denied || deniesSuccess(text[start+len(word.text):])
			}
		}
	}
	return found, denied
}

// isAt reports whether the word is at index i of a text.
func (w *word) isAt(text string, i int) bool {
	end := i + len(w.text)
	return hasPrefixFold(text[i:], w.text) &&
		(!w.begins || i == 0 || !isWordByte(text[i-1])) && (!w.ends || end == len(text) || !isWordByte(text[end]))
}

// hasPrefixFold reports whether a text begins with a prefix in lower case, ignoring the case of ASCII
// letters.
func hasPrefixFold(text, prefix string) bool {
	if len(text) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if lowerByte(text[i]) != prefix[i] {
			return false
		}
	}
	return true
}

// deniesSuccess reports whether what follows "not" makes it deny a success, as in
// "could not yet be synchronized successfully".
func deniesSuccess(rest string) bool {
	if next, _ := utf8.DecodeRuneInString(rest); !unicode.IsSpace(next) {
		return false // "notwithstanding"
	}
	for word := range strings.FieldsSeq(rest) {
		word = strings.ToLower(word)
		switch word {
		case "be", "been", "yet", "fully":
			continue
		}
		for _, success := range [...]string{"synchronized", "complete", "success", "refreshed"} {
			if strings.HasPrefix(word, success) {
				return true
			}
		}
		return false
	}
	return false
}

func isWordByte(c byte) bool {
	c = lowerByte(c)
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z'
}

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
