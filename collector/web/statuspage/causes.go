package statuspage

import (
	"errors"
	"hash/fnv"
	"regexp"
	"strconv"
	"strings"
	"time"

	"cckm_sync_exporter/collector/printable"
	"cckm_sync_exporter/collector/state"
	"cckm_sync_exporter/collector/syncjob"
)

// cause is what rows that need attention have in common: a text of the appliance except for names, ids and times,
// or that no job was started.
type cause struct {
	// key is the cause in the query string.
	key string
	// state is Failed, PartlyFailed if all of the rows are, or Overdue.
	state state.State
	// text is that of the first row; common is text without what can differ, and differs is true if that
	// was needed.
	text, common string
	differs      bool
	// count is the number of rows.
	count int
	// since is the earliest time since which one of them has no success, by this host's clock; atLeast is
	// true if it may be earlier.
	since   time.Time
	atLeast bool
	// places are the lists, with their target if it has a name.
	places []string
}

// noJob is the text of an overdue scope whose jobs succeeded.
const noJob = "no job was started after the last success"

// countCause counts a row and returns its cause, or nil if it has none.
func (s *survey) countCause(r *row) *cause {
	first := causeOf(r)
	if first == nil {
		return nil
	}
	found := s.byText[first.common]
	if found == nil {
		sum := fnv.New64a()
		_, _ = sum.Write([]byte(first.common)) // It has no errors.
		first.key = strconv.FormatUint(sum.Sum64(), 36)
		found = first
		s.byText[found.common] = found
		s.causes = append(s.causes, found)
	}
	found.count++
	found.differs = found.differs || found.text != first.text
	found.state = min(found.state, first.state)
	if !first.since.IsZero() && (found.since.IsZero() || first.since.Before(found.since)) {
		found.since, found.atLeast = first.since, first.atLeast
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

// causeOf returns the cause of one row, without its key, or nil if it has none.
func causeOf(r *row) *cause {
	s := r.scope
	since, atLeast := failingSince(s)
	c := &cause{since: r.target.ours(since), atLeast: atLeast}
	switch {
	case r.states.Has(state.Failed), r.states.Has(state.PartlyFailed):
		c.text, c.common = s.Last.Text, withoutNames(s.Last.Text, r)
		c.state = state.Failed
		if r.states.Has(state.PartlyFailed) {
			c.state = state.PartlyFailed
		}
	case r.states.Has(state.Overdue) && s.Last != nil && s.Last.Status == syncjob.Completed && s.Newest.ID == s.Last.ID:
		c.text, c.common, c.state, c.since = noJob, noJob, state.Overdue, r.target.ours(s.LastSuccess)
	default:
		return nil
	}
	return c
}

// findCause returns the cause with a key, or nil.
func (s *survey) findCause(key string) *cause {
	for _, each := range s.causes {
		if each.key == key {
			return each
		}
	}
	return nil
}

// said returns the text that stands for all rows of the cause.
func (c *cause) said() said {
	switch {
	case c.state == state.Overdue:
		return said{Cause: c.text, Ours: true}
	case c.differs:
		return jobText(c.common)
	default:
		return jobText(c.text)
	}
}

// differing are the parts of a text that differ between failures of one cause: UUIDs and other long
// hexadecimal numbers, and times.
var differing = regexp.MustCompile(`\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b|\b[0-9a-fA-F]{16,}\b|\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*Z?`)

// withoutNames returns a text without the row's names, ids and times.
func withoutNames(text string, r *row) string {
	name := r.scope.Name
	for _, word := range []string{name, r.latest.List.Identify(name).Name} {
		text = printable.ReplaceWord(text, word, printable.Ellipsis, "-_")
	}
	return differing.ReplaceAllString(text, printable.Ellipsis)
}

// said is a text that is split for people: what happened first, then where. It is the appliance's unless Ours.
type said struct {
	Cause, Where string
	Ours         bool
}

// jobText splits a text of detailed_status.
func jobText(text string) said {
	cause, where := syncjob.Cause(text)
	return said{Cause: printable.Line(cause, maxWords), Where: printable.Line(where, maxWords)}
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
	return said{Cause: printable.Line(inner.Error(), maxWords), Where: printable.Line(strings.Trim(where, " :"), maxWords)}
}
