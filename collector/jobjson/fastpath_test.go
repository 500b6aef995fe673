package jobjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"cckm_sync_exporter/collector/syncjob"
)

// outcome is the result of decoding a page.
type outcome struct {
	Jobs  []syncjob.Job
	Total int
	Err   string
	// bypassed is how many records bypassed jsontext.
	bypassed int
}

// decodeBy decodes a page by a decoder that may have decoded others.
func decodeBy(d *Decoder, body io.Reader) outcome {
	var o outcome
	total, err := d.Decode(body, func(jobs []syncjob.Job) error {
		for i := range jobs {
			o.Jobs = append(o.Jobs, jobs[i].Clone())
		}
		return nil
	})
	o.Total, o.bypassed = total, d.bypassed
	if err != nil {
		o.Err = err.Error()
	}
	return o
}

// byTokens returns a decoder that decodes every record with jsontext.
func byTokens() *Decoder {
	d := newDecoder("key_rings", "key_vaults")
	d.templates = nil
	return d
}

// syntaxError is the text of a syntax error. What jsontext quotes in it, and which names it has for its
// position, depends on what its buffer holds; TestPositionOfAnError checks usual ones.
var syntaxError = regexp.MustCompile(`(?s)jsontext: .*( after offset \d+)`)

// agree checks that a page has the same outcome with a decoder without templates and with one
// that has the page's templates.
func agree(t *testing.T, page []byte) (bypassed int) {
	t.Helper()
	want := decodeBy(byTokens(), bytes.NewReader(page))
	want.Err = syntaxError.ReplaceAllString(want.Err, "$1")
	d := newDecoder("key_rings", "key_vaults")
	for _, body := range []io.Reader{
		bytes.NewReader(page), bytes.NewReader(page), iotest.HalfReader(bytes.NewReader(page)), iotest.DataErrReader(bytes.NewReader(page)),
	} {
		got := decodeBy(d, body)
		got.Err = syntaxError.ReplaceAllString(got.Err, "$1")
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(outcome{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("of %.2000q (-jsontext +templates):\n%s", page, diff)
		}
		bypassed = got.bypassed
	}
	return bypassed
}

// pageOf returns a page of records.
func pageOf(records ...string) []byte {
	return fmt.Appendf(nil, `{"skip":0,"limit":10,"total":%d,"resources":[%s]}`, len(records), strings.Join(records, ","))
}

// record returns a usual record of a list.
func record(n int) string {
	return fmt.Sprintf(`{"id":"id-%d","uri":"kylo:%d","createdAt":"2022-05-17T09:40:35.546384Z","overall_status":"completed",`+
		`"detailed_status":{"ring-%d":"key ring synchronized successfully"},"key_rings":["ring-%d"],"size":7,"abort":false}`, n, n*n, n%3, n%3)
}

// TestMatchingRecords checks which records bypass jsontext, and that the outcome is the same.
func TestMatchingRecords(t *testing.T) {
	t.Parallel()
	with := func(id, more string) string { return fmt.Sprintf(`{"id":%q,%s}`, id, more) }
	for name, test := range map[string]struct {
		records  []string
		bypassed int
	}{
		"the same fields":         {[]string{record(1), record(2), record(3), record(4)}, 4 - 2},
		"lists of any length":     {[]string{with("a", `"key_rings":["r"]`), with("b", `"key_rings":["r","s","t"]`)}, 1},
		"objects of any length":   {[]string{with("a", `"detailed_status":{"r":"x"}`), with("b", `"detailed_status":{"r":"y","r":"z"}`)}, 1},
		"two templates in turns":  {[]string{with("a", `"abort":true`), with("b", `"abort":false`), with("c", `"abort":true`), with("d", `"abort":false`)}, 2},
		"unknown fields":          {[]string{with("a", `"x":["y"],"z":{"a":"b"},"n":null`), with("b", `"x":["z","z"],"z":{"c":"d"},"n":null`), with("c", `"x":["w"],"z":{"e":"f"},"n":null`)}, 1},
		"equal unknown fields":    {[]string{with("a", `"x":"y","z":["w"]`), with("b", `"x":"y","z":["w"]`)}, 1},
		"different in turns":      {[]string{with("a", `"x":"1","y":"1"`), with("b", `"x":"2","y":"1"`), with("c", `"x":"1","y":"2"`), with("d", `"x":"2","y":"2"`), with("e", `"x":"1","y":"1"`)}, 2},
		"an empty list":           {[]string{with("a", `"key_rings":[]`), with("b", `"key_rings":["r"]`), with("c", `"key_rings":[]`)}, 1},
		"white space":             {[]string{" { \"id\" : \"a\" , \"n\" : 1 }\n", "\t { \"id\" : \"b\" , \"n\" : 1 } "}, 1},
		"a scope alone":           {[]string{with("a", `"key_rings":"r"`), with("b", `"key_rings":"s"`)}, 1},
		"two scope fields":        {[]string{with("a", `"key_rings":["r"],"key_vaults":"v"`), with("b", `"key_rings":["s"],"key_vaults":"w"`)}, 1},
		"texts that are too long": {[]string{with("a", `"detailed_status":{"r":"x"}`), with("b", `"detailed_status":{"r":"`+strings.Repeat("y", 600)+`"}`), with("c", `"overall_status":"`+strings.Repeat("z", 600)+`"`)}, 1},
		"too many scopes":         {[]string{with("a", `"key_rings":["r"]`), with("b", `"key_rings":[`+strings.Repeat(`"",`, syncjob.MaxScopes)+`""]`)}, 0},
		"a number that changes":   {[]string{with("a", `"n":1`), with("b", `"n":2`)}, 0},
		"the longest names":       {[]string{record(1), record(2), strings.ReplaceAll(record(3), "ring-0", long(maxNameBytes))}, 1},
		"names that are too long": {[]string{record(1), record(2), strings.ReplaceAll(record(3), "ring-0", long(maxNameBytes+1))}, 0},
		"escapes":                 {[]string{with("a", `"x":"y"`), with("b", `"x":"z"`), with("c", `"x":"\n"`), with("d", `"x":"\""`)}, 0},
		"other scripts":           {[]string{with("a", `"x":"y"`), with("b", `"x":"z"`), with("c", `"x":"ключ"`)}, 0},
		"escapes in a name":       {[]string{`{"\u0069d":"a"}`, `{"\u0069d":"b"}`}, 0},
		"escapes in both":         {[]string{with("a", `"x":"\n"`), with("b", `"x":"\n"`)}, 0},
		"deeper values":           {[]string{with("a", `"x":[["y"]]`), with("b", `"x":[["y"]]`)}, 0},
		"a field more":            {[]string{with("a", `"x":"y"`), with("b", `"x":"y","z":""`)}, 0},
		"no id":                   {[]string{`{"id":"a"}`, `{"id":""}`}, 0},
		"a control character":     {[]string{`{"id":"a"}`, "{\"id\":\"\x1f\"}"}, 0},
		"bad UTF-8":               {[]string{`{"id":"a"}`, "{\"id\":\"\xff\"}"}, 0},
		"a field twice":           {[]string{with("a", `"x":"y"`), with("b", `"id":"y"`)}, 0},
		"an invalid array":        {[]string{with("a", `"key_rings":["r"]`), with("b", `"key_rings":["r",]`)}, 0},
		"an invalid object":       {[]string{with("a", `"detailed_status":{"r":"s"}`), with("b", `"detailed_status":{"r"}`)}, 0},
		"null in a list":          {[]string{with("a", `"key_rings":["r"]`), with("b", `"key_rings":["r",null]`)}, 0},
		"null in detailed_status": {[]string{with("a", `"detailed_status":{"r":"s"}`), with("b", `"detailed_status":{"r":null}`)}, 0},
		"an empty record":         {[]string{`{"id":"a"}`, `{}`}, 0},
		"nothing":                 {[]string{`{"id":"a"}`, ``}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := pageOf(test.records...)
			agree(t, page)
			if got := decodeBy(newDecoder("key_rings", "key_vaults"), bytes.NewReader(page)).bypassed; got != test.bypassed {
				t.Errorf("%d records bypassed jsontext, want %d", got, test.bypassed)
			}
		})
	}
}

// TestLongPage checks that nearly all records of a page that is longer than the buffer bypass jsontext, also if the
// body arrives byte by byte.
func TestLongPage(t *testing.T) {
	t.Parallel()
	const jobs = 2000
	records := make([]string, 0, jobs)
	for i := range jobs {
		records = append(records, record(i))
	}
	page := pageOf(records...)
	if bypassed := agree(t, page); len(page) < 4*inputBytes || bypassed != jobs-1 {
		t.Errorf("%d records of a page of %d bytes bypassed jsontext, want %d", bypassed, len(page), jobs-1)
	}
	got := decodeBy(newDecoder("key_rings"), iotest.OneByteReader(bytes.NewReader(page)))
	if got.bypassed < jobs-3 || len(got.Jobs) != jobs || got.Err != "" {
		t.Errorf("byte by byte: %d of %d jobs bypassed jsontext (%s)", got.bypassed, len(got.Jobs), got.Err)
	}
}

// TestPositionOfAnError checks that an error names the right position in the page after
// records that bypassed jsontext.
func TestPositionOfAnError(t *testing.T) {
	t.Parallel()
	for mistake, want := range map[string]string{
		`{"id":"a","id":"b"}`:      "/resources/3/id occurs twice",
		`{"id":"a","abort":"b"}`:   "/resources/3/abort is neither true nor false",
		`{"id":"a","abort":tru}`:   `/resources/3/abort`,
		`{"id":"` + "\xff" + `"}`:  `/resources/3/id`,
		`{"id":"a","key_rings":7}`: "/resources/3/key_rings is not an array",
		`7`:                        "/resources/3 is not an object",
		`{"id":"a"}]}x`:            "invalid character 'x'",
	} {
		page := pageOf(record(1), record(2), record(3), mistake)
		agree(t, page)
		d := newDecoder("key_rings")
		if got := decodeBy(d, bytes.NewReader(page)); !strings.Contains(got.Err, want) || got.bypassed != 1 {
			t.Errorf("%s after %d records that bypassed jsontext: got %q, want it to contain %s", mistake, got.bypassed, got.Err, want)
		}
	}
}

// FuzzTemplates checks that records that bypass jsontext have the same outcome as with jsontext, errors included.
func FuzzTemplates(f *testing.F) {
	for _, content := range fixturePages(f) {
		var page struct {
			Resources []json.RawMessage `json:"resources"`
		}
		if json.Unmarshal(content, &page) == nil && len(page.Resources) > 0 {
			f.Add([]byte(page.Resources[0]), []byte(page.Resources[len(page.Resources)-1]))
		}
	}
	for _, pair := range [][2]string{
		{record(1), record(2)},
		{`{"id":"a"}`, `{"id":"b"}]}`},
		{`{"id":"a"}`, `{"id":"b"} , {"id":"c"}`},
		{`{"id":"a","key_rings":["r"]}`, `{"id":"b","key_rings":["r","s"]}`},
		{`{"id":"a","key_rings":["r"]}`, `{"id":"b","key_rings":[]}`},
		{`{"id":"a","x":{"a":"b"}}`, `{"id":"b","x":{"a":"b","a":"c"}}`},
		{`{"id":"a","x":{"a":"b"}}`, `{"id":"b","x":{"a":"\u00e9"}}`},
		{`{"id":"a","n":1}`, `{"id":"b","n":1e}`},
		{` { "id" : "a" , "abort" : true } `, ` { "id" : "b" , "abort" : true } `},
		{`{"id":"a","abort":true,"detailed_status":{"a":"b"}}`, `{"id":"","abort":true,"detailed_status":{"a":"b"}}`},
		{`{"id":"a","createdAt":"2022-05-17T09:40:35Z"}`, `{"id":"a","createdAt":"0001-01-01T00:00:00Z"}`},
		{`{[""`, `{"00000000": "000000000000000000000000000000000",       "0000000000": "00000000` + "\x00"},
	} {
		f.Add([]byte(pair[0]), []byte(pair[1]))
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		agree(t, pageOf(string(first), string(second), string(first), string(second)))
		agree(t, first)
	})
}

// FuzzPlainEnd compares plainEnd with checking byte by byte.
func FuzzPlainEnd(f *testing.F) {
	for c := range 256 {
		for place := range 17 {
			text := bytes.Repeat([]byte("a"), 17)
			text[place] = byte(c)
			f.Add(text, 0)
		}
	}
	f.Add([]byte("\"\"\"\"\"\"\"\"\\\\\\\\\x00\x1f\x7f\x80\xff#!]["), 3)
	f.Fuzz(func(t *testing.T, text []byte, at int) {
		if at < 0 || at > len(text) {
			return
		}
		want := at
		for want < len(text) && text[want] >= 0x20 && text[want] < 0x80 && text[want] != '"' && text[want] != '\\' {
			want++
		}
		if got := plainEnd(text, at); got != want {
			t.Errorf("plain text in %q ends at %d, want %d", text[at:], got, want)
		}
	})
}
