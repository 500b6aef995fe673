package printable_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"cckm_sync_exporter/collector/printable"
)

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"": "",
		`403 Forbidden: "Schlüssel" キー 🔑 \u{202E}`: `403 Forbidden: "Schlüssel" キー 🔑 \u{202E}`,
		"\x00\x1b[31m\x7f":                           `\u{0}\u{1B}[31m\u{7F}`,
		"two\r\nlines\tand\v\fmore":                  "two  lines and  more",
		"\u0080\u0085\u009b2J\u009f":                 `\u{80} \u{9B}2J\u{9F}`,
		"a\u2028b\u2029c\u00a0d\u3000e":              "a b c d e",
		"\u202e\u202d\u202a\u2066\u2069\u200f\u061c": `\u{202E}\u{202D}\u{202A}\u{2066}\u{2069}\u{200F}\u{61C}`,
		"\u200b\u200d\u2060\ufeff\u00ad\u034f":       `\u{200B}\u{200D}\u{2060}\u{FEFF}\u{AD}\u{34F}`,
		"\u115f\u3164\ufe0f\U000e0041\U000e0100":     `\u{115F}\u{3164}\u{FE0F}\u{E0041}\u{E0100}`,
		"\ue000\U0010ffff":                           `\u{E000}\u{10FFFF}`,
		"a\xffb\xc3":                                 "a\ufffdb\ufffd",
		"a\ufffd":                                    "a\ufffd",
	} {
		if got := printable.Text(text); got != want {
			t.Errorf("%+q: got %+q, want %+q", text, got, want)
		}
	}
}

func TestShorten(t *testing.T) {
	for _, test := range []struct {
		text  string
		limit int
		want  string
	}{
		{"", 0, ""},
		{"vault", 5, "vault"},
		{"vaults", 5, "va…"},
		{"clé", 4, "clé"},
		{"cléf", 4, "c…"},
		{"éclair", 5, "é…"},
		{"éclair", 4, "…"},
		{"🔑🔑", 7, "🔑…"},
		{"🔑🔑", 6, "…"},
		{"\x80\x80\x80\x80", 3, "…"},
	} {
		if got := printable.Shorten(test.text, test.limit); got != test.want {
			t.Errorf("%q in %d bytes: got %q, want %q", test.text, test.limit, got, test.want)
		}
	}
}

// FuzzText checks that any text becomes one visible line, that only a character that is not visible
// changes, and that the result can be shortened anywhere.
func FuzzText(f *testing.F) {
	f.Add("vault synchronized successfully", 20)
	f.Add("\x1b[2J\u202e\u2028\u009b\xff\U000e0041🔑", 9)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		got := printable.Text(text)
		for _, r := range got {
			if !unicode.IsPrint(r) {
				t.Fatalf("%q has %U", got, r)
			}
		}
		if !utf8.ValidString(got) || printable.Text(got) != got {
			t.Errorf("%q is not printable", got)
		}
		if strings.Trim(text, asciiVisible) == "" && got != text {
			t.Errorf("%q has become %q", text, got)
		}
		limit = max(len(printable.Ellipsis), limit)
		short := printable.Shorten(got, limit)
		beginning, cut := strings.CutSuffix(short, printable.Ellipsis)
		switch {
		case len(got) <= limit:
			if short != got {
				t.Errorf("%q fits in %d bytes and has become %q", got, limit, short)
			}
		case !cut, !strings.HasPrefix(got, beginning), !utf8.ValidString(short), len(short) > limit, len(short) <= limit-utf8.UTFMax:
			t.Errorf("%q in %d bytes is %q", got, limit, short)
		}
	})
}

// asciiVisible are the visible characters of ASCII and the blank.
const asciiVisible = " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"
