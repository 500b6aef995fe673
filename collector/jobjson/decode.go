// Package jobjson decodes one page of a list of synchronization jobs as a stream: the memory
// that it needs does not depend on the size of the page.
//
// Decoder.Decode is the only entry point. It decodes the first record of each form with
// jsontext and makes a template of it (template.go). Later records that match a template
// bypass jsontext (fastpath.go); all others are decoded with jsontext. Both ways return the
// same jobs and errors.
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

// maxNameBytes is the longest id or scope name. A longer one is an error, and so are more than
// syncjob.MaxScopes scopes or texts of one job.
const maxNameBytes = 1024

// maxJobBytes bounds the scopes and texts of one job, because several decoders hold a job at the same
// time. It is enough for syncjob.MaxScopes scopes with names of 150 bytes and the documented text. A
// record that matches a template is always smaller, because it is in the input's buffer.
const maxJobBytes = 8 << 20

// hintDecode is the hint for a response that cannot be decoded.
const hintDecode = "check that --ciphertrust.url is the address of a CipherTrust Manager; " +
	"if it is, its API differs from what is documented: report the form of its answer"

// Decoder decodes pages of one list: {"skip","limit","total","resources"}. It reuses its
// buffers and templates for the next page. It is not safe for concurrent use.
type Decoder struct {
	input       *input
	tokens      *jsontext.Decoder
	scopeFields []string
	visit       func([]syncjob.Job) error
	// visitErr is the error that visit returned.
	visitErr error
	// matched has the jobs of the records in the input's buffer that matched a template.
	matched batch
	// job is the job that jsontext decodes, jobBytes the size of its scopes and texts, and seen the fields
	// of it that were read.
	job      syncjob.Job
	jobBytes int
	seen     [numFields]bool
	// strings has names of scopes.
	strings *interner
	// redact removes secrets from a text.
	redact func(string) string
	// clean has the page's texts that are the same after cleaning.
	clean *interner
	days  calendar
	// templates are those of this page and of earlier ones. Its capacity is their largest
	// number; without capacity, every record is decoded with jsontext.
	templates []template
	// constants has the content of each field that is not decoded and has been the same in all records, and
	// nil for those that differ. Without it, templates would have to search the end of each string.
	constants map[string][]byte
	// record has the values of the record that matched a template last.
	record matcher
	// bypassed counts the page's records that matched a template, so that jsontext did not
	// read them.
	bypassed int
	// unquoted is the buffer for a string with escapes.
	unquoted []byte
}

// NewDecoder returns a decoder for jobs whose scopes are in the given fields. It calls redact for the
// texts that people read: those of detailed_status, unknown statuses, and its own errors. Ids and
// names of scopes identify something, and stay as they are.
func NewDecoder(scopeFields []string, redact func(text string) string) *Decoder {
	d := &Decoder{
		scopeFields: scopeFields, redact: redact, strings: newInterner(), clean: newInterner(),
		input: new(input), constants: map[string][]byte{}, templates: make([]template, 0, maxTemplates),
	}
	d.tokens = jsontext.NewDecoder(d.input)
	d.input.tokens = d.tokens
	return d
}

// Decode decodes the page in body and calls visit with its jobs, in order, some at a time. They are
// only valid during the call. Decode returns the page's total.
//
// If visit returns an error, Decode stops and returns that error unchanged. Any other error has
// reason.Decode; if the JSON ends too early, it wraps io.ErrUnexpectedEOF.
func (d *Decoder) Decode(body io.Reader, visit func([]syncjob.Job) error) (total int, err error) {
	d.input.reset(body)
	d.visit, d.visitErr, d.bypassed = visit, nil, 0
	d.matched.reset()
	// Secrets change between pages.
	d.clean.reset()
	// The decoder outlives the page: do not keep the body, what visit refers to, and a large job.
	defer func() { d.input.r, d.visit, d.job = nil, nil, syncjob.Job{} }()
	// jsontext's own check for duplicate names keeps every name of an object in memory.
	// readField rejects the duplicates that matter.
	d.tokens.Reset(d.input, jsontext.AllowDuplicateNames(true))
	total, err = d.page()
	if err == nil {
		err = d.end()
	}
	switch {
	case d.visitErr != nil:
		return 0, d.visitErr
	case err != nil:
		return 0, reason.New(reason.Decode, d.correctPosition(err), hintDecode)
	}
	return total, nil
}

// visitJobs calls visit and stores its error.
func (d *Decoder) visitJobs(jobs []syncjob.Job) error {
	d.visitErr = d.visit(jobs)
	return d.visitErr
}

// page reads the page, a JSON object, and returns its total.
func (d *Decoder) page() (total int, err error) {
	total = -1
	resources := jsontext.KindInvalid
	err = d.object(func(name []byte) error {
		switch string(name) {
		case "total":
			if total >= 0 {
				return d.errorf("occurs twice")
			}
			total, err = d.count()
			return err
		case "resources":
			if resources != jsontext.KindInvalid {
				return d.errorf("occurs twice")
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
		// With a total of 0, null is an empty list: Go encodes a nil slice like this.
		return 0, fmt.Errorf("the page's resources are null although its total is %d", total)
	}
	return total, nil
}

// end returns an error if anything follows the page.
func (d *Decoder) end() error {
	switch _, err := d.tokens.ReadToken(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	default:
		return errors.New("there is data after the page")
	}
}

// fieldOf returns the field with the given name.
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

// jobs reads the array of jobs. Before each element except the first, it reads all records that
// match a template.
func (d *Decoder) jobs() error {
	for first := true; ; first = false {
		if first {
			if err := d.begin(jsontext.KindBeginArray, "an array"); err != nil {
				return err
			}
		} else if err := d.readMatching(); err != nil {
			return err
		}
		start, fills := d.input.decoderIndex(), d.input.fills
		switch d.tokens.PeekKind() {
		case jsontext.KindEndArray, jsontext.KindInvalid:
			_, err := d.tokens.ReadToken()
			return tooEarly(err)
		default:
			if err := d.readJob(); err != nil {
				return err
			}
			d.addTemplate(start, fills)
		}
	}
}

// readJob reads one job with jsontext and visits it.
func (d *Decoder) readJob() error {
	d.job = syncjob.Job{Scopes: d.job.Scopes[:0], Details: d.job.Details[:0]}
	d.jobBytes, d.seen = 0, [numFields]bool{}
	if err := d.object(d.readField); err != nil {
		return err
	}
	if d.job.ID == "" {
		return d.errorf("a job has no id")
	}
	return d.visitJobs([]syncjob.Job{d.job})
}

// readField reads the value of a job's field. A field that occurs twice is an error, because the
// JSON does not define which value counts. Scope fields may occur twice: all scopes count.
func (d *Decoder) readField(name []byte) error {
	field := d.fieldOf(name)
	if d.seen[field] && field != fieldOther && field != fieldScopes {
		return d.errorf("occurs twice")
	}
	d.seen[field] = true
	switch field {
	case fieldID:
		return d.id(&d.job.ID)
	case fieldOverallStatus:
		return d.status()
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

// scopes reads a scope field: an array of identifiers, a single identifier, or null.
func (d *Decoder) scopes() error {
	add := func() error {
		var scope string
		if err := d.text(&scope); err != nil {
			return err
		}
		if len(scope) > maxNameBytes {
			return d.errorf("is a scope of %d bytes, more than the maximum of %d", len(scope), maxNameBytes)
		}
		if len(d.job.Scopes) == syncjob.MaxScopes {
			return d.errorf("one job names more than %d scopes", syncjob.MaxScopes)
		}
		d.job.Scopes = append(d.job.Scopes, scope)
		return d.grow(len(scope))
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

// details reads detailed_status. Values other than texts and null are skipped, because other
// kinds of jobs of the same product have arrays in it. So is a detailed_status that is not an
// object.
func (d *Decoder) details() error {
	if d.tokens.PeekKind() != jsontext.KindBeginObject {
		return d.skip()
	}
	return d.object(func(name []byte) error {
		key := d.strings.string(name)
		if kind := d.tokens.PeekKind(); kind != jsontext.KindString && kind != jsontext.KindNull {
			return d.skip()
		}
		text, err := d.stringOrNull()
		if err != nil {
			return err
		}
		switch {
		case len(d.job.Details) == syncjob.MaxScopes:
			return d.errorf("one job names more than %d scopes", syncjob.MaxScopes)
		case len(key) > maxNameBytes:
			return d.errorf("names a scope with %d bytes, more than the maximum of %d", len(key), maxNameBytes)
		}
		detail := d.detail(key, text)
		d.job.Details = append(d.job.Details, detail)
		return d.grow(len(key) + len(detail.Text))
	})
}

// grow adds to jobBytes.
func (d *Decoder) grow(bytes int) error {
	if d.jobBytes += bytes; d.jobBytes > maxJobBytes {
		return d.errorf("the names and texts of one job take more than %d bytes", maxJobBytes)
	}
	return nil
}
