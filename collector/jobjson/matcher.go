package jobjson

import "bytes"

// matcher goes through bytes for as long as they are what is expected.
type matcher struct {
	b       []byte
	at      int
	verdict verdict
}

// literal goes on behind bytes that are the same each time.
func (m *matcher) literal(want []byte) bool {
	if m.verdict != matches {
		return false
	}
	rest := m.b[m.at:]
	if bytes.HasPrefix(rest, want) {
		m.at += len(want)
		return true
	}
	m.verdict = differs
	if bytes.HasPrefix(want, rest) {
		m.verdict = tooShort
	}
	return false
}

// sign goes on behind a single character, if it comes next.
func (m *matcher) sign(want byte) bool {
	switch {
	case m.verdict != matches:
		return false
	case m.at == len(m.b):
		m.verdict = tooShort
		return false
	case m.b[m.at] != want:
		return false
	default:
		m.at++
		return true
	}
}

// plain goes on behind the content of a plain string, up to its closing quote.
func (m *matcher) plain() []byte {
	if m.verdict != matches {
		return nil
	}
	from := m.at
	m.at = plainEnd(m.b, from)
	switch {
	case m.at == len(m.b):
		m.verdict = tooShort
	case m.b[m.at] != '"':
		m.verdict = differs
	}
	return m.b[from:m.at]
}

// quoted goes on behind a plain string.
func (m *matcher) quoted() []byte {
	if !m.sign('"') {
		m.refuse()
		return nil
	}
	text := m.plain()
	m.sign('"')
	return text
}

// refuse says that what came is not what has to come.
func (m *matcher) refuse() {
	if m.verdict == matches {
		m.verdict = differs
	}
}

// list goes on behind the elements of an array of plain strings.
func (m *matcher) list(field field, f *found) {
	for {
		text := m.quoted()
		if field == fieldScopes {
			f.scopes = append(f.scopes, text)
		}
		if !m.sign(',') {
			return
		}
	}
}

// object goes on behind the fields of an object of plain strings.
func (m *matcher) object(field field, f *found) {
	for {
		name := m.quoted()
		if !m.sign(':') {
			m.refuse()
			return
		}
		text := m.quoted()
		if field == fieldDetailedStatus {
			f.details = append(f.details, name, text)
		}
		if !m.sign(',') {
			return
		}
	}
}

// skip goes on behind what a slot holds.
func (m *matcher) skip(form form) {
	switch form {
	case aString:
		m.plain()
	case aList:
		m.list(fieldOther, nil)
	case anObject:
		m.object(fieldOther, nil)
	}
}

// next goes on behind white space and a character, if that comes then.
func (m *matcher) next(want byte) bool {
	m.space()
	return m.sign(want)
}

// peek returns the character behind white space, or 0.
func (m *matcher) peek() byte {
	m.space()
	if m.at == len(m.b) {
		return 0
	}
	return m.b[m.at]
}

// space goes on behind white space.
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
