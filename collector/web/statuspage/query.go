package statuspage

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"cckm_sync_exporter/collector/printable"
)

const (
	defaultPer = 100
	maxPer     = 500
	// maxText bounds the text filter, in runes.
	maxText = 200
)

// query is the parsed query string. Empty fields do not filter.
type query struct {
	text         string
	state        string
	list, target string
	page, per    int
	// notices are messages about ignored parts of the query string.
	notices []string
}

// parseQuery parses a query string. Invalid parts are ignored with a notice.
func parseQuery(raw string) *query {
	values, err := url.ParseQuery(raw)
	q := &query{page: 1, per: defaultPer}
	if err != nil {
		q.notice("A part of the address is not valid and was ignored.")
	}
	get := func(name string) string { return strings.TrimSpace(strings.ToValidUTF8(values.Get(name), "\uFFFD")) }

	q.text = get("q")
	if utf8.RuneCountInString(q.text) > maxText {
		q.text = string([]rune(q.text)[:maxText])
		q.notice("The filter text was cut to " + strconv.Itoa(maxText) + " characters.")
	}
	q.list, q.target = get("list"), get("target")
	if q.state = get("state"); q.state != "" {
		if _, ok := stateOf(q.state); !ok {
			q.notice("There is no state “" + printable.Line(q.state, 40) + "”; every state is shown.")
			q.state = ""
		}
	}
	q.page = q.whole(get("page"), "page", 1, 1<<30, 1)
	q.per = q.whole(get("per"), "number of rows per page", 1, maxPer, defaultPer)
	return q
}

func (q *query) notice(text string) { q.notices = append(q.notices, text) }

// whole parses a number in a range; an empty text is the default.
func (q *query) whole(text, what string, least, most, otherwise int) int {
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil || n < least:
		q.notice("“" + printable.Line(text, 40) + "” is not a valid " + what + "; using " + strconv.Itoa(otherwise) + ".")
		return otherwise
	case n > most:
		q.notice("The " + what + " is at most " + number(most) + ".")
		return most
	}
	return n
}

// check removes a list or target that does not exist.
func (q *query) check(lists, targets []string) {
	if q.list != "" && !slices.Contains(lists, q.list) {
		q.notice("There is no list “" + printable.Line(q.list, 80) + "”; every list is shown.")
		q.list = ""
	}
	if q.target != "" && !slices.Contains(targets, q.target) {
		q.notice("There is no target “" + printable.Line(q.target, 80) + "”; every target is shown.")
		q.target = ""
	}
}

// filtered reports whether the query omits anything.
func (q *query) filtered() bool {
	return q.text != "" || q.state != "" || q.list != "" || q.target != ""
}

// link returns a relative URL of the query with a change.
func (q *query) link(change func(*query), fragment string) string {
	changed := *q
	changed.page = 1
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
	if changed.page > 1 {
		set("page", strconv.Itoa(changed.page))
	}
	if changed.per != defaultPer {
		set("per", strconv.Itoa(changed.per))
	}
	// A link without "?" would keep the current query string.
	return "./?" + values.Encode() + fragment
}
