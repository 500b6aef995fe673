package jobjson

import (
	"bytes"

	"cckm_sync_exporter/collector/syncjob"
)

// maxTemplates is the largest number of templates. Jobs that are running, finished or aborted
// differ in their fields.
const maxTemplates = 8

// maxConstants bounds Decoder.constants.
const maxConstants = 64

// batch has jobs, and the memory for their scopes and details.
type batch struct {
	jobs    []syncjob.Job
	scopes  []string
	details []syncjob.Detail
}

func (b *batch) reset() { b.jobs, b.scopes, b.details = b.jobs[:0], b.scopes[:0], b.details[:0] }

// readMatching reads and visits all records up to the first that matches no template. It visits those in
// the input's buffer together, because a visitor may have to lock something.
//
// It must be called after an element of an array, when jsontext expects a comma or the end of
// the array. A comma and another element do not change what jsontext expects, so it decodes the
// rest correctly without having read them.
func (d *Decoder) readMatching() error {
	for len(d.tokens.UnreadBuffer()) == 0 {
		n, result := d.match(d.input.buffered())
		if result == matches {
			d.input.remove(n)
			d.bypassed++
			d.addMatched()
			continue
		}
		if err := d.visitJobs(d.matched.jobs); err != nil {
			return err
		}
		d.matched.reset()
		if result == differs || !d.input.fill(inputBytes) {
			return nil
		}
	}
	return nil
}

// match compares the beginning of b, a comma and a record, with the templates. If one matches,
// d.record has the values of the record, and n is the length of comma and record.
func (d *Decoder) match(b []byte) (n int, result matchResult) {
	m := &d.record
	m.b, m.at, m.result = b, 0, matches
	if !m.optionalAfterSpace(',') {
		m.fail()
		return 0, m.result
	}
	m.space()
	before := m.at
	m.b = b[before:]
	result = differs
	for i := range d.templates {
		switch d.templates[i].match(m) {
		case matches:
			if len(m.texts[fieldID]) > 0 && !m.exceedsBounds() {
				// The next record most likely matches the same template.
				if i > 0 {
					d.templates[0], d.templates[i] = d.templates[i], d.templates[0]
				}
				return before + m.at, matches
			}
		case tooShort:
			result = tooShort
		case differs:
		}
	}
	return 0, result
}

// addMatched makes a job from d.record and adds it to d.matched.
func (d *Decoder) addMatched() {
	v, b := &d.record, &d.matched
	scopes, details := len(b.scopes), len(b.details)
	for _, scope := range v.scopes {
		b.scopes = append(b.scopes, d.strings.string(scope))
	}
	for i := 0; i < len(v.details); i += 2 {
		b.details = append(b.details, d.detail(d.strings.string(v.details[i]), v.details[i+1]))
	}
	b.jobs = append(b.jobs, syncjob.Job{
		ID:            string(v.texts[fieldID]),
		OverallStatus: d.cleanStatus(v.texts[fieldOverallStatus]),
		Abort:         v.abort,
		CreatedAt:     d.parseTime(v.texts[fieldCreatedAt]),
		UpdatedAt:     d.parseTime(v.texts[fieldUpdatedAt]),
		CompletedAt:   d.parseTime(v.texts[fieldCompletedAt]),
		Scopes:        b.scopes[scopes:],
		Details:       b.details[details:],
	})
}

// addTemplate adds the template of the record that jsontext has just read, if there is none that
// matches it. start and fills are decoderIndex and fills of the input before the record was read.
// If the buffer does not hold the whole record any more, no template is added.
func (d *Decoder) addTemplate(start, fills int) {
	if start < 0 || fills != d.input.fills || cap(d.templates) == 0 {
		return
	}
	m := &d.record
	m.b = d.input.buf[start:d.input.decoderIndex()]
	m.reset()
	m.optionalAfterSpace(',')
	m.space()
	m.b = m.b[m.at:]
	for i := range d.templates {
		if d.templates[i].match(m) == matches && m.at == len(m.b) {
			return
		}
	}
	var t template
	if len(d.templates) == cap(d.templates) {
		last := len(d.templates) - 1
		t, d.templates = d.templates[last], d.templates[:last]
	}
	if t.set(m, d.fieldOf, d.varies) {
		d.templates = append(d.templates, t)
	}
}

// varies reports whether a field needs a slot: it is decoded, or records differ in it. It is called with the
// content of the first record and of those that match no template.
func (d *Decoder) varies(field field, name, content []byte) bool {
	constant, known := d.constants[string(name)]
	switch {
	case field != fieldOther:
		return true
	case known && !bytes.Equal(constant, content):
		d.constants[string(name)] = nil
		return true
	case known:
		return constant == nil
	case len(d.constants) == maxConstants, len(name)+len(content) > maxInternedBytes:
		return true
	default:
		d.constants[string(name)] = bytes.Clone(content)
		return false
	}
}
