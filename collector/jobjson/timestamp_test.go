package jobjson

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// FuzzParseTime compares the parser with time.Parse, behind a pattern for the forms
// that the two accept differently.
func FuzzParseTime(f *testing.F) {
	for _, text := range []string{
		"2022-05-17T09:41:01.958222Z", "2021-05-05T08:36:36Z", "2021-05-05T08:36:36.123456789Z", "2021-05-05T08:36:36.1234567891Z",
		"2021-05-05T08:36:36.Z", "2021-05-05T08:36:36,5Z", "2021-05-05T08:36:36+02:00", "2021-05-05t08:36:36z", "2021-05-05 08:36:36Z",
		"2024-02-29T00:00:00Z", "2023-02-29T00:00:00Z", "2024-02-30T00:00:00Z", "2021-04-31T00:00:00Z", "2021-12-31T23:59:59.999999Z",
		"2021-13-01T00:00:00Z", "2021-00-01T00:00:00Z", "2021-01-00T00:00:00Z", "2021-01-01T24:00:00Z", "2021-01-01T00:60:00Z",
		"2021-06-30T23:59:60Z", "2021-06-30t23:59:60.5-23:59", "0001-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:60Z",
		"2026-12-31T23:59:60.25Z", "2026-11-20T10:00:61Z", "2026-11-20T10:00:09", "2026-11-20T10:00:09+0530", "2026-11-20T10:00:09*05:30",
		"2026-11-20T10:00:09Z ", "2026-11-20T1:00:09Z", "2026-11-20T10:00:09-08:00", "2024-02-29T23:59:59.999999+05:30",
		"20x1-01-01T00:00:00Z", "2021-01-01T00:00:00+24:00", "2021-01-01T00:00:00+00:60", "", "Z",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		want, wantOK := plainTime(string(text))
		var days calendar
		got, ok := days.parseTime(text)
		// The cached day makes no difference.
		if again, okAgain := days.parseTime(text); okAgain != ok || !again.Equal(got) {
			t.Errorf("%q: got %s, %t, and then %s, %t", text, got, ok, again, okAgain)
		}
		if ok != wantOK || ok && !got.Equal(want) {
			t.Errorf("%q: got %s, %t, want %s, %t", text, got, ok, want, wantOK)
		}
		if ok && got.Location() != time.UTC {
			t.Errorf("%q: got the zone %s", text, got.Location())
		}
	})
}

// plainTime parses a time of RFC 3339.
func plainTime(text string) (time.Time, bool) {
	text = strings.ToUpper(text)
	parts := regexp.MustCompile(`^(\d{4}-\d\d-\d\dT\d\d:\d\d:)(\d\d)((?:\.\d+)?(?:Z|[+-]([01]\d|2[0-3]):[0-5]\d))$`).FindStringSubmatch(text)
	if parts == nil {
		return time.Time{}, false
	}
	leap := time.Duration(0)
	if parts[2] == "60" {
		parts[2], leap = "59", time.Second
	}
	at, err := time.Parse(time.RFC3339Nano, parts[1]+parts[2]+parts[3])
	return at.Add(leap), err == nil
}
