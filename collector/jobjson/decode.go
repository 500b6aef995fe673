// Package jobjson decodes one page of a list of synchronization jobs, as a stream:
// a page of any size takes no more memory than its longest string.
package jobjson

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

// Bounds of a job; one that exceeds them is not what the API describes.
const (
	// maxScopes bounds how many scopes or texts one job may name.
	maxScopes = 20_000
	// maxNameBytes bounds an id and the name of a scope.
	maxNameBytes = 1024
)

// remedyDecode is what a user can do about an answer that makes no sense.
const remedyDecode = "check that --ciphertrust.url is the address of a CipherTrust Manager; " +
	"if it is, its API differs from what is documented: report the form of its answer"

// Decoder decodes pages of one list: {"skip","limit","total","resources"}. It keeps its
// buffers, and the forms of the records that it has seen, from one page to the next. It is
// not safe for concurrent use.
type Decoder struct {
	input       *input
	tokens      *jsontext.Decoder
	scopeFields []string
	visit       func(*syncjob.Job) error
	// visitErr is the error that visit returned.
	visitErr error
	job      syncjob.Job
	// came says which of the job's fields came already.
	came    [numFields]bool
	strings *interner
	days    calendar
	// shapes are those of the records that came, of this page and of others. No
	// more are kept than it has room for.
	shapes []shape
	found  found
	// repeated counts the page's records that jsontext was not shown.
	repeated int
	// unquoted holds a string whose escapes had to be resolved.
	unquoted []byte
}

// NewDecoder returns a decoder for jobs whose scopes are in the given fields.
func NewDecoder(scopeFields []string) *Decoder {
	d := &Decoder{scopeFields: scopeFields, strings: newInterner(), input: new(input), shapes: make([]shape, 0, maxShapes)}
	d.tokens = jsontext.NewDecoder(d.input)
	d.input.tokens = d.tokens
	return d
}

// Decode decodes the page in body and calls visit with each of its jobs, in order. The
// job is overwritten by the next one. It returns the page's total.
//
// An error of visit ends the page and is returned as it is. Every other error is
// reason.Decode; if the JSON ends too early, it wraps io.ErrUnexpectedEOF.
func (d *Decoder) Decode(body io.Reader, visit func(*syncjob.Job) error) (total int, err error) {
	d.input.reset(body)
	d.visit, d.visitErr, d.repeated = visit, nil, 0
	// Nothing of a page is held after it.
	defer func() { d.input.r, d.visit = nil, nil }()
	// The decoder's own check for duplicate names would hold every name of an object;
	// readField finds the duplicates that matter.
	d.tokens.Reset(d.input, jsontext.AllowDuplicateNames(true))
	total, err = d.page()
	if err == nil {
		err = d.end()
	}
	switch {
	case d.visitErr != nil:
		return 0, d.visitErr
	case err != nil:
		return 0, reason.New(reason.Decode, d.locate(err), remedyDecode)
	}
	return total, nil
}

// handOver calls visit with the job at hand and remembers its error.
func (d *Decoder) handOver() error {
	d.visitErr = d.visit(&d.job)
	return d.visitErr
}

// page reads the object that a page is.
func (d *Decoder) page() (total int, err error) {
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
			return d.jobs()
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
func (d *Decoder) end() error {
	switch _, err := d.tokens.ReadToken(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	default:
		return errors.New("something follows the page")
	}
}

// fieldOf returns which of a job's fields has a name.
func (d *Decoder) fieldOf(name []byte) field {
	switch string(name) {
	case "id":
		return fieldID
	case "overall_status":
		return fieldOverallStatus
	case "abort":
		return fieldAbort
	case "createdAt":
		return fieldCreatedAt
	case "updatedAt":
		return fieldUpdatedAt
	case "completed_at":
		return fieldCompletedAt
	case "detailed_status":
		return fieldDetailedStatus
	}
	if slices.Contains(d.scopeFields, string(name)) {
		return fieldScopes
	}
	return fieldOther
}

// jobs reads the array of jobs.
func (d *Decoder) jobs() error {
	for first := true; ; first = false {
		if first {
			if err := d.begin(jsontext.KindBeginArray, "an array"); err != nil {
				return err
			}
		} else if err := d.repeats(); err != nil {
			return err
		}
		place, refills := d.input.place(), d.input.refills
		switch d.tokens.PeekKind() {
		case jsontext.KindEndArray, jsontext.KindInvalid:
			_, err := d.tokens.ReadToken()
			return tooEarly(err)
		default:
			if err := d.readJob(); err != nil {
				return err
			}
			d.learn(place, refills)
		}
	}
}

// readJob reads one job and hands it on.
func (d *Decoder) readJob() error {
	d.job = syncjob.Job{Scopes: d.job.Scopes[:0], Details: d.job.Details[:0]}
	d.came = [numFields]bool{}
	if err := d.object(d.readField); err != nil {
		return err
	}
	if d.job.ID == "" {
		return d.errorf("a job has no id")
	}
	return d.handOver()
}

// readField reads the value of a job's field. Of two values for a field it could
// only guess which one is meant, but for scopes, where both are.
func (d *Decoder) readField(name []byte) error {
	field := d.fieldOf(name)
	if d.came[field] && field != fieldOther && field != fieldScopes {
		return d.errorf("comes twice")
	}
	d.came[field] = true
	switch field {
	case fieldID:
		return d.id(&d.job.ID)
	case fieldOverallStatus:
		return d.words(&d.job.OverallStatus)
	case fieldAbort:
		return d.flag(&d.job.Abort)
	case fieldCreatedAt:
		return d.time(&d.job.CreatedAt)
	case fieldUpdatedAt:
		return d.time(&d.job.UpdatedAt)
	case fieldCompletedAt:
		return d.time(&d.job.CompletedAt)
	case fieldDetailedStatus:
		return d.details()
	case fieldScopes:
		return d.scopes()
	default:
		return d.skip()
	}
}

// scopes reads the scope field: an array of identifiers, one alone, or null.
func (d *Decoder) scopes() error {
	add := func() error {
		var scope string
		if err := d.text(&scope); err != nil {
			return err
		}
		if len(scope) > maxNameBytes {
			return d.errorf("is a scope of %d bytes, and none may have more than %d", len(scope), maxNameBytes)
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
func (d *Decoder) details() error {
	if d.tokens.PeekKind() != jsontext.KindBeginObject {
		return d.skip()
	}
	return d.object(func(name []byte) error {
		key, text := d.strings.string(name), ""
		switch d.tokens.PeekKind() {
		case jsontext.KindString, jsontext.KindNull:
			if err := d.words(&text); err != nil {
				return err
			}
		default:
			return d.skip()
		}
		switch {
		case len(d.job.Details) == maxScopes:
			return d.errorf("one job names more than %d scopes", maxScopes)
		case len(key) > maxNameBytes:
			return d.errorf("names a scope by %d bytes, and none may have more than %d", len(key), maxNameBytes)
		}
		d.job.Details = append(d.job.Details, syncjob.Detail{Key: key, Text: text})
		return nil
	})
}
