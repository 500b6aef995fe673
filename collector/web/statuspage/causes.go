package statuspage

import (
	"errors"
	"hash/fnv"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"cckm_sync_exporter/collector/printable"
	"cckm_sync_exporter/collector/state"
	"cckm_sync_exporter/collector/syncjob"
)

// cause is a text of the appliance that failed scopes have in common, except for names, ids and times.
type cause struct {
	// key is the cause in the query string.
	key string
	// text is that of the first scope; common is text without what can differ, and differs is true if
	// that was needed.
	text, common string
	differs      bool
	// count is the number of scopes, and partly of those that are partly failed.
	count, partly int
	// since is the earliest time since which one of them fails, by this host's clock; atLeast is true if it
	// may be earlier.
	since   time.Time
	atLeast bool
	// places are the lists, with their target if it has a name.
	places []string
}

// causes are the causes in the order in which they were found.
type causes struct {
	all    []*cause
	common map[string]*cause
}

func newCauses() *causes { return &causes{common: map[string]*cause{}} }

// add counts a failed row and returns its cause.
func (c *causes) add(r *row) *cause {
	text := r.scope.Last.Text
	common := withoutNames(text, r)
	found := c.common[common]
	if found == nil {
		sum := fnv.New64a()
		_, _ = sum.Write([]byte(common)) // It has no errors.
		found = &cause{key: strconv.FormatUint(sum.Sum64(), 36), text: text, common: common}
		c.common[common] = found
		c.all = append(c.all, found)
	}
	found.count++
	found.differs = found.differs || found.text != text
	if r.states.Has(state.PartlyFailed) {
		found.partly++
	}
	if since, atLeast := failingSince(r.scope); !since.IsZero() {
		since = since.Add(-r.target.ClockOffset)
		if found.since.IsZero() || since.Before(found.since) {
			found.since, found.atLeast = since, atLeast
		}
	}
	place := r.latest.List.Name
	if r.target.Name != "" {
		place = r.target.Name + ": " + place
	}
	// Rows are added list by list.
	if n := len(found.places); n == 0 || found.places[n-1] != place {
		found.places = append(found.places, place)
	}
	return found
}

// find returns the cause with a key, or nil.
func (c *causes) find(key string) *cause {
	for _, each := range c.all {
		if each.key == key {
			return each
		}
	}
	return nil
}

// shown returns the text that stands for all scopes of the cause.
func (c *cause) shown() string {
	if c.differs {
		return c.common
	}
	return c.text
}

// differing are the parts of a text that differ between failures of one cause: UUIDs and other long
// hexadecimal numbers, and times.
var differing = regexp.MustCompile(`\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b|\b[0-9a-fA-F]{16,}\b|\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*Z?`)

// withoutNames returns a text without the row's names, ids and times.
func withoutNames(text string, r *row) string {
	name := r.scope.Name
	text = withoutWord(text, name)
	if short := r.latest.List.Identify(name).Name; short != name {
		text = withoutWord(text, short)
	}
	return differing.ReplaceAllString(text, printable.Ellipsis)
}

// withoutWord replaces a word of a text by an ellipsis. Within another word it stays.
func withoutWord(text, word string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, word)
		if !found || word == "" {
			b.WriteString(text)
			return b.String()
		}
		last, _ := utf8.DecodeLastRuneInString(before)
		next, _ := utf8.DecodeRuneInString(after)
		b.WriteString(before)
		if isWord(last) || isWord(next) {
			b.WriteString(word)
		} else {
			b.WriteString(printable.Ellipsis)
		}
		text = after
	}
}

func isWord(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_')
}

// said is a text that is split for people: what happened first, then where.
type said struct{ Cause, Where string }

// jobText splits a text of detailed_status.
func jobText(text string) said {
	cause, where := syncjob.Cause(text)
	return said{printable.Line(cause, maxWords), printable.Line(where, maxWords)}
}

// errorText splits the text of an error at its innermost error.
func errorText(err error) said {
	text, inner := err.Error(), err
	for next := errors.Unwrap(inner); next != nil; next = errors.Unwrap(inner) {
		inner = next
	}
	where, found := strings.CutSuffix(text, inner.Error())
	if !found {
		return said{Cause: printable.Line(text, maxWords)}
	}
	return said{printable.Line(inner.Error(), maxWords), printable.Line(strings.Trim(where, " :"), maxWords)}
}
