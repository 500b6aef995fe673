package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"cckm_sync_exporter/collector/printable"
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

// addf adds a mistake: the file, the line, the key, and what to do.
func (r *reader) addf(at place, format string, args ...any) {
	if r.full() {
		return
	}
	where := r.file + ":"
	if at.line > 0 {
		where += strconv.Itoa(at.line) + ":"
	}
	if at.key != "" {
		where += " " + at.key + ":"
	}
	r.mistakes[at.line] = append(r.mistakes[at.line], fmt.Errorf("%s "+format, append([]any{where}, args...)...))
	r.found++
}

// full reports whether the search can stop.
func (r *reader) full() bool { return r.found >= maxMistakes }

// err returns the mistakes in the order of their lines, or nil.
func (r *reader) err() error {
	all := make([]error, 0, r.found+1)
	for _, line := range slices.Sorted(maps.Keys(r.mistakes)) {
		all = append(all, r.mistakes[line]...)
	}
	if r.full() {
		all = append(all, fmt.Errorf("%s: has %d mistakes or more; only these are shown", r.file, maxMistakes))
	}
	return errors.Join(all...)
}

// longestShown bounds the words and values of the file that a message repeats, in bytes.
const longestShown = 64

// shown returns a key or name for a message: unchanged if it is a short word, else quoted and cut.
func shown(text string) string {
	if len(text) <= longestShown && text != "" && only(text, isWord) {
		return text
	}
	return quoted(text)
}

func quoted(text string) string { return strconv.Quote(printable.Shorten(text, longestShown)) }

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
