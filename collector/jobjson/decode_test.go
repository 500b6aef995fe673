package jobjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/collector/printable"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

// newDecoder returns a decoder that redacts "hunter2" and "error".
func newDecoder(scopeFields ...string) *Decoder {
	return NewDecoder(scopeFields, strings.NewReplacer("hunter2", "<secret>", "error", "<secret>").Replace)
}

// decode decodes a page and returns its jobs.
func decode(body io.Reader, scopeFields ...string) (jobs []syncjob.Job, total int, err error) {
	total, err = newDecoder(scopeFields...).Decode(body, func(some []syncjob.Job) error {
		for i := range some {
			jobs = append(jobs, some[i].Clone())
		}
		return nil
	})
	return jobs, total, err
}

// long returns a text of n bytes.
func long(n int) string { return strings.Repeat("x", n) }

// TestDecodePage checks pages that are accepted, however their bytes arrive.
func TestDecodePage(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		page  string
		total int
		ids   []string
	}{
		"empty":                       {`{"skip":0,"limit":10,"total":0,"resources":[]}`, 0, nil},
		"null if nothing matches":     {`{"total":0,"resources":null}`, 0, nil},
		"total behind resources":      {`{"resources":[{"id":"a"}],"total":1}`, 1, []string{"a"}},
		"part of a list":              {`{"skip":3,"limit":1,"total":7,"resources":[{"id":"a"}]}`, 7, []string{"a"}},
		"empty behind the end":        {`{"skip":9,"limit":1,"total":7,"resources":[]}`, 7, nil},
		"the same id twice":           {`{"total":2,"resources":[{"id":"a"},{"id":"a"}]}`, 2, []string{"a", "a"}},
		"white space":                 {" \t\r\n{ \"total\" : 1 ,\n\"resources\" : [ { \"id\" : \"a\" } ] } \n", 1, []string{"a"}},
		"unknown fields":              {`{"total":1,"more":{"total":2,"resources":[1]},"resources":[{"id":"a","x":[{"id":"b"}],"y":null}]}`, 1, []string{"a"}},
		"other fields twice":          {`{"skip":0,"skip":0,"total":1,"resources":[{"id":"a","x":1,"x":2}]}`, 1, []string{"a"}},
		"names in other cases":        {`{"total":1,"Total":5,"RESOURCES":5,"resources":[{"id":"a","ID":"b","Id":7}]}`, 1, []string{"a"}},
		"escapes":                     {`{"t\u006ftal":1,"resources":[{"\u0069d":"\u0061\ud83d\ude00"}]}`, 1, []string{"a😀"}},
		"a long text":                 {`{"total":1,"resources":[{"id":"a","x":"` + long(1<<19) + `"}]}`, 1, []string{"a"}},
		"a long field of short texts": {`{"total":1,"resources":[{"id":"a","x":[` + strings.Repeat(`"x",`, 1<<20) + `1]}]}`, 1, []string{"a"}},
		"depth":                       {`{"total":1,"resources":[{"id":"a","x":` + strings.Repeat("[", 900) + strings.Repeat("]", 900) + `}]}`, 1, []string{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for way, body := range map[string]io.Reader{
				"at once":           strings.NewReader(test.page),
				"a bit at a time":   iotest.HalfReader(strings.NewReader(test.page)),
				"EOF with the data": iotest.DataErrReader(strings.NewReader(test.page)),
			} {
				jobs, total, err := decode(body)
				if err != nil {
					t.Fatalf("%s: %v", way, err)
				}
				ids := make([]string, 0, len(jobs))
				for i := range jobs {
					ids = append(ids, jobs[i].ID)
				}
				if total != test.total || !slices.Equal(ids, test.ids) {
					t.Errorf("%s: got a total of %d and the jobs %q, want %d and %q", way, total, ids, test.total, test.ids)
				}
			}
		})
	}
}

// TestDecodePageRefuses checks responses that are not a page. The reason is always decode. If the JSON ends too
// early, the error wraps io.ErrUnexpectedEOF, because only the transport knows whether that was the network.
func TestDecodePageRefuses(t *testing.T) {
	t.Parallel()
	const early = true
	for name, test := range map[string]struct {
		page  string
		early bool
	}{
		"nothing":                          {``, early},
		"white space alone":                {" \n", early},
		"cut short within a name":          {`{"tot`, early},
		"cut short within a number":        {`{"total":1`, early},
		"cut short within resources":       {`{"total":1,"resources":[`, early},
		"cut short within a job":           {`{"total":1,"resources":[{"id":"a"`, early},
		"cut short within a skipped field": {`{"total":1,"resources":[{"id":"a","x":[1,`, early},
		"cut short before its end":         {`{"total":1,"resources":[{"id":"a"}]`, early},

		"HTML":               {page: `<html></html>`},
		"null":               {page: `null`},
		"an array":           {page: `[{"id":"a"}]`},
		"a text":             {page: `"page"`},
		"an error's body":    {page: `{"code":5,"codeDesc":"NCERRUnauthorizedAccess"}`},
		"something behind":   {page: `{"total":0,"resources":[]} x`},
		"a missing comma":    {page: `{"total":1 "resources":[]}`},
		"a byte order mark":  {page: "\ufeff" + `{"total":0,"resources":[]}`},
		"bad UTF-8, skipped": {page: `{"total":1,"resources":[{"id":"a","x":"` + "\xc3\x28" + `"}]}`},
		"half a surrogate":   {page: `{"total":1,"resources":[{"id":"\ud83d"}]}`},
		"a control byte":     {page: `{"total":1,"resources":[{"id":"` + "\x01" + `"}]}`},

		"no total":            {page: `{"resources":[]}`},
		"total null":          {page: `{"total":null,"resources":[]}`},
		"total text":          {page: `{"total":"1","resources":[{"id":"a"}]}`},
		"total negative":      {page: `{"total":-1,"resources":[]}`},
		"total with exponent": {page: `{"total":1e0,"resources":[{"id":"a"}]}`},
		"total twice":         {page: `{"total":0,"total":0,"resources":[]}`},

		"no resources":            {page: `{"total":0}`},
		"resources null, total 5": {page: `{"total":5,"resources":null}`},
		"resources object":        {page: `{"total":0,"resources":{}}`},
		"resources twice":         {page: `{"total":0,"resources":[],"resources":[]}`},

		"job null":               {page: `{"total":1,"resources":[null]}`},
		"job without id":         {page: `{"total":1,"resources":[{}]}`},
		"job with empty id":      {page: `{"total":1,"resources":[{"id":""}]}`},
		"job with numeric id":    {page: `{"total":1,"resources":[{"id":7}]}`},
		"id twice":               {page: `{"total":1,"resources":[{"id":"a","id":"b"}]}`},
		"overall_status number":  {page: `{"total":1,"resources":[{"id":"a","overall_status":1}]}`},
		"overall_status twice":   {page: `{"total":1,"resources":[{"id":"a","overall_status":"failed","overall_status":"completed"}]}`},
		"abort text":             {page: `{"total":1,"resources":[{"id":"a","abort":"true"}]}`},
		"abort twice":            {page: `{"total":1,"resources":[{"id":"a","abort":true,"abort":false}]}`},
		"detailed_status twice":  {page: `{"total":1,"resources":[{"id":"a","detailed_status":{},"detailed_status":{}}]}`},
		"scope field object":     {page: `{"total":1,"resources":[{"id":"a","key_rings":{"r":1}}]}`},
		"scope field of numbers": {page: `{"total":1,"resources":[{"id":"a","key_rings":[1]}]}`},

		"white space of megabytes":        {page: `{"total":0,` + strings.Repeat(" ", 3<<20) + `"resources":[]}`},
		"an id beyond the bound":          {page: `{"total":1,"resources":[{"id":"` + long(maxNameBytes+1) + `"}]}`},
		"a scope beyond the bound, later": {page: `{"total":2,"resources":[{"id":"a","key_rings":["r"]},{"id":"b","key_rings":["` + long(maxNameBytes+1) + `"]}]}`},
		"a detail beyond the bound, later": {page: `{"total":2,"resources":[{"id":"a","detailed_status":{"r":"failed"}},{"id":"b","detailed_status":{"` +
			long(maxNameBytes+1) + `":"failed"}}]}`},
		"scopes beyond the bound":         {page: `{"total":1,"resources":[{"id":"a","key_rings":[` + strings.Repeat(`"r",`, syncjob.MaxScopes) + `"r"]}]}`},
		"details beyond the bound":        {page: `{"total":1,"resources":[{"id":"a","detailed_status":{` + strings.Repeat(`"r":"",`, syncjob.MaxScopes) + `"r":""}}]}`},
		"names beyond the bound of a job": {page: `{"total":1,"resources":[{"id":"a","key_rings":[` + strings.Repeat(`"`+long(maxNameBytes)+`",`, maxJobBytes/maxNameBytes) + `"r"]}]}`},
		"texts beyond the bound of a job": {page: `{"total":1,"resources":[{"id":"a","detailed_status":{` + strings.Repeat(`"`+long(512)+`":"`+long(syncjob.MaxText)+`",`, maxJobBytes/1024) + `"r":"x"}}]}`},
		"a mistake behind a long name":    {page: `{"total":1,"` + long(1<<19) + `":tru}`},
		"a wrong kind behind a long name": {page: `{"total":1,"resources":[{"id":"a","` + long(1<<19) + `":1,"id":"b"}]}`},
		"depth with an end":               {page: `{"total":1,"resources":[{"id":"a","x":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}]}`},
		"depth of detailed_status":        {page: `{"total":1,"resources":[{"id":"a","detailed_status":` + strings.Repeat(`{"x":`, 20_000)},
		"a mistake behind secrets":        {page: `{"total":1,"` + strings.Repeat("hunter2\u202e", 100) + `":tru}`},
		"a wrong kind behind secrets":     {page: `{"total":1,"resources":[{"id":"a","detailed_status":{"` + strings.Repeat("hunter2\u202e", 200) + `":"failed"}}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := decode(strings.NewReader(test.page), "key_rings")
			if err == nil || reason.Of(err) != reason.Decode || reason.HintOf(err) == "" {
				t.Fatalf("got %v, want an error with reason decode and a hint", err)
			}
			if got := errors.Is(err, io.ErrUnexpectedEOF); got != test.early {
				t.Errorf("ends too early: %t, want %t: %v", got, test.early, err)
			}
			if len(err.Error()) > 1000 || strings.Contains(err.Error(), "hunt") || printable.Text(err.Error()) != err.Error() {
				t.Errorf("an error of %d bytes: %q", len(err.Error()), err)
			}
		})
	}
}

// TestDecodePageTransportError checks that Decode returns the error of the transport.
func TestDecodePageTransportError(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	for _, start := range []string{``, `{"total":`, `{"total":1,"resources":[{"id":"a`, `{"total":1,"resources":[{"id":"a"}]}`} {
		_, _, err := decode(io.MultiReader(strings.NewReader(start), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) {
			t.Errorf("behind %q: got %v, want that of the transport", start, err)
		}
	}
}

// TestDecodeJob checks the fields of a job, and which deviations from the documentation are accepted.
func TestDecodeJob(t *testing.T) {
	t.Parallel()
	at := time.Date(2022, time.May, 17, 9, 40, 35, 546384000, time.UTC)
	for name, test := range map[string]struct {
		fields string
		want   syncjob.Job
	}{
		"all": {
			`"createdAt":"2022-05-17T09:40:35.546384Z","updatedAt":"2022-05-17T09:40:35.546384Z","completed_at":"2022-05-17T09:40:35.546384Z",` +
				`"overall_status":"completed","abort":true,"key_rings":["r","s"],"detailed_status":{"r":"in_progress","s":""}`,
			syncjob.Job{
				CreatedAt: at, UpdatedAt: at, CompletedAt: at, OverallStatus: "completed", Abort: true,
				Scopes: []string{"r", "s"}, Details: []syncjob.Detail{{Key: "r", Text: "in_progress"}, {Key: "s"}},
			},
		},
		"nothing but an id": {``, syncjob.Job{}},
		"all null": {
			`"createdAt":null,"updatedAt":null,"completed_at":null,"overall_status":null,"abort":null,"key_rings":null,"detailed_status":null`,
			syncjob.Job{},
		},
		"nine digits and an offset": {
			`"createdAt":"2022-05-17T15:10:35.546384000+05:30","updatedAt":"2022-05-17T09:40:35.546384-00:00"`,
			syncjob.Job{CreatedAt: at, UpdatedAt: at},
		},
		"times that cannot be read":  {`"createdAt":"yesterday","updatedAt":"","completed_at":"2022-05-17 09:40:35Z"`, syncjob.Job{}},
		"times of other kinds":       {`"createdAt":1652780435,"updatedAt":{"$date":1},"completed_at":[true,"2022-05-17T09:40:35Z"]`, syncjob.Job{}},
		"the zero time":              {`"completed_at":"0001-01-01T00:00:00Z"`, syncjob.Job{}},
		"the zero time elsewhere":    {`"createdAt":"0001-01-01T08:05:43+08:05","updatedAt":"1970-01-01T00:00:00Z","completed_at":"1999-12-31T23:59:59.9Z"`, syncjob.Job{}},
		"the first time that counts": {`"createdAt":"1999-12-31T16:00:00-08:00"`, syncjob.Job{CreatedAt: time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)}},
		"lower case, a leap second":  {`"createdAt":"2022-05-17t09:40:34.999z","updatedAt":"2022-05-17T09:40:60Z"`, syncjob.Job{CreatedAt: at.Truncate(time.Second).Add(-time.Millisecond), UpdatedAt: at.Truncate(time.Minute).Add(time.Minute)}},
		"texts that are too long": {
			fmt.Sprintf(`"overall_status":%[1]q,"detailed_status":{"r":%[1]q}`, strings.Repeat("é", 1000)),
			syncjob.Job{OverallStatus: strings.Repeat("é", 254) + "…", Details: []syncjob.Detail{{Key: "r", Text: strings.Repeat("é", 254) + "…"}}},
		},
		"secrets and invisible characters": {
			`"overall_status":"paused by hunter2\u009b","detailed_status":{"hunter2\u202e":"hunter2\u202e: synchronized"},"key_rings":["hunter2\u202e"]`,
			syncjob.Job{
				OverallStatus: `paused by <secret>\u{9B}`, Scopes: []string{"hunter2\u202e"},
				Details: []syncjob.Detail{{Key: "hunter2\u202e", Text: `<secret>\u{202E}: synchronized`, Meaning: syncjob.MeaningOf("synchronized")}},
			},
		},
		"a secret where a text is cut": {
			fmt.Sprintf(`"overall_status":"%[1]shunter2","detailed_status":{"r":"%[1]shunter2"}`, long(506)),
			syncjob.Job{OverallStatus: long(506) + "<se…", Details: []syncjob.Detail{{Key: "r", Text: long(506) + "<se…", Meaning: syncjob.MeaningOf("x")}}},
		},
		"a secret that is a known status": {
			`"overall_status":"error","detailed_status":{"r":"error"}`,
			syncjob.Job{OverallStatus: "error", Details: []syncjob.Detail{{Key: "r", Text: "<secret>", Meaning: syncjob.MeaningOf("error")}}},
		},
		"one scope alone":             {`"key_rings":"r"`, syncjob.Job{Scopes: []string{"r"}}},
		"two scope fields":            {`"key_rings":["r"],"other_rings":"s"`, syncjob.Job{Scopes: []string{"r", "s"}}},
		"another list's scopes":       {`"key_vaults":["v"]`, syncjob.Job{}},
		"null among scopes":           {`"key_rings":["r",null]`, syncjob.Job{Scopes: []string{"r", ""}}},
		"no scopes":                   {`"key_rings":[]`, syncjob.Job{}},
		"detailed_status is a text":   {`"detailed_status":"in_progress"`, syncjob.Job{}},
		"detailed_status is an array": {`"detailed_status":[{"r":"in_progress"}]`, syncjob.Job{}},
		"detailed_status is a number": {`"detailed_status":3`, syncjob.Job{}},
		"null is an empty text":       {`"detailed_status":{"r":null}`, syncjob.Job{Details: []syncjob.Detail{{Key: "r"}}}},
		"values of detailed_status other than texts are skipped": {
			`"detailed_status":{"a":["failed"],"b":{"c":"failed"},"d":1,"e":true,"r":"in_progress","f":[]}`,
			syncjob.Job{Details: []syncjob.Detail{{Key: "r", Text: "in_progress"}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fields := test.fields
			if fields != "" {
				fields = "," + fields
			}
			// The second job must have nothing of the first one.
			page := fmt.Sprintf(`{"total":3,"resources":[{"id":"1"%s},{"id":"2"},{"id":"3"%s}]}`, fields, fields)
			jobs, _, err := decode(strings.NewReader(page), "key_rings", "other_rings")
			if err != nil {
				t.Fatal(err)
			}
			first, third := test.want, test.want
			first.ID, third.ID = "1", "3"
			want := []syncjob.Job{first, {ID: "2"}, third}
			for i := range jobs {
				// A nil slice and an empty one are the same.
				jobs[i].Scopes = append([]string(nil), jobs[i].Scopes...)
				jobs[i].Details = append([]syncjob.Detail(nil), jobs[i].Details...)
			}
			if diff := cmp.Diff(want, jobs); diff != "" {
				t.Errorf("jobs (-want +got):\n%s", diff)
			}
		})
	}
}

// fixturePages returns the pages of the simulated appliance's fixtures.
func fixturePages(f *testing.F) [][]byte {
	f.Helper()
	fixtures, err := filepath.Glob(filepath.Join("..", "simulator", "fixtures", "*.json"))
	if err != nil || len(fixtures) == 0 {
		f.Fatalf("no fixtures: %v", err)
	}
	pages := make([][]byte, 0, len(fixtures))
	for _, fixture := range fixtures {
		content, err := os.ReadFile(fixture)
		if err != nil {
			f.Fatal(err)
		}
		pages = append(pages, content)
	}
	return pages
}

// FuzzDecodePage checks that no response makes the decoder panic, that every error has its reason, and that the
// jobs of an accepted page are those that encoding/json decodes.
func FuzzDecodePage(f *testing.F) {
	for _, content := range fixturePages(f) {
		f.Add(content)
	}
	for _, seed := range []string{
		``, `null`, `[]`, `{"total":0,"resources":null}`, `{"total":5,"resources":null}`, `{"total":1e0,"resources":[{"id":"a"}]}`,
		`{"total":-0,"resources":[]}`, `{"total":1.0,"resources":[{"id":"a"}]}`, `{"total":1,"total":2,"resources":[]}`,
		`{"total":1,"resources":[{"id":"a","id":"b"}]}`, `{"total":1,"resources":[{"id":"\ud83d\ude00\u0000","abort":true}]} `,
		`{"total":1,"resources":[{"id":"a","key_rings":"r","detailed_status":{"r":["x"],"s":null,"r":"failed"}}]}x`,
		`{"total":2,"Total":3,"resources":[{"id":"a","overall_status":null,"createdAt":"2022-05-17T09:40:35.546384Z"},{"ID":"b","id":"c"}]}`,
		"{\"total\":1,\"resources\":[{\"id\":\"\xff\"}]}", "\ufeff{}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		jobs, total, err := decode(bytes.NewReader(content), "key_rings", "key_vaults")
		if err != nil {
			if reason.Of(err) != reason.Decode {
				t.Errorf("reason %s: %v", reason.Of(err), err)
			}
			return
		}
		var page map[string]json.RawMessage
		if err := json.Unmarshal(content, &page); err != nil {
			t.Fatalf("encoding/json rejects an accepted page: %v", err)
		}
		if want, err := strconv.ParseInt(string(page["total"]), 10, 64); err != nil || int64(total) != want {
			t.Errorf("total %d of %s (%v)", total, page["total"], err)
		}
		var records []map[string]any
		if err := json.Unmarshal(page["resources"], &records); err != nil {
			t.Fatalf("encoding/json rejects accepted resources: %v", err)
		}
		if len(jobs) != len(records) {
			t.Fatalf("%d jobs of %d records", len(jobs), len(records))
		}
		for i, record := range records {
			sameAsRecord(t, &jobs[i], record)
		}
	})
}

// sameAsRecord compares a job with its record, as encoding/json decodes it.
func sameAsRecord(t *testing.T, job *syncjob.Job, record map[string]any) {
	t.Helper()
	if job.ID != record["id"] {
		t.Errorf("id %q of %v", job.ID, record["id"])
	}
	if status, _ := record["overall_status"].(string); job.OverallStatus != status {
		t.Errorf("overall_status %q of %v", job.OverallStatus, record["overall_status"])
	}
	if abort, _ := record["abort"].(bool); job.Abort != abort {
		t.Errorf("abort %t of %v", job.Abort, record["abort"])
	}
	details, _ := record["detailed_status"].(map[string]any)
	for _, detail := range job.Details {
		if _, ok := details[detail.Key]; !ok {
			t.Errorf("detail %q is not in the record", detail.Key)
		}
	}
}
