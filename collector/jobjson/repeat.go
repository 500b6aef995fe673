package jobjson

import (
	"time"

	"cckm_sync_exporter/collector/syncjob"
)

// maxShapes is how many shapes of records are known at once: jobs that run,
// that have finished and that were aborted differ in their fields.
const maxShapes = 8

// repeats takes the records that repeat a known shape, up to one that does not.
//
// It is called behind an element of an array. A comma and another element lead
// from there to the same place, so that leaving them out changes nothing about
// what jsontext makes of the rest.
func (d *Decoder) repeats() error {
	for len(d.tokens.UnreadBuffer()) == 0 {
		n, v := d.repeat(d.input.waiting())
		switch {
		case v == matches:
			d.input.take(n)
			d.repeated++
			if err := d.visitFound(); err != nil {
				return err
			}
		case v == differs, !d.input.more(inputBytes):
			return nil
		}
	}
	return nil
}

// repeat says whether b begins with a comma and a record of a known shape, and
// how long both are.
func (d *Decoder) repeat(b []byte) (n int, v verdict) {
	m := matcher{b: b}
	if !m.next(',') {
		m.refuse()
		return 0, m.verdict
	}
	m.space()
	v = differs
	for i := range d.shapes {
		n, one := d.shapes[i].match(b[m.at:], &d.found)
		switch {
		case one == matches && len(d.found.texts[fieldID]) > 0 && !d.found.hasLongName():
			// The next record is most likely the same.
			d.shapes[0], d.shapes[i] = d.shapes[i], d.shapes[0]
			return m.at + n, matches
		case one == tooShort:
			v = tooShort
		}
	}
	return 0, v
}

// visitFound hands on the job that was found.
func (d *Decoder) visitFound() error {
	f := &d.found
	d.job = syncjob.Job{
		ID:            string(f.texts[fieldID]),
		OverallStatus: d.textOf(f.texts[fieldOverallStatus]),
		Abort:         f.abort,
		CreatedAt:     d.timeOf(f.texts[fieldCreatedAt]),
		UpdatedAt:     d.timeOf(f.texts[fieldUpdatedAt]),
		CompletedAt:   d.timeOf(f.texts[fieldCompletedAt]),
		Scopes:        d.job.Scopes[:0],
		Details:       d.job.Details[:0],
	}
	for _, scope := range f.scopes {
		d.job.Scopes = append(d.job.Scopes, d.strings.string(scope))
	}
	for i := 0; i < len(f.details); i += 2 {
		d.job.Details = append(d.job.Details, syncjob.Detail{Key: d.strings.string(f.details[i]), Text: d.textOf(f.details[i+1])})
	}
	return d.handOver()
}

// timeOf returns the time that a text has, or the zero time if it cannot be parsed
// or counts as missing.
func (d *Decoder) timeOf(text []byte) time.Time {
	// Go's zero time in any zone and 1970 stand for no time.
	if t, ok := d.days.parseTime(text); ok && t.Year() >= 2000 {
		return t
	}
	return time.Time{}
}

// textOf returns a text in the appliance's own words, cut to syncjob.MaxText bytes.
func (d *Decoder) textOf(text []byte) string {
	if len(text) > syncjob.MaxText {
		return syncjob.Shorten(string(text[:syncjob.MaxText+1]))
	}
	return d.strings.string(text)
}

// learn remembers the shape of the record that jsontext has read since the
// decoder stood at a place, when the buffer was filled so many times.
func (d *Decoder) learn(place, refills int) {
	if place < 0 || refills != d.input.refills || cap(d.shapes) == 0 {
		return
	}
	m := matcher{b: d.input.buf[:d.input.place()], at: place}
	m.next(',')
	m.space()
	record := m.b[m.at:]
	for i := range d.shapes {
		if n, v := d.shapes[i].match(record, &d.found); v == matches && n == len(record) {
			return
		}
	}
	var s shape
	if len(d.shapes) == cap(d.shapes) {
		last := len(d.shapes) - 1
		s, d.shapes = d.shapes[last], d.shapes[:last]
	}
	if s.learn(record, d.fieldOf) {
		d.shapes = append(d.shapes, s)
	}
}
