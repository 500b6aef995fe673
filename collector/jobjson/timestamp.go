package jobjson

import (
	"bytes"
	"time"
)

// calendar remembers the day that came last: neighbours in a list are mostly of
// one day, and what day it is takes longer to tell than the time of day.
type calendar struct {
	text  [len(dayForm)]byte
	start time.Time
}

// parseTime reads a time of RFC 3339. The form that the API's lists have, such
// as 2022-05-17T09:41:01.958222Z, is read without time.Parse, which takes
// several times as long; every other form is left to it.
func (c *calendar) parseTime(text []byte) (time.Time, bool) {
	if t, ok := c.parseUTC(text); ok {
		return t, true
	}
	t, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil {
		return time.Time{}, false
	}
	return t.UTC(), true
}

// The forms of a day and of a time in UTC up to its seconds.
const (
	dayForm    = time.DateOnly
	secondForm = time.DateOnly + "T" + time.TimeOnly
)

// parseUTC reads a time in UTC with a fraction of up to nine digits, or none.
// What it is not sure of, it does not take.
func (c *calendar) parseUTC(text []byte) (time.Time, bool) {
	last := len(text) - 1
	if last < len(secondForm) || text[last] != 'Z' {
		return time.Time{}, false
	}
	start, ok := c.parseDay(text[:len(dayForm)])
	clock := text[len(dayForm):len(secondForm)]
	if !ok || clock[0] != 'T' || clock[3] != ':' || clock[6] != ':' {
		return time.Time{}, false
	}
	hour, minute, second := twoDigits(clock[1:3]), twoDigits(clock[4:6]), twoDigits(clock[7:9])
	nanos, ok := parseFraction(text[len(secondForm):last])
	if !ok || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	sinceMidnight := time.Duration((hour*60+minute)*60+second)*time.Second + time.Duration(nanos)
	return start.Add(sinceMidnight), true
}

// parseDay reads a day that there is, and returns its midnight in UTC. time.Date
// would take a 30th of February for the 1st or 2nd of March.
func (c *calendar) parseDay(text []byte) (start time.Time, ok bool) {
	if bytes.Equal(text, c.text[:]) {
		return c.start, true
	}
	century, ofCentury := twoDigits(text[0:2]), twoDigits(text[2:4])
	year, month, day := 100*century+ofCentury, time.Month(twoDigits(text[5:7])), twoDigits(text[8:10])
	if text[4] != '-' || text[7] != '-' || century > 99 || ofCentury > 99 ||
		month < time.January || month > time.December || day < 1 || day > daysIn(month, year) {
		return time.Time{}, false
	}
	c.start = time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	copy(c.text[:], text)
	return c.start, true
}

// daysIn returns how many days a month has.
func daysIn(month time.Month, year int) int {
	switch month {
	case time.February:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case time.April, time.June, time.September, time.November:
		return 30
	default:
		return 31
	}
}

// parseFraction reads a fraction of a second, with its point, in nanoseconds.
func parseFraction(text []byte) (nanos int, ok bool) {
	const digits = 9
	if len(text) == 0 {
		return 0, true
	}
	if text[0] != '.' || len(text) == 1 || len(text) > 1+digits {
		return 0, false
	}
	for _, c := range text[1:] {
		if c < '0' || c > '9' {
			return 0, false
		}
		nanos = nanos*10 + int(c-'0')
	}
	for range 1 + digits - len(text) {
		nanos *= 10
	}
	return nanos, true
}

// twoDigits reads a number of two digits. What is none is more than 99.
func twoDigits(text []byte) int {
	tens, ones := text[0]-'0', text[1]-'0'
	if tens > 9 || ones > 9 {
		return 100
	}
	return 10*int(tens) + int(ones)
}
