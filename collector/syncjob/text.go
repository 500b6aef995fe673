package syncjob

import "unicode/utf8"

// MaxText is the largest size of a text of the appliance in bytes, including the ellipsis of a text
// that was cut. A broken appliance may send megabytes for each of 20,000 scopes.
const MaxText = 512

const ellipsis = "…"

// Shorten cuts a text that is longer than MaxText at the end of a character, and appends an ellipsis.
func Shorten(text string) string {
	if len(text) <= MaxText {
		return text
	}
	end := MaxText - len(ellipsis)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + ellipsis
}

// preferred returns one of two texts of the same status for the same scope in one job. The result
// does not depend on their order, because the members of a JSON object have none.
func preferred(a, b string) string {
	if a == "" || (b != "" && b < a) {
		return b
	}
	return a
}
