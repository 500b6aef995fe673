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
	q.list, q.target, q.cause = get("list"), get("target"), get("cause")
	if q.state = get("state"); q.state != "" {
		if _, ok := state.Named(q.state); !ok {
			q.notice("There is no state “" + printable.Line(q.state, 40) + "”; every state is shown.")
			q.state = ""
		}
	}
	return q
}

func (q *query) notice(text string) { q.notices = append(q.notices, text) }

// check removes a list, target or cause that does not exist.
func (q *query) check(lists, targets []string, all *causes) {
	if q.list != "" && !slices.Contains(lists, q.list) {
		q.notice("There is no list “" + printable.Line(q.list, 80) + "”; every list is shown.")
		q.list = ""
	}
	if q.target != "" && !slices.Contains(targets, q.target) {
		q.notice("There is no target “" + printable.Line(q.target, 80) + "”; every target is shown.")
		q.target = ""
	}
	if q.cause != "" && all.find(q.cause) == nil {
		q.notice("No failure has this cause any more; every cause is shown.")
		q.cause = ""
	}
}

// filtered reports whether the query omits anything.
func (q *query) filtered() bool {
	return q.text != "" || q.state != "" || q.cause != "" || q.list != "" || q.target != ""
}

// link returns the query string of the query with a change, and a fragment. A link without "?" would keep the
// current query string.
func (q *query) link(change func(*query), fragment string) string {
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
	return "?" + values.Encode() + fragment
}
