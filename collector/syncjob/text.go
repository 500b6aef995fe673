package syncjob

import "unicode/utf8"

// MaxText is how many bytes a Summary keeps of a text of the appliance at most,
// the ellipsis of one that is cut included. An appliance that is out of its mind
// may send megabytes for each of 100,000 scopes.
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

// preferred returns which of two texts that say the same of one scope in one job
// is kept. The entries of a JSON object have no order, and an appliance may write
// them in another one each time: the first that comes would make the kept history
// seem to differ from the list.
func preferred(a, b string) string {
	if a == "" || (b != "" && b < a) {
		return b
	}
	return a
}
