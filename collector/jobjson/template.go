package jobjson

import (
	"bytes"

	"cckm_sync_exporter/collector/syncjob"
)

// template is a record without the contents of its strings.
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
	kind       slotKind
	field      field
}

// slotKind is the kind of value whose content a slot is.
type slotKind uint8

const (
	stringSlot slotKind = iota
	// arraySlot is an array of at least one string.
	arraySlot
	// objectSlot is an object of at least one member, with strings as values.
	objectSlot
)

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

// slotValues are the values in the slots of a record. They are valid as long as the record's
// bytes.
type slotValues struct {
	texts  [numFields][]byte
	scopes [][]byte
	// details alternates between names and texts of detailed_status.
	details [][]byte
	abort   bool
}

// exceedsBounds reports whether the values exceed maxNameBytes or syncjob.MaxScopes. jsontext then
// decodes the record again, which returns the error.
func (v *slotValues) exceedsBounds() bool {
	if len(v.texts[fieldID]) > maxNameBytes || len(v.scopes) > syncjob.MaxScopes || len(v.details) > 2*syncjob.MaxScopes {
		return true
	}
	for _, scope := range v.scopes {
		if len(scope) > maxNameBytes {
			return true
		}
	}
	for i := 0; i < len(v.details); i += 2 {
		if len(v.details[i]) > maxNameBytes {
			return true
		}
	}
	return false
}

// match compares the beginning of b with the template. If it matches, values has the values of
// the record, and n is the record's length.
func (t *template) match(b []byte, values *slotValues) (n int, result matchResult) {
	values.texts, values.abort = [numFields][]byte{}, t.abort
	values.scopes, values.details = values.scopes[:0], values.details[:0]
	m := matcher{b: b}
	literalStart := 0
	for i := range t.slots {
		slot := &t.slots[i]
		if !m.literal(t.literals[literalStart:slot.literalEnd]) {
			return 0, m.result
		}
		literalStart = slot.literalEnd
		switch slot.kind {
		case stringSlot:
			values.texts[slot.field] = m.plain()
			if slot.field == fieldScopes {
				values.scopes = append(values.scopes, values.texts[fieldScopes])
			}
		case arraySlot:
			m.array(slot.field, values)
		case objectSlot:
			m.object(slot.field, values)
		}
	}
	if !m.literal(t.literals[literalStart:]) {
		return 0, m.result
	}
	return m.at, matches
}

// set makes t the template of a record that jsontext has accepted. It returns false if the
// record cannot be one: it has escapes, characters other than ASCII, or values nested deeper
// than an array or object of strings.
func (t *template) set(record []byte, fieldOf func(name []byte) field) bool {
	t.literals, t.slots, t.abort = t.literals[:0], t.slots[:0], false
	m := matcher{b: record}
	// literalStart is the index in record of the first byte that is not in literals yet.
	literalStart := 0
	for separator := byte('{'); m.optionalAfterSpace(separator); separator = ',' {
		if !m.optionalAfterSpace('"') {
			return false
		}
		field := fieldOf(m.plain())
		if !m.optionalAfterSpace('"') || !m.optionalAfterSpace(':') {
			return false
		}
		first := m.peek()
		kind, closing, isSlot := slotKindOf(first)
		if field == fieldAbort {
			t.abort = first == 't'
		}
		if !isSlot {
			// A number, true, false or null is a literal.
			m.at += max(0, bytes.IndexAny(record[m.at:], ",} \t\r\n"))
			continue
		}
		m.at++
		if kind != stringSlot && m.at < len(record) && record[m.at] == closing {
			// An empty array or object is a literal.
			m.at++
			continue
		}
		t.literals = append(t.literals, record[literalStart:m.at]...)
		t.slots = append(t.slots, slot{literalEnd: len(t.literals), kind: kind, field: field})
		m.slot(kind)
		literalStart = m.at
		if !m.optionalAfterSpace(closing) {
			return false
		}
	}
	if m.result != matches || !m.optionalAfterSpace('}') || m.at != len(record) {
		return false
	}
	t.literals = append(t.literals, record[literalStart:]...)
	return true
}

// slotKindOf returns the kind of slot for a value that begins with first, and the character that
// ends the value. Values of other kinds are no slots.
func slotKindOf(first byte) (kind slotKind, closing byte, isSlot bool) {
	switch first {
	case '"':
		return stringSlot, '"', true
	case '[':
		return arraySlot, ']', true
	case '{':
		return objectSlot, '}', true
	default:
		return 0, 0, false
	}
}
