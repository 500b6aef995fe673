package jobjson

import (
	"testing"
	"time"
)

// FuzzParseTime holds that the fast way of reading a time agrees with
// time.Parse on every input.
func FuzzParseTime(f *testing.F) {
	for _, text := range []string{
		"2022-05-17T09:41:01.958222Z", "2021-05-05T08:36:36Z", "2021-05-05T08:36:36.123456789Z", "2021-05-05T08:36:36.1234567891Z",
		"2021-05-05T08:36:36.Z", "2021-05-05T08:36:36,5Z", "2021-05-05T08:36:36+02:00", "2021-05-05t08:36:36z", "2021-05-05 08:36:36Z",
		"2024-02-29T00:00:00Z", "2023-02-29T00:00:00Z", "2024-02-30T00:00:00Z", "2021-04-31T00:00:00Z", "2021-12-31T23:59:59.999999Z",
		"2021-13-01T00:00:00Z", "2021-00-01T00:00:00Z", "2021-01-00T00:00:00Z", "2021-01-01T24:00:00Z", "2021-01-01T00:60:00Z",
		"2021-06-30T23:59:60Z", "0001-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "20x1-01-01T00:00:00Z", "", "Z",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		want, err := time.Parse(time.RFC3339Nano, string(text))
		var days calendar
		got, ok := days.parseTime(text)
		// What is remembered of a day, or of nonsense, makes no difference.
		if again, okAgain := days.parseTime(text); okAgain != ok || !again.Equal(got) {
			t.Errorf("%q gives %s, %v, and then %s, %v", text, got, ok, again, okAgain)
		}
		if ok != (err == nil) || ok && !got.Equal(want) {
			t.Errorf("%q gives %s, %v; time.Parse gives %s, %v", text, got, ok, want, err)
		}
		if ok && got.Location() != time.UTC {
			t.Errorf("%q is in %s", text, got.Location())
		}
	})
}
