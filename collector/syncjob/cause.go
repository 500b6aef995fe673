package syncjob

import (
	"regexp"
	"strings"
)

// wrapping is how the appliance and the clouds' libraries begin the text of a failure.
var wrapping = regexp.MustCompile(`^(?:\[NCERR[^\]]*\]:? *|Error [\w ]+ : *|rpc error: code = \w+ desc = *)+`)

// Cause splits a text of detailed_status for people: what happened, and what the appliance puts before
// it. What happened is empty only if there is no text, or a form of in_progress, which explains nothing.
func Cause(text string) (cause, where string) {
	if isFormOf(text, OverallInProgress) {
		return "", ""
	}
	where = wrapping.FindString(text)
	if len(where) == len(text) {
		return text, ""
	}
	cause = text[len(where):]
	return cause, strings.TrimSuffix(strings.Trim(where, " :="), " desc")
}
