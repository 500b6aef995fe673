package jobjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"cckm_sync_exporter/collector/syncjob"
)

// outcome is what comes of decoding a page.
type outcome struct {
	Jobs  []syncjob.Job
	Total int
	Err   string
	Early bool
	// repeated is how many records bypassed jsontext.
	repeated int
}

// decodeBy decodes a page by a decoder that may have decoded others.
func decodeBy(d *Decoder, body io.Reader) outcome {
	var o outcome
	total, err := d.Decode(body, func(job *syncjob.Job) error {
		o.Jobs = append(o.Jobs, job.Clone())
		return nil
	})
	o.Total, o.repeated = total, d.bypassed
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

// agree checks that a page has the same outcome with a decoder without templates and with one
// that has the page's templates.
func agree(t *testing.T, page []byte) (repeated int) {
	t.Helper()
	want := decodeBy(byTokens(), bytes.NewReader(page))
	d := newDecoder("key_rings", "key_vaults")
	for _, body := range []io.Reader{
		bytes.NewReader(page), bytes.NewReader(page), iotest.HalfReader(bytes.NewReader(page)), iotest.DataErrReader(bytes.NewReader(page)),
	} {
		got := decodeBy(d, body)
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(outcome{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("of %.2000q (-tokens +repeats):\n%s", page, diff)
		}
		repeated = got.repeated
	}
	return repeated
}

// pageOf returns a page of records.
func pageOf(records ...string) []byte {
	return fmt.Appendf(nil, `{"skip":0,"limit":10,"total":%d,"resources":[%s]}`, len(records), strings.Join(records, ","))
}

// record returns one of a list's usual records.
func record(n int) string {
	return fmt.Sprintf(`{"id":"id-%d","uri":"kylo:%d","createdAt":"2022-05-17T09:40:35.546384Z","overall_status":"completed",`+
		`"detailed_status":{"ring-%d":"key ring synchronized successfully"},"key_rings":["ring-%d"],"size":7,"abort":false}`, n, n*n, n%3, n%3)
}

// TestRepeatedRecords checks which records bypass jsontext, and that the outcome is the same.
func TestRepeatedRecords(t *testing.T) {
	t.Parallel()
	with := func(id, more string) string { return fmt.Sprintf(`{"id":%q,%s}`, id, more) }
	for name, test := range map[string]struct {
		records  []string
		repeated int
	}{
		"the same fields":         {[]string{record(1), record(2), record(3)}, 3 - 1},
		"lists of any length":     {[]string{with("a", `"key_rings":["r"]`), with("b", `"key_rings":["r","s","t"]`)}, 1},
		"objects of any length":   {[]string{with("a", `"detailed_status":{"r":"x"}`), with("b", `"detailed_status":{"r":"y","r":"z"}`)}, 1},
		"two templates in turns":  {[]string{with("a", `"abort":true`), with("b", `"abort":false`), with("c", `"abort":true`), with("d", `"abort":false`)}, 2},
		"unknown fields":          {[]string{with("a", `"x":["y"],"z":{"a":"b"},"n":null`), with("b", `"x":["z","z"],"z":{"c":"d"},"n":null`)}, 1},
		"an empty list":           {[]string{with("a", `"key_rings":[]`), with("b", `"key_rings":["r"]`), with("c", `"key_rings":[]`)}, 1},
		"white space":             {[]string{" { \"id\" : \"a\" , \"n\" : 1 }\n", "\t { \"id\" : \"b\" , \"n\" : 1 } "}, 1},
		"a scope alone":           {[]string{with("a", `"key_rings":"r"`), with("b", `"key_rings":"s"`)}, 1},
		"two scope fields":        {[]string{with("a", `"key_rings":["r"],"key_vaults":"v"`), with("b", `"key_rings":["s"],"key_vaults":"w"`)}, 1},
		"texts that are too long": {[]string{with("a", `"detailed_status":{"r":"x"}`), with("b", `"detailed_status":{"r":"`+strings.Repeat("y", 600)+`"}`), with("c", `"overall_status":"`+strings.Repeat("z", 600)+`"`)}, 1},
		"too many scopes":         {[]string{with("a", `"key_rings":["r"]`), with("b", `"key_rings":[`+strings.Repeat(`"",`, syncjob.MaxScopes)+`""]`)}, 0},
		"a number that changes":   {[]string{with("a", `"n":1`), with("b", `"n":2`)}, 0},
		"escapes":                 {[]string{with("a", `"x":"y"`), with("b", `"x":"\n"`), with("c", `"x":"\""`)}, 0},
		"other scripts":           {[]string{with("a", `"x":"y"`), with("b", `"x":"ключ"`)}, 0},
		"escapes in a name":       {[]string{`{"\u0069d":"a"}`, `{"\u0069d":"b"}`}, 0},
		"an escape learned":       {[]string{with("a", `"x":"\n"`), with("b", `"x":"\n"`)}, 0},
		"deeper values":           {[]string{with("a", `"x":[["y"]]`), with("b", `"x":[["y"]]`)}, 0},
		"a field more":            {[]string{with("a", `"x":"y"`), with("b", `"x":"y","z":""`)}, 0},
		"no id":                   {[]string{`{"id":"a"}`, `{"id":""}`}, 0},
		"a control character":     {[]string{`{"id":"a"}`, "{\"id\":\"\x1f\"}"}, 0},
		"bad UTF-8":               {[]string{`{"id":"a"}`, "{\"id\":\"\xff\"}"}, 0},
		"a field twice":           {[]string{with("a", `"x":"y"`), with("b", `"id":"y"`)}, 0},
		"a list that is none":     {[]string{with("a", `"key_rings":["r"]`), with("b", `"key_rings":["r",]`)}, 0},
		"an object that is none":  {[]string{with("a", `"detailed_status":{"r":"s"}`), with("b", `"detailed_status":{"r"}`)}, 0},
		"null in a list":          {[]string{with("a", `"key_rings":["r"]`), with("b", `"key_rings":["r",null]`)}, 0},
		"null in detailed_status": {[]string{with("a", `"detailed_status":{"r":"s"}`), with("b", `"detailed_status":{"r":null}`)}, 0},
		"an empty record":         {[]string{`{"id":"a"}`, `{}`}, 0},
		"nothing":                 {[]string{`{"id":"a"}`, ``}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := pageOf(test.records...)
			agree(t, page)
			if got := decodeBy(newDecoder("key_rings", "key_vaults"), bytes.NewReader(page)).repeated; got != test.repeated {
				t.Errorf("%d records bypassed jsontext, want %d", got, test.repeated)
			}
		})
	}
}

// TestRepeatedRecordsOfALongPage holds that nearly all records of a page that is
// longer than the buffer are repeats, and that they are read where the page's
// bytes come in pieces of any size.
func TestRepeatedRecordsOfALongPage(t *testing.T) {
	t.Parallel()
	const jobs = 2000
	records := make([]string, 0, jobs)
	for i := range jobs {
		records = append(records, record(i))
	}
	page := pageOf(records...)
	if len(page) < 4*inputBytes {
		t.Fatalf("a page of %d bytes is not long", len(page))
	}
	if repeated := agree(t, page); repeated != jobs-1 {
		t.Errorf("%d records bypassed jsontext, want %d", repeated, jobs-1)
	}
	got := decodeBy(newDecoder("key_rings"), iotest.OneByteReader(bytes.NewReader(page)))
	if got.repeated < jobs-2 || len(got.Jobs) != jobs || got.Err != "" {
		t.Errorf("a byte at a time: %d of %d jobs are repeats (%s)", got.repeated, len(got.Jobs), got.Err)
	}
	for i := range got.Jobs {
		if want := fmt.Sprintf("id-%d", i); got.Jobs[i].ID != want {
			t.Fatalf("job %d is %q, want %q", i, got.Jobs[i].ID, want)
		}
	}
}

// TestMistakeBehindRepeats checks that an error names the right position in the page after
// records that bypassed jsontext.
func TestMistakeBehindRepeats(t *testing.T) {
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
		if got := decodeBy(d, bytes.NewReader(page)); !strings.Contains(got.Err, want) || got.repeated != 2 {
			t.Errorf("%s behind %d repeats: got %q, want it to tell %s", mistake, got.repeated, got.Err, want)
		}
	}
}

// TestTemplatesAreFew holds that a list whose records all differ makes the decoder
// remember no more than a few.
func TestTemplatesAreFew(t *testing.T) {
	t.Parallel()
	records := make([]string, 0, 100)
	for i := range cap(records) {
		records = append(records, fmt.Sprintf(`{"id":"a","n":%d}`, i))
	}
	d := newDecoder()
	if got := decodeBy(d, bytes.NewReader(pageOf(records...))); len(got.Jobs) != 100 || len(d.templates) > maxTemplates {
		t.Errorf("%d templates of %d jobs are kept (%s)", len(d.templates), len(got.Jobs), got.Err)
	}
}

// FuzzRepeats holds that records which jsontext is not shown are what it would
// have made of them, and that what it would have refused is refused, in the same
// words.
func FuzzRepeats(f *testing.F) {
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
	} {
		f.Add([]byte(pair[0]), []byte(pair[1]))
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		agree(t, pageOf(string(first), string(second), string(first), string(second)))
		agree(t, first)
	})
}

// FuzzPlainEnd holds that eight bytes at once are what they are one by one.
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
