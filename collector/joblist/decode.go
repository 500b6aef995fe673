package joblist

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

// maxTokenBytes bounds a string, a number or a stretch of white space in an
// answer, and with it the memory that an answer can take.
const maxTokenBytes = 1 << 20

// maxScopes bounds how many scopes or texts one job may name.
const maxScopes = 100_000

// remedyDecode is what a user can do about an answer that makes no sense.
const remedyDecode = "check that --ciphertrust.url is the address of a CipherTrust Manager; " +
	"if it is, its API differs from what is documented: report the form of its answer"

// decoder reads one page: {"skip","limit","total","resources"}. It reads the
// body as a stream, so that a page of any size takes no more memory than its
// longest string.
type decoder struct {
	input       *tokenLimiter
	tokens      *jsontext.Decoder
	scopeFields []string
	visit       func(*syncjob.Job)
	job         syncjob.Job
	// fields are the bits of the job's fields that came already.
	fields  int
	strings interner
	// unquoted holds a string whose escapes had to be resolved.
	unquoted []byte
}

// newDecoder returns a decoder for pages of jobs whose scopes are in the given
// fields.
func newDecoder(scopeFields []string) *decoder {
	d := &decoder{scopeFields: scopeFields, strings: interner{}, input: new(tokenLimiter)}
	d.tokens = jsontext.NewDecoder(d.input)
	d.input.tokens = d.tokens
	return d
}

// decode reads a page from body and calls visit with each of its jobs, in
// order. The job that visit gets is overwritten by the next. It returns the
// page's total.
//
// Its errors are reason.Decode. One that says that the JSON ends too early
// wraps io.ErrUnexpectedEOF.
func (d *decoder) decode(body io.Reader, visit func(*syncjob.Job)) (total int, err error) {
	d.input.r, d.input.read, d.visit = body, 0, visit
	// Names are looked at only in so far as they are read: the decoder's own
	// check for duplicates would hold every name of an object.
	d.tokens.Reset(d.input, jsontext.AllowDuplicateNames(true))
	total, err = d.page()
	if err == nil {
		err = d.end()
	}
	if err != nil {
		return 0, reason.New(reason.Decode, err, remedyDecode)
	}
	return total, nil
}

// page reads the object that a page is.
func (d *decoder) page() (total int, err error) {
	total = -1
	resources := jsontext.KindInvalid
	err = d.object(func(name []byte) error {
		switch string(name) {
		case "total":
			if total >= 0 {
				return d.errorf("comes twice")
			}
			total, err = d.count()
			return err
		case "resources":
			if resources != jsontext.KindInvalid {
				return d.errorf("comes twice")
			}
			resources = d.tokens.PeekKind()
			if resources == jsontext.KindNull {
				return d.skip()
			}
			return d.array(d.readJob)
		default:
			return d.skip()
		}
	})
	switch {
	case err != nil:
		return 0, err
	case total < 0:
		return 0, errors.New("the page has no total")
	case resources == jsontext.KindInvalid:
		return 0, errors.New("the page has no resources")
	case resources == jsontext.KindNull && total != 0:
		// Where nothing matches, null is how Go writes an empty list.
		return 0, fmt.Errorf("the page's resources are null although its total is %d", total)
	}
	return total, nil
}

// end sees to it that nothing follows the page.
func (d *decoder) end() error {
	switch _, err := d.tokens.ReadToken(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	default:
		return errors.New("something follows the page")
	}
}

// fieldBit gives each field that a job must not have twice a bit, and others 0.
// Of two values the decoder could only guess which one is meant.
func fieldBit(name []byte) int {
	switch string(name) {
	case "id":
		return 1 << 0
	case "overall_status":
		return 1 << 1
	case "abort":
		return 1 << 2
	case "createdAt":
		return 1 << 3
	case "updatedAt":
		return 1 << 4
	case "completed_at":
		return 1 << 5
	case "detailed_status":
		return 1 << 6
	default:
		return 0
	}
}

// readJob reads one job and hands it on.
func (d *decoder) readJob() error {
	d.job = syncjob.Job{Scopes: d.job.Scopes[:0], Details: d.job.Details[:0]}
	d.fields = 0
	if err := d.object(d.readField); err != nil {
		return err
	}
	if d.job.ID == "" {
		return d.errorf("a job has no id")
	}
	d.visit(&d.job)
	return nil
}

// readField reads the value of a job's field.
func (d *decoder) readField(name []byte) error {
	bit := fieldBit(name)
	if d.fields&bit != 0 {
		return d.errorf("comes twice")
	}
	d.fields |= bit
	switch string(name) {
	case "id":
		return d.id(&d.job.ID)
	case "overall_status":
		return d.text(&d.job.OverallStatus)
	case "abort":
		return d.flag(&d.job.Abort)
	case "createdAt":
		return d.time(&d.job.CreatedAt)
	case "updatedAt":
		return d.time(&d.job.UpdatedAt)
	case "completed_at":
		return d.time(&d.job.CompletedAt)
	case "detailed_status":
		return d.details()
	}
	if slices.Contains(d.scopeFields, string(name)) {
		return d.scopes()
	}
	return d.skip()
}

// object reads an object and calls field with the name of each of its fields;
// field reads the value. The name is good until the next read or peek.
func (d *decoder) object(field func(name []byte) error) error {
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
func (d *decoder) array(element func() error) error {
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

func (d *decoder) begin(kind jsontext.Kind, what string) error {
	token, err := d.tokens.ReadToken()
	if err != nil {
		return tooEarly(err)
	}
	if token.Kind() != kind {
		return d.errorf("is not %s", what)
	}
	return nil
}

// text reads a string; null is an empty one.
func (d *decoder) text(into *string) error {
	text, err := d.stringOrNull()
	if err == nil {
		*into = d.strings.string(text)
	}
	return err
}

// id reads a job's id, which comes once and is not worth remembering.
func (d *decoder) id(into *string) error {
	text, err := d.stringOrNull()
	*into = string(text)
	return err
}

// stringOrNull reads a string; null is an empty one. What it returns is good
// until the next read.
func (d *decoder) stringOrNull() ([]byte, error) {
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
func (d *decoder) bytes() ([]byte, error) {
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
func (d *decoder) flag(into *bool) error {
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
func (d *decoder) count() (int, error) {
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

// time reads a time of RFC 3339. One that is missing, of another kind or
// unreadable stays zero: the job still counts, and the series that need the
// time are left out.
func (d *decoder) time(into *time.Time) error {
	if d.tokens.PeekKind() != jsontext.KindString {
		return d.skip()
	}
	text, err := d.bytes()
	if err != nil {
		return err
	}
	// A time before the zero time, of which Go's own is the usual one, is none.
	if t, ok := parseTime(text); ok && t.After(time.Time{}) {
		*into = t
	}
	return nil
}

// scopes reads the scope field: an array of identifiers, one alone, or null.
func (d *decoder) scopes() error {
	add := func() error {
		var scope string
		if err := d.text(&scope); err != nil {
			return err
		}
		if len(d.job.Scopes) == maxScopes {
			return d.errorf("one job names more than %d scopes", maxScopes)
		}
		d.job.Scopes = append(d.job.Scopes, scope)
		return nil
	}
	switch d.tokens.PeekKind() {
	case jsontext.KindNull:
		return d.skip()
	case jsontext.KindString:
		return add()
	default:
		return d.array(add)
	}
}

// details reads detailed_status. Another job kind of the same product mixes
// arrays into it, so that only texts (and null, a text that is still to come)
// are taken, and a detailed_status of another kind says nothing.
func (d *decoder) details() error {
	if d.tokens.PeekKind() != jsontext.KindBeginObject {
		return d.skip()
	}
	return d.object(func(name []byte) error {
		key, text := d.strings.string(name), ""
		switch d.tokens.PeekKind() {
		case jsontext.KindString, jsontext.KindNull:
			if err := d.text(&text); err != nil {
				return err
			}
		default:
			return d.skip()
		}
		if len(d.job.Details) == maxScopes {
			return d.errorf("one job names more than %d scopes", maxScopes)
		}
		d.job.Details = append(d.job.Details, syncjob.Detail{Key: key, Text: text})
		return nil
	})
}

func (d *decoder) skip() error { return tooEarly(d.tokens.SkipValue()) }

// errorf says where in the page something is wrong.
func (d *decoder) errorf(format string, args ...any) error {
	return fmt.Errorf("%s %s", d.tokens.StackPointer(), fmt.Sprintf(format, args...))
}

// tooEarly makes the end of the input within the page an unexpected one.
func tooEarly(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// tokenLimiter ends an input whose next token is longer than maxTokenBytes,
// before the decoder has grown its buffer to hold it.
type tokenLimiter struct {
	r      io.Reader
	tokens *jsontext.Decoder
	read   int64
}

// Read implements io.Reader.
func (l *tokenLimiter) Read(p []byte) (int, error) {
	if l.read-l.tokens.InputOffset() > maxTokenBytes {
		return 0, fmt.Errorf("a string or number is longer than %d bytes", maxTokenBytes)
	}
	n, err := l.r.Read(p)
	l.read += int64(n)
	return n, err
}
