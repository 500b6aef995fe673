package statuspage

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"cckm_sync_exporter/collector/printable"
	"cckm_sync_exporter/collector/state"
)

// maxText bounds the text filter, in runes.
const maxText = 200

// query is the parsed query string. Empty fields do not filter.
type query struct {
	text         string
	state, cause string
	list, target string
	// notices are messages about ignored parts of the query string.
	notices []string
}

// parseQuery parses a query string. Invalid parts are ignored with a notice.
func parseQuery(raw string) *query {
	values, err := url.ParseQuery(raw)
	q := &query{}
	if err != nil {
		q.notice("A part of the address is not valid and was ignored.")
	}
	get := func(name string) string { return strings.TrimSpace(strings.ToValidUTF8(values.Get(name), "\uFFFD")) }

	q.text = get("q")
	if utf8.RuneCountInString(q.text) > maxText {
		q.text = string([]rune(q.text)[:maxText])
		q.notice("The filter text was cut to " + strconv.Itoa(maxText) + " characters.")
	}
	q.state, q.cause, q.list, q.target = get("state"), get("cause"), get("list"), get("target")
	return q
}

func (q *query) notice(text string) { q.notices = append(q.notices, text) }

// check removes a list, target or cause that does not exist.
func (q *query) check(lists, targets []string, all *survey) {
	drop := func(kind string, value *string, exists bool) {
		if *value != "" && !exists {
			q.notice("There is no " + kind + " “" + printable.Line(*value, 80) + "”; every " + kind + " is shown.")
			*value = ""
		}
	}
	_, isState := state.Named(q.state)
	drop("state", &q.state, isState || q.state == stateless().Key)
	drop("list", &q.list, slices.Contains(lists, q.list))
	drop("target", &q.target, slices.Contains(targets, q.target))
	drop("cause", &q.cause, all.findCause(q.cause) != nil)
}

// filtered reports whether the query omits anything.
func (q *query) filtered() bool {
	return q.text != "" || q.state != "" || q.cause != "" || q.list != "" || q.target != ""
}

// link returns the query string of the query with a change, and the table as fragment. A link without "?" would
// keep the current query string.
func (q *query) link(change func(*query)) string {
	changed := *q
	change(&changed)
	values := url.Values{}
	set := func(name, value string) {
		if value != "" {
			values.Set(name, value)
		}
	}
	set("q", changed.text)
	set("state", changed.state)
	set("list", changed.list)
	set("target", changed.target)
	set("cause", changed.cause)
	return "?" + values.Encode() + "#scopes"
}
