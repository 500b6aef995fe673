// Package recordjson decodes pages of the appliance's records other than jobs, such as schedules: few
// records of many forms. Fields that identify something must be as documented; other fields that have an
// unexpected type count as missing.
package recordjson

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"cckm_sync_exporter/collector/jobjson"
	"cckm_sync_exporter/collector/reason"
)

const (
	// MaxNameBytes is the longest identifier or name. A longer one must be an error.
	MaxNameBytes = 1024
	// maxPageBytes bounds a page, because a record is decoded as a whole.
	maxPageBytes = 32 << 20
)

const hint = "check that --ciphertrust.url is the address of a CipherTrust Manager; " +
	"if it is, its API differs from what is documented: report the form of its answer"

// Decode decodes the page in body, {"skip","limit","total","resources"}, and calls visit with each
// record. It returns the page's total. Its errors have reason.Decode, also those of visit; if the JSON
// ends too early, they wrap io.ErrUnexpectedEOF.
func Decode[Record any](body io.Reader, visit func(*Record) error) (total int, err error) {
	limited := &io.LimitedReader{R: body, N: maxPageBytes + 1}
	total, err = decodePage(jsontext.NewDecoder(limited), visit)
	switch {
	case err == nil:
		return total, nil
	case limited.N <= 0:
		err = fmt.Errorf("the page has more than %d MiB", maxPageBytes>>20)
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return 0, reason.New(reason.Decode, err, hint)
}

// decodePage reads the page, which must be the only value.
func decodePage[Record any](d *jsontext.Decoder, visit func(*Record) error) (total int, err error) {
	total, listed := -1, false
	if err := begin(d, jsontext.KindBeginObject, "the page is not an object"); err != nil {
		return 0, err
	}
	for d.PeekKind() == jsontext.KindString {
		name, err := d.ReadToken()
		if err != nil {
			return 0, err
		}
		switch name.String() {
		case "total":
			err = json.UnmarshalDecode(d, &total)
		case "resources":
			listed = true
			err = decodeRecords(d, visit)
		default:
			err = d.SkipValue()
		}
		if err != nil {
			return 0, err
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return 0, err
	}
	switch _, err := d.ReadToken(); {
	case total < 0:
		return 0, errors.New("the page has no total")
	case !listed:
		return 0, errors.New("the page has no resources")
	case err == nil:
		return 0, errors.New("there is data after the page")
	case !errors.Is(err, io.EOF):
		return 0, err
	}
	return total, nil
}

// decodeRecords reads an array of records. Null is an empty one: Go encodes a nil slice like this.
func decodeRecords[Record any](d *jsontext.Decoder, visit func(*Record) error) error {
	if d.PeekKind() == jsontext.KindNull {
		return d.SkipValue()
	}
	if err := begin(d, jsontext.KindBeginArray, "resources is not an array"); err != nil {
		return err
	}
	for d.PeekKind() != jsontext.KindEndArray {
		var record Record
		if kind := d.PeekKind(); kind != jsontext.KindBeginObject && kind != jsontext.KindInvalid {
			return errors.New("a record is not an object")
		}
		if err := json.UnmarshalDecode(d, &record); err != nil {
			return err
		}
		if err := visit(&record); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

func begin(d *jsontext.Decoder, kind jsontext.Kind, otherwise string) error {
	token, err := d.ReadToken()
	if err != nil {
		return err
	}
	if token.Kind() != kind {
		return errors.New(otherwise)
	}
	return nil
}

// Text is a string. Any other value is empty.
type Text string

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (t *Text) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() != jsontext.KindString {
		return d.SkipValue()
	}
	token, err := d.ReadToken()
	if err == nil {
		*t = Text(token.String())
	}
	return err
}

// Texts are the strings of an array, or a single string. Other values are omitted. More than MaxTexts are an
// error.
type Texts []string

// MaxTexts bounds the strings of one field.
const MaxTexts = 20_000

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (t *Texts) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() != jsontext.KindBeginArray {
		return t.add(d)
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != jsontext.KindEndArray {
		if err := t.add(d); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

func (t *Texts) add(d *jsontext.Decoder) error {
	var text Text
	if err := text.UnmarshalJSONFrom(d); err != nil {
		return err
	}
	if len(*t) == MaxTexts {
		return fmt.Errorf("a field has more than %d strings", MaxTexts)
	}
	if text != "" {
		*t = append(*t, string(text))
	}
	return nil
}

// Flag is true if the value is true, or the string "true".
type Flag bool

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (f *Flag) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	value, err := d.ReadValue()
	*f = string(value) == "true" || string(value) == `"true"`
	return err
}

// Time is a time in a form of RFC 3339. It is zero if the value is another one, or before the year 2000:
// Go's zero time means that there is no time.
type Time struct{ time.Time }

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (t *Time) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	var text Text
	if err := text.UnmarshalJSONFrom(d); err != nil {
		return err
	}
	t.Time = jobjson.ParseTime(string(text))
	return nil
}

// Optional is an object. If the value is not an object, it is the zero value.
type Optional[T any] struct{ Value T }

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (o *Optional[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() != jsontext.KindBeginObject {
		return d.SkipValue()
	}
	return json.UnmarshalDecode(d, &o.Value)
}
