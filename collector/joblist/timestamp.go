package joblist

import "time"

// parseTime reads a time of RFC 3339. The form that the API's lists have, such
// as 2022-05-17T09:41:01.958222Z, is read without time.Parse, which takes
// several times as long; every other form is left to it.
func parseTime(text []byte) (time.Time, bool) {
	if t, ok := parseUTC(text); ok {
		return t, true
	}
	t, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil {
		return time.Time{}, false
	}
	return t.UTC(), true
}

// shape is a time in UTC up to its seconds, with a 0 for each digit.
const shape = "0000-00-00T00:00:00"

// parseUTC reads a time in UTC with a fraction of up to nine digits, or none.
// What it is not sure of, it does not take.
func parseUTC(text []byte) (time.Time, bool) {
	last := len(text) - 1
	if last < len(shape) || text[last] != 'Z' || !hasShape(text) {
		return time.Time{}, false
	}
	nanos, ok := parseFraction(text[len(shape):last])
	if !ok {
		return time.Time{}, false
	}
	year, month, day := decimal(text[0:4]), time.Month(decimal(text[5:7])), decimal(text[8:10])
	hour, minute, second := decimal(text[11:13]), decimal(text[14:16]), decimal(text[17:19])
	if month < time.January || month > time.December || day < 1 || day > daysIn(month, year) || hour > 23 || minute > 59 || second > 59 {
		// time.Date would take a 30th of February for the 1st or 2nd of March.
		return time.Time{}, false
	}
	return time.Date(year, month, day, hour, minute, second, nanos, time.UTC), true
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

func hasShape(text []byte) bool {
	for i := range len(shape) {
		if c := text[i]; c != shape[i] && (shape[i] != '0' || !isDigit(c)) {
			return false
		}
	}
	return true
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
		if !isDigit(c) {
			return 0, false
		}
	}
	nanos = decimal(text[1:])
	for range 1 + digits - len(text) {
		nanos *= 10
	}
	return nanos, true
}

// decimal reads a number of digits only.
func decimal(digits []byte) (n int) {
	for _, c := range digits {
		n = n*10 + int(c-'0')
	}
	return n
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
