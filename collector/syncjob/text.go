package syncjob

import "unicode/utf8"

// MaxText is the longest text of the appliance that is classified and kept, in
// bytes, including the ellipsis of a text that was cut. A broken appliance may send
// megabytes for each of 20,000 scopes.
const MaxText = 512

const ellipsis = "…"

// Shorten cuts a text that is longer than MaxText between two of its characters,
// and ends it with an ellipsis.
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

// preferred returns which of two texts with the same status for one scope in one
// job is kept. The entries of a JSON object have no order: if the first one were
// kept, an appliance that changes the order would seem to change the list.
func preferred(a, b string) string {
	if a == "" || (b != "" && b < a) {
		return b
	}
	return a
}
