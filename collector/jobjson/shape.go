package jobjson

import "bytes"

// A list's records repeat each other: the same fields in the same order, and
// only the contents of some strings differ. A shape is a record without those
// contents.
//
// What is a record is jsontext's to say, which takes half of the time that a
// page takes. A record that has the shape of one that jsontext has accepted it
// would accept as well, and is not shown to it: where a JSON text has a string,
// a list of strings or an object of strings, any other one of plain strings can
// stand in its place, as long as a plain string is one of ASCII characters
// without quotes, backslashes and control characters. That is all that is known
// of JSON here; whatever else a record may hold must be the same, byte by byte.
type shape struct {
	// literals are the bytes around the slots, one after another.
	literals []byte
	slots    []slot
	// abort is what the record says by its literals.
	abort bool
}

// slot is a place in a record that holds something else in each.
type slot struct {
	// literal is where the literal that ends before the slot ends in literals.
	literal int
	form    form
	field   field
}

// form is what a slot holds.
type form uint8

const (
	// aString is the content of a string.
	aString form = iota
	// aList is the content of an array of one string or more.
	aList
	// anObject is the content of an object whose one or more values are strings.
	anObject
)

// field is a field of a job that is read.
type field uint8

const (
	fieldOther field = iota
	fieldID
	fieldOverallStatus
	fieldAbort
	fieldCreatedAt
	fieldUpdatedAt
	fieldCompletedAt
	fieldDetailedStatus
	fieldScopes

	numFields
)

// found is what a record that has a shape holds in its slots. It is good as long
// as the record's bytes are.
type found struct {
	texts  [numFields][]byte
	scopes [][]byte
	// details are the names and the texts of detailed_status by turns.
	details [][]byte
	abort   bool
}

// hasLongName reports whether a name is longer than maxNameBytes.
func (f *found) hasLongName() bool {
	long := len(f.texts[fieldID]) > maxNameBytes
	for _, scope := range f.scopes {
		long = long || len(scope) > maxNameBytes
	}
	for i := 0; i < len(f.details); i += 2 {
		long = long || len(f.details[i]) > maxNameBytes
	}
	return long
}

// verdict says whether bytes begin with a record of a shape.
type verdict uint8

const (
	matches verdict = iota
	differs
	// tooShort means that more bytes have to tell.
	tooShort
)

// match says whether b begins with a record of the shape, and how long it is.
func (s *shape) match(b []byte, f *found) (n int, v verdict) {
	f.texts, f.abort = [numFields][]byte{}, s.abort
	f.scopes, f.details = f.scopes[:0], f.details[:0]
	m := matcher{b: b}
	from := 0
	for i := range s.slots {
		slot := &s.slots[i]
		if !m.literal(s.literals[from:slot.literal]) {
			return 0, m.verdict
		}
		from = slot.literal
		switch slot.form {
		case aString:
			f.texts[slot.field] = m.plain()
			if slot.field == fieldScopes {
				f.scopes = append(f.scopes, f.texts[fieldScopes])
			}
		case aList:
			m.list(slot.field, f)
		case anObject:
			m.object(slot.field, f)
		}
	}
	if !m.literal(s.literals[from:]) {
		return 0, m.verdict
	}
	return m.at, matches
}

// learn makes the shape of a record, which jsontext has accepted, and says
// whether it has one: a record with escapes, other characters than ASCII or
// deeper values has none.
func (s *shape) learn(record []byte, fieldOf func(name []byte) field) bool {
	s.literals, s.slots, s.abort = s.literals[:0], s.slots[:0], false
	m := matcher{b: record}
	// What stands from there on is not in literals yet.
	from := 0
	for sign := byte('{'); m.next(sign); sign = ',' {
		if !m.next('"') {
			return false
		}
		field := fieldOf(m.plain())
		if !m.next('"') || !m.next(':') {
			return false
		}
		first := m.peek()
		form, closing, isSlot := formOf(first)
		if field == fieldAbort {
			s.abort = first == 't'
		}
		if !isSlot {
			m.at += max(0, bytes.IndexAny(record[m.at:], ",} \t\r\n"))
			continue
		}
		m.at++
		if form != aString && m.at < len(record) && record[m.at] == closing {
			// An empty one holds nothing that may differ.
			m.at++
			continue
		}
		s.literals = append(s.literals, record[from:m.at]...)
		s.slots = append(s.slots, slot{literal: len(s.literals), form: form, field: field})
		m.skip(form)
		from = m.at
		if !m.next(closing) {
			return false
		}
	}
	if m.verdict != matches || !m.next('}') || m.at != len(record) {
		return false
	}
	s.literals = append(s.literals, record[from:]...)
	return true
}

// formOf returns what a value is that begins with a sign, and how it is closed.
func formOf(first byte) (f form, closing byte, isSlot bool) {
	switch first {
	case '"':
		return aString, '"', true
	case '[':
		return aList, ']', true
	case '{':
		return anObject, '}', true
	default:
		return 0, 0, false
	}
}
