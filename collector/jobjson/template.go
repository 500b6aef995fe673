package jobjson

import (
	"bytes"
)

// template is a record without the contents of the strings that differ between records.
//
// The records of a list have the same fields in the same order; only the contents of some
// strings differ. Decoding them with jsontext takes half of the time that a page takes, so a
// record is compared with the templates of earlier records first.
//
// A record that matches a template is valid JSON and has the same fields: the template was made
// from a record that jsontext has accepted. If a string, an array of strings or an object whose
// values are strings is replaced by another one with plain strings (see plainEnd), then jsontext
// accepts the result as well. All other bytes of the record are literals, which must be equal.
type template struct {
	// literals are the bytes around the slots, one after another.
	literals []byte
	slots    []slot
	// abort is the value of the job's field abort, which is a literal.
	abort bool
}

// slot is a part of a record whose content may differ between records.
type slot struct {
	// literalEnd is the index in literals of the end of the literal before the slot.
	literalEnd int
	// closing is the character that ends the value: '"' for a string, ']' for an array of at least one
	// string, and '}' for an object of at least one member with strings as values.
	closing byte
	field   field
}

// field is a field of a job.
type field uint8

const (
	// fieldOther is any field that is not decoded.
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

// match compares the beginning of m.b with the template. If it matches, m has the record's values, and
// m.at is the record's length.
func (t *template) match(m *matcher) matchResult {
	m.reset()
	m.abort = t.abort
	literalStart := 0
	for i := range t.slots {
		slot := &t.slots[i]
		if !m.literal(t.literals[literalStart:slot.literalEnd]) {
			return m.result
		}
		literalStart = slot.literalEnd
		m.slot(slot.closing, slot.field)
	}
	m.literal(t.literals[literalStart:])
	return m.result
}

// set makes t the template of the record m.b, which jsontext has accepted. It returns false if the
// record cannot be one: it has escapes, characters other than ASCII, or values nested deeper
// than an array or object of strings. A field that is not decoded is a literal if it does not vary.
func (t *template) set(m *matcher, fieldOf func(name []byte) field, varies func(field field, name, content []byte) bool) bool {
	t.literals, t.slots, t.abort = t.literals[:0], t.slots[:0], false
	m.reset()
	record := m.b
	// literalStart is the index in record of the first byte that is not in literals yet.
	literalStart := 0
	for separator := byte('{'); m.optionalAfterSpace(separator); separator = ',' {
		if !m.optionalAfterSpace('"') {
			return false
		}
		name := m.plain()
		field := fieldOf(name)
		if !m.optionalAfterSpace('"') || !m.optionalAfterSpace(':') {
			return false
		}
		first := m.peek()
		if field == fieldAbort {
			t.abort = first == 't'
		}
		closing := closingOf(first)
		if closing == 0 {
			// A number, true, false or null is a literal.
			m.at += max(0, bytes.IndexAny(record[m.at:], ",} \t\r\n"))
			continue
		}
		m.at++
		if closing != '"' && m.at < len(record) && record[m.at] == closing {
			// An empty array or object is a literal.
			m.at++
			continue
		}
		start := m.at
		m.slot(closing, field)
		end := m.at
		if !m.optionalAfterSpace(closing) {
			return false
		}
		if !varies(field, name, record[start:end]) {
			continue
		}
		t.literals = append(t.literals, record[literalStart:start]...)
		t.slots = append(t.slots, slot{literalEnd: len(t.literals), closing: closing, field: field})
		literalStart = end
	}
	if m.result != matches || !m.optionalAfterSpace('}') || m.at != len(record) {
		return false
	}
	t.literals = append(t.literals, record[literalStart:]...)
	return true
}

// closingOf returns the character that ends a string, an array or an object that begins with first. It
// returns 0 for other values, which are no slots.
func closingOf(first byte) byte {
	switch first {
	case '"':
		return '"'
	case '[':
		return ']'
	case '{':
		return '}'
	default:
		return 0
	}
}
