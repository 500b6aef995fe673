package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// maxMistakes is the number of mistakes that are reported. A file with more is probably the wrong
// file.
const maxMistakes = 100

// place is a place in the file. An empty key means the whole file, line 0 no line.
type place struct {
	line int
	key  string
}

// below returns the place of a key within a mapping.
func (p place) below(e entry) place {
	key := shown(e.key)
	if p.key != "" {
		key = p.key + "." + key
	}
	return place{line: e.line, key: key}
}

// item returns the key of an item of a list.
func (p place) item(i int) string { return p.key + "[" + strconv.Itoa(i) + "]" }

// mistake is one mistake in the file.
type mistake struct {
	file string
	at   place
	text string
}

// Error implements error: the file, the line, the key, and what to do.
func (m *mistake) Error() string {
	where := m.file + ":"
	if m.at.line > 0 {
		where += strconv.Itoa(m.at.line) + ":"
	}
	if m.at.key != "" {
		where += " " + m.at.key + ":"
	}
	return where + " " + m.text
}

// mistakes collects the mistakes of a file.
type mistakes struct {
	file string
	all  []*mistake
}

func (m *mistakes) addf(at place, format string, args ...any) {
	if !m.full() {
		m.all = append(m.all, &mistake{file: m.file, at: at, text: fmt.Sprintf(format, args...)})
	}
}

// full reports whether the search can stop.
func (m *mistakes) full() bool { return len(m.all) >= maxMistakes }

// err returns the mistakes in the order of their lines, or nil.
func (m *mistakes) err() error {
	slices.SortStableFunc(m.all, func(a, b *mistake) int { return cmp.Compare(a.at.line, b.at.line) })
	all := make([]error, 0, len(m.all)+1)
	for _, one := range m.all {
		all = append(all, one)
	}
	if m.full() {
		all = append(all, &mistake{
			file: m.file,
			text: fmt.Sprintf("has %d mistakes or more; only these are shown", maxMistakes),
		})
	}
	return errors.Join(all...)
}

// shown returns a key or name for a message: unchanged if it is a short word, else quoted and cut.
func shown(text string) string {
	const longest = 64
	if len(text) <= longest && text != "" && only(text, isWord) {
		return text
	}
	return quoted(text)
}

// quoted returns a text in quotes, cut to 64 bytes.
func quoted(text string) string {
	const longest = 64
	if len(text) <= longest {
		return strconv.Quote(text)
	}
	cut := longest
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return strconv.Quote(text[:cut]) + "…"
}

// only reports whether every byte of a text is allowed.
func only(text string, allowed func(byte) bool) bool {
	for i := range len(text) {
		if !allowed(text[i]) {
			return false
		}
	}
	return true
}

// isWord reports whether a byte may be in a target's name.
func isWord(b byte) bool { return isAlphanumeric(b) || b == '-' || b == '_' || b == '.' }

func isAlphanumeric(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9'
}
