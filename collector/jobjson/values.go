package jobjson

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"cckm_sync_exporter/collector/printable"
	"cckm_sync_exporter/collector/syncjob"
)

// object reads an object. It calls field with the name of each member; field must read the
// value. The name is valid until the next read or peek.
func (d *Decoder) object(field func(name []byte) error) error {
	if err := d.begin(jsontext.KindBeginObject, "an object"); err != nil {
		return err
	}
	for d.tokens.PeekKind() != jsontext.KindEndObject {
		name, err := d.bytes()
		if err != nil {
			return err
		}
		if err := field(name); err != nil {
			return err
		}
	}
	_, err := d.tokens.ReadToken()
	return tooEarly(err)
}

// array reads an array. It calls element before each element; element must read it.
func (d *Decoder) array(element func() error) error {
	if err := d.begin(jsontext.KindBeginArray, "an array"); err != nil {
		return err
	}
	for {
		switch d.tokens.PeekKind() {
		case jsontext.KindEndArray, jsontext.KindInvalid:
			_, err := d.tokens.ReadToken()
			return tooEarly(err)
		default:
			if err := element(); err != nil {
				return err
			}
		}
	}
}

// begin reads the opening bracket of an object or array; what names it in the error.
func (d *Decoder) begin(kind jsontext.Kind, what string) error {
	token, err := d.tokens.ReadToken()
	if err != nil {
		return tooEarly(err)
	}
	if token.Kind() != kind {
		return d.errorf("is not %s", what)
	}
	return nil
}

// status reads overall_status.
func (d *Decoder) status() error {
	text, err := d.stringOrNull()
	if err == nil {
		d.job.OverallStatus = d.cleanStatus(text)
	}
	return err
}

// cleanStatus cleans a status, unless it is a known one: a password may be the same word.
func (d *Decoder) cleanStatus(text []byte) string {
	raw, cleaned := d.cleanText(text)
	if job := (syncjob.Job{OverallStatus: raw}); job.Status() != syncjob.Unknown {
		return raw
	}
	return cleaned
}

// detail returns an entry of detailed_status. Cleaning the text does not change its meaning.
func (d *Decoder) detail(key string, text []byte) syncjob.Detail {
	raw, cleaned := d.cleanText(text)
	detail := syncjob.Detail{Key: key, Text: cleaned}
	if raw != cleaned {
		detail.Meaning = syncjob.MeaningOf(raw)
	}
	return detail
}

// cleanText returns a text as it is and as people may read it: without secrets, and printable. Both
// have at most syncjob.MaxText bytes. Secrets are redacted first, because a part of one is not found.
func (d *Decoder) cleanText(text []byte) (raw, cleaned string) {
	if known, ok := d.clean.find(text); ok {
		return known, known
	}
	raw = string(text)
	cleaned = printable.Line(d.redact(raw), syncjob.MaxText)
	if cleaned == raw {
		d.clean.add(raw)
	}
	return printable.Shorten(raw, syncjob.MaxText), cleaned
}

// text reads a string; null is the empty string.
func (d *Decoder) text(into *string) error {
	text, err := d.stringOrNull()
	if err == nil {
		*into = d.strings.string(text)
	}
	return err
}

// id reads a job's id. It is not interned, because each occurs once.
func (d *Decoder) id(into *string) error {
	text, err := d.stringOrNull()
	if err == nil && len(text) > maxNameBytes {
		return d.errorf("is an id of %d bytes, more than the maximum of %d", len(text), maxNameBytes)
	}
	*into = string(text)
	return err
}

// stringOrNull reads a string; null is the empty string. The result is valid until the next
// read.
func (d *Decoder) stringOrNull() ([]byte, error) {
	switch d.tokens.PeekKind() {
	case jsontext.KindString:
		return d.bytes()
	case jsontext.KindNull, jsontext.KindInvalid:
		return nil, d.skip()
	default:
		if err := d.skip(); err != nil {
			return nil, err
		}
		return nil, d.errorf("is not a string")
	}
}

// bytes reads a string. The result is valid until the next read.
func (d *Decoder) bytes() ([]byte, error) {
	raw, err := d.tokens.ReadValue()
	if err != nil {
		return nil, tooEarly(err)
	}
	if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return inner, nil
	}
	d.unquoted, err = jsontext.AppendUnquote(d.unquoted[:0], raw)
	return d.unquoted, err
}

// flag reads true or false; null is false.
func (d *Decoder) flag(into *bool) error {
	token, err := d.tokens.ReadToken()
	if err != nil {
		return tooEarly(err)
	}
	switch token.Kind() {
	case jsontext.KindTrue:
		*into = true
	case jsontext.KindFalse, jsontext.KindNull:
	default:
		return d.errorf("is neither true nor false")
	}
	return nil
}

// count reads an integer that is not negative.
func (d *Decoder) count() (int, error) {
	token, err := d.tokens.ReadToken()
	if err != nil {
		return 0, tooEarly(err)
	}
	if token.Kind() != jsontext.KindNumber {
		return 0, d.errorf("is not a number")
	}
	n, err := token.Int()
	if err != nil || n < 0 {
		return 0, d.errorf("is not a count")
	}
	return int(n), nil
}

// time reads a time. A value that is not a string leaves it zero.
func (d *Decoder) time(into *time.Time) error {
	if d.tokens.PeekKind() != jsontext.KindString {
		return d.skip()
	}
	text, err := d.bytes()
	if err != nil {
		return err
	}
	*into = d.parseTime(text)
	return nil
}

// year2000 is the first time that counts, in seconds since the epoch.
const year2000 = 946_684_800

// parseTime parses a time in a form of RFC 3339. It returns the zero time if the text is empty or
// cannot be parsed, or if the time is before the year 2000: Go's zero time, in any zone, and 1970
// mean that there is no time. The job still counts; the series that need the time are omitted.
func (d *Decoder) parseTime(text []byte) time.Time {
	if t, ok := d.days.parseTime(text); ok && t.Unix() >= year2000 {
		return t
	}
	return time.Time{}
}

func (d *Decoder) skip() error { return tooEarly(d.tokens.SkipValue()) }

// tooEarly replaces io.EOF, which is unexpected within the page, by io.ErrUnexpectedEOF.
func tooEarly(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
