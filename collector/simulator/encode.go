package simulator

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

// Layouts of a time: a list shows six fraction digits, the answer to a start nine.
const (
	layoutMicros = "2006-01-02T15:04:05.000000Z07:00"
	layoutNanos  = "2006-01-02T15:04:05.000000000Z07:00"
)

// appendJob writes a job with its fields in the appliance's order. It is written out by hand
// because a page may hold a thousand jobs that exist nowhere else, and because the name of the
// scope field differs between lists.
func (k Kind) appendJob(b []byte, j *Job, layout string) []byte {
	if j.Raw != nil {
		return append(b, j.Raw...)
	}
	b = appendField(b, `{"id":`, j.ID)
	b = appendField(b, `,"uri":`, j.URI)
	b = appendField(b, `,"account":`, j.Account)
	b = appendField(b, `,"application":`, j.Application)
	b = appendField(b, `,"devAccount":`, j.DevAccount)
	b = appendTime(b, `,"createdAt":`, j.CreatedAt, layout)
	b = appendTime(b, `,"updatedAt":`, j.UpdatedAt, layout)
	if !j.CompletedAt.IsZero() {
		b = appendTime(b, `,"completed_at":`, j.CompletedAt, layout)
	}
	b = appendField(b, `,"overall_status":`, j.OverallStatus)
	if k.InProgress == "" || !k.runs(j) {
		b = append(b, `,"detailed_status":`...)
		b = appendDetail(b, j.DetailedStatus)
	}
	b = appendField(b, `,"cloud":`, j.Cloud)
	b = append(b, ',')
	b = appendText(b, k.ScopeField)
	b = append(b, ":["...)
	for i, scope := range j.Scopes {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, scope)
	}
	b = append(b, `],"abort":`...)
	b = strconv.AppendBool(b, j.Abort)
	if j.SyncItem != "" {
		b = appendField(b, `,"sync_item":`, j.SyncItem)
	}
	return append(b, '}')
}

// appendDetail writes detailed_status with its keys sorted, as in the appliance's examples, which
// is another order than that of the scope field.
func appendDetail(b []byte, detail map[string]string) []byte {
	var few [8]string
	keys := few[:0]
	for key := range detail {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	b = append(b, '{')
	for i, key := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, key)
		b = append(b, ':')
		b = appendText(b, detail[key])
	}
	return append(b, '}')
}

// appendField writes what stands before a value, then the value.
func appendField(b []byte, before, value string) []byte {
	return appendText(append(b, before...), value)
}

// appendTime writes what stands before a time, then the time.
func appendTime(b []byte, before string, t time.Time, layout string) []byte {
	b = append(b, before...)
	b = append(b, '"')
	b = t.AppendFormat(b, layout)
	return append(b, '"')
}

// appendText writes a JSON string. Plain ASCII, which is nearly everything here, needs no escaping.
func appendText(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(text)
			if err != nil {
				panic("simulator: a string could not be encoded: " + err.Error()) // encoding/json encodes every string.
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}

// JSON returns a job as this list would show it, with six fraction digits in its times.
func (l *JobList) JSON(j Job) []byte {
	j = j.normal()
	return l.kind.appendJob(nil, &j, layoutMicros)
}
