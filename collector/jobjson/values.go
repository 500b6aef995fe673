package jobjson

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// object reads an object and calls field with the name of each of its fields;
// field reads the value. The name is good until the next read or peek.
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

// array reads an array and calls element for each of its elements.
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

// words reads a text in the appliance's own words, cut to syncjob.MaxText bytes;
// null is an empty one.
func (d *Decoder) words(into *string) error {
	text, err := d.stringOrNull()
	if err == nil {
		*into = d.textOf(text)
	}
	return err
}

// text reads a string; null is an empty one.
func (d *Decoder) text(into *string) error {
	text, err := d.stringOrNull()
	if err == nil {
		*into = d.strings.string(text)
	}
	return err
}

// id reads a job's id, which comes once and is not worth remembering.
func (d *Decoder) id(into *string) error {
	text, err := d.stringOrNull()
	if err == nil && len(text) > maxNameBytes {
		return d.errorf("is an id of %d bytes, and none may have more than %d", len(text), maxNameBytes)
	}
	*into = string(text)
	return err
}

// stringOrNull reads a string; null is an empty one. What it returns is good
// until the next read.
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

// bytes reads a string. What it returns is good until the next read.
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

// count reads a whole number that is not negative.
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
		return 0, d.errorf("is %.20s, which is no count", token.String())
	}
	return int(n), nil
}

// time reads a time of RFC 3339. It stays zero if it is missing, of another kind or
// cannot be parsed: the job still counts, and the series that need the time are
// omitted.
func (d *Decoder) time(into *time.Time) error {
	if d.tokens.PeekKind() != jsontext.KindString {
		return d.skip()
	}
	text, err := d.bytes()
	if err != nil {
		return err
	}
	*into = d.timeOf(text)
	return nil
}

func (d *Decoder) skip() error { return tooEarly(d.tokens.SkipValue()) }

// tooEarly makes the end of the input within the page an unexpected one.
func tooEarly(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
