package jobjson

import "cckm_sync_exporter/collector/syncjob"

// maxTemplates is the largest number of templates. Jobs that are running, finished or aborted
// differ in their fields.
const maxTemplates = 8

// readMatching reads and visits all records up to the first that matches no template.
//
// It must be called after an element of an array, when jsontext expects a comma or the end of
// the array. A comma and another element do not change what jsontext expects, so it decodes the
// rest correctly without having read them.
func (d *Decoder) readMatching() error {
	for len(d.tokens.UnreadBuffer()) == 0 {
		n, result := d.match(d.input.buffered())
		switch {
		case result == matches:
			d.input.remove(n)
			d.bypassed++
			if err := d.visitMatched(); err != nil {
				return err
			}
		case result == differs, !d.input.fill(inputBytes):
			return nil
		}
	}
	return nil
}

// match compares the beginning of b, a comma and a record, with the templates. If one matches,
// d.record has the values of the record, and n is the length of comma and record.
func (d *Decoder) match(b []byte) (n int, result matchResult) {
	m := &d.record
	m.b = b
	m.reset()
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
				d.templates[0], d.templates[i] = d.templates[i], d.templates[0]
				return before + m.at, matches
			}
		case tooShort:
			result = tooShort
		case differs:
		}
	}
	return 0, result
}

// visitMatched makes a job from d.record and visits it.
func (d *Decoder) visitMatched() error {
	v := &d.record
	d.job = syncjob.Job{
		ID:            string(v.texts[fieldID]),
		OverallStatus: d.cleanStatus(v.texts[fieldOverallStatus]),
		Abort:         v.abort,
		CreatedAt:     d.parseTime(v.texts[fieldCreatedAt]),
		UpdatedAt:     d.parseTime(v.texts[fieldUpdatedAt]),
		CompletedAt:   d.parseTime(v.texts[fieldCompletedAt]),
		Scopes:        d.job.Scopes[:0],
		Details:       d.job.Details[:0],
	}
	for _, scope := range v.scopes {
		d.job.Scopes = append(d.job.Scopes, d.strings.string(scope))
	}
	for i := 0; i < len(v.details); i += 2 {
		d.job.Details = append(d.job.Details, d.detail(d.strings.string(v.details[i]), v.details[i+1]))
	}
	return d.visitJob()
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
	if t.set(m, d.fieldOf) {
		d.templates = append(d.templates, t)
	}
}
