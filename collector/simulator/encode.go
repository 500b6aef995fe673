package simulator

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
)

// appendJob appends a job in JSON with its fields in the appliance's order. It does not use encoding/json
// because pages should be cheap next to what reads them, and because lists name the scope field
// differently.
func (k Kind) appendJob(b []byte, account string, j *Job) []byte {
	b = append(b, `{"id":"`...)
	b = j.ID.appendTo(b)
	b = append(b, `","uri":"kylo:`...)
	b = append(b, account...)
	b = append(b, `:cckm:synchronize:`...)
	b = j.ID.appendTo(b)
	b = append(b, `","account":"kylo:`...)
	b = append(b, account...)
	b = append(b, `:admin:accounts:`...)
	b = append(b, account...)
	b = append(b, `","application":"ncryptify:gemalto:admin:apps:kylo","devAccount":"ncryptify:gemalto:admin:accounts:gemalto"`...)
	b = appendTime(b, `,"createdAt":`, j.CreatedAt)
	b = appendTime(b, `,"updatedAt":`, j.UpdatedAt)
	if !j.CompletedAt.IsZero() {
		b = appendTime(b, `,"completed_at":`, j.CompletedAt)
	}
	b = appendText(b, `,"overall_status":`, j.OverallStatus)
	if k.InProgress == "" || !k.runs(j) {
		b = append(b, `,"detailed_status":{`...)
		// The keys are sorted as in the appliance's examples, so their order differs from the scope field's.
		for i, key := range slices.Sorted(maps.Keys(j.DetailedStatus)) {
			b = appendText(appendComma(b, i), "", key)
			b = appendText(b, ":", j.DetailedStatus[key])
		}
		b = append(b, '}')
	}
	b = appendText(b, `,"cloud":`, k.Cloud)
	b = appendText(b, ",", k.ScopeField)
	b = append(b, ":["...)
	for i, scope := range j.Scopes {
		b = appendText(appendComma(b, i), "", scope)
	}
	b = append(b, `],"abort":`...)
	b = strconv.AppendBool(b, j.Abort)
	if k.SyncItem != "" {
		b = appendText(b, `,"sync_item":`, k.SyncItem)
	}
	return append(b, '}')
}

// appendComma appends a comma before every element of a list but the first.
func appendComma(b []byte, i int) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	return b
}

// appendTime appends what comes before a time, then the time.
func appendTime(b []byte, before string, t time.Time) []byte {
	b = append(append(b, before...), '"')
	b = t.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000Z07:00")
	return append(b, '"')
}

// appendText appends what comes before a string, then the string in JSON. Plain ASCII needs no escaping.
func appendText(b []byte, before, text string) []byte {
	b = append(b, before...)
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(text)
			if err != nil {
				panic("simulator: encoding a string: " + err.Error()) // encoding/json encodes every string.
			}
			return append(b, quoted...)
		}
	}
	b = append(append(b, '"'), text...)
	return append(b, '"')
}
