package jobjson

import (
	"bytes"

	"cckm_sync_exporter/collector/syncjob"
)

// matchResult is the result of comparing bytes with a template.
type matchResult uint8

const (
	matches matchResult = iota
	differs
	// tooShort means that the bytes match as far as they go, but end too early.
	tooShort
)

// matcher parses a record from left to right. Each method parses one thing, such as a literal, and
// advances past it. If a method does not find what it expects, it sets result, and all methods do nothing
// from then on.
type matcher struct {
	b      []byte
	at     int
	result matchResult

	// The values of the job's fields. They are valid as long as b. details alternates between names and
	// texts of detailed_status.
	texts           [numFields][]byte
	scopes, details [][]byte
	abort           bool
}

// reset goes back to the beginning of b.
func (m *matcher) reset() {
	m.at, m.result, m.abort = 0, matches, false
	m.texts, m.scopes, m.details = [numFields][]byte{}, m.scopes[:0], m.details[:0]
}

// literal parses exactly the bytes in want. It reports whether they are there.
func (m *matcher) literal(want []byte) bool {
	if m.result != matches {
		return false
	}
	rest := m.b[m.at:]
	if bytes.HasPrefix(rest, want) {
		m.at += len(want)
		return true
	}
	m.result = differs
	if bytes.HasPrefix(want, rest) {
		m.result = tooShort
	}
	return false
}

// optional parses a character if it is the next one, and reports whether it is. Another
// character does not change result.
func (m *matcher) optional(want byte) bool {
	switch {
	case m.result != matches:
		return false
	case m.at == len(m.b):
		m.result = tooShort
		return false
	case m.b[m.at] != want:
		return false
	default:
		m.at++
		return true
	}
}

// plain parses the content of a plain string, up to its closing quote, and returns it.
func (m *matcher) plain() []byte {
	if m.result != matches {
		return nil
	}
	start := m.at
	m.at = plainEnd(m.b, start)
	switch {
	case m.at == len(m.b):
		m.result = tooShort
	case m.b[m.at] != '"':
		m.result = differs
	}
	return m.b[start:m.at]
}

// quoted parses a plain string with its quotes and returns its content.
func (m *matcher) quoted() []byte {
	if !m.optional('"') {
		m.fail()
		return nil
	}
	text := m.plain()
	m.optional('"')
	return text
}

// fail sets the result to differs, unless it is set already.
func (m *matcher) fail() {
	if m.result == matches {
		m.result = differs
	}
}

// slot parses the content of a slot, up to its closing character, and stores it.
func (m *matcher) slot(closing byte, field field) {
	switch closing {
	case '"':
		m.texts[field] = m.plain()
		if field == fieldScopes {
			m.scopes = append(m.scopes, m.texts[fieldScopes])
		}
	case ']':
		m.array(field)
	case '}':
		m.object(field)
	}
}

// array parses the elements of an array of plain strings, and stores them if the field is a scope field.
func (m *matcher) array(field field) {
	for {
		text := m.quoted()
		if field == fieldScopes {
			m.scopes = append(m.scopes, text)
		}
		if !m.optional(',') {
			return
		}
	}
}

// object parses the members of an object of plain strings, and stores them if the field is
// detailed_status.
func (m *matcher) object(field field) {
	for {
		name := m.quoted()
		if !m.optional(':') {
			m.fail()
			return
		}
		text := m.quoted()
		if field == fieldDetailedStatus {
			m.details = append(m.details, name, text)
		}
		if !m.optional(',') {
			return
		}
	}
}

// exceedsBounds reports whether the values exceed maxNameBytes or syncjob.MaxScopes. jsontext then
// decodes the record again, which returns the error.
func (m *matcher) exceedsBounds() bool {
	if len(m.texts[fieldID]) > maxNameBytes || len(m.scopes) > syncjob.MaxScopes || len(m.details) > 2*syncjob.MaxScopes {
		return true
	}
	for _, scope := range m.scopes {
		if len(scope) > maxNameBytes {
			return true
		}
	}
	for i := 0; i < len(m.details); i += 2 {
		if len(m.details[i]) > maxNameBytes {
			return true
		}
	}
	return false
}

// optionalAfterSpace parses white space and then a character if it is the next one. It reports
// whether it is.
func (m *matcher) optionalAfterSpace(want byte) bool {
	m.space()
	return m.optional(want)
}

// peek parses white space and returns the next character, or 0 at the end.
func (m *matcher) peek() byte {
	m.space()
	if m.at == len(m.b) {
		return 0
	}
	return m.b[m.at]
}

// space parses any white space.
func (m *matcher) space() {
	for m.at < len(m.b) {
		switch m.b[m.at] {
		case ' ', '\t', '\r', '\n':
			m.at++
		default:
			return
		}
	}
}
