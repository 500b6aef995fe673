package jobjson

import (
	"bytes"
	"time"
)

// calendar parses times. It caches the last day that it has parsed, because most neighbors in a
// list are of the same day, and parsing a day takes longer than parsing a time of day.
type calendar struct {
	text  [len(time.DateOnly)]byte
	start time.Time
}

// parseTime parses a time in any form of RFC 3339 and returns it in UTC. A leap second (60)
// becomes the second after it. It is several times as fast as time.Parse, which also rejects
// leap seconds and the lower-case "t" and "z".
func (c *calendar) parseTime(text []byte) (time.Time, bool) {
	const seconds = time.DateOnly + "T" + time.TimeOnly
	if len(text) <= len(seconds) {
		return time.Time{}, false
	}
	start, ok := c.parseDay(text[:len(time.DateOnly)])
	clock := text[len(time.DateOnly):len(seconds)]
	if !ok || clock[0]|' ' != 't' || clock[3] != ':' || clock[6] != ':' {
		return time.Time{}, false
	}
	hour, minute, second := twoDigits(clock[1:3]), twoDigits(clock[4:6]), twoDigits(clock[7:9])
	nanos, zone, ok := parseFraction(text[len(seconds):])
	if !ok || hour > 23 || minute > 59 || second > 60 {
		return time.Time{}, false
	}
	offset, ok := parseZone(zone)
	sinceMidnight := time.Duration((hour*60+minute)*60+second)*time.Second + time.Duration(nanos)
	return start.Add(sinceMidnight - offset), ok
}

// ParseTime parses a time in any form of RFC 3339 and returns it in UTC. It returns the zero time if the
// text is none, or before the year 2000; see Decoder.parseTime.
func ParseTime(text string) time.Time { return new(Decoder).parseTime([]byte(text)) }

// parseDay parses a day and returns its midnight in UTC. It returns false for a day that does not
// exist, such as February 30, which time.Date would convert to March 1 or 2.
func (c *calendar) parseDay(text []byte) (start time.Time, ok bool) {
	if bytes.Equal(text, c.text[:]) {
		return c.start, true
	}
	century, yearOfCentury := twoDigits(text[0:2]), twoDigits(text[2:4])
	year, month, day := 100*century+yearOfCentury, time.Month(twoDigits(text[5:7])), twoDigits(text[8:10])
	if text[4] != '-' || text[7] != '-' || century > 99 || yearOfCentury > 99 ||
		month < time.January || month > time.December || day < 1 || day > daysIn(month, year) {
		return time.Time{}, false
	}
	c.start = time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	copy(c.text[:], text)
	return c.start, true
}

// daysIn returns how many days a month has.
func daysIn(month time.Month, year int) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// parseFraction parses an optional fraction of a second, such as ".123". Digits beyond
// nanoseconds are ignored. It returns the rest of the text.
func parseFraction(text []byte) (nanos int, rest []byte, ok bool) {
	if len(text) == 0 || text[0] != '.' {
		return 0, text, true
	}
	digits := 0
	for rest = text[1:]; len(rest) > 0 && '0' <= rest[0] && rest[0] <= '9'; rest = rest[1:] {
		digits++
		if digits <= 9 {
			nanos = nanos*10 + int(rest[0]-'0')
		}
	}
	for range 9 - digits {
		nanos *= 10
	}
	return nanos, rest, digits > 0
}

// parseZone parses "Z" or an offset such as "+05:30".
func parseZone(text []byte) (offset time.Duration, ok bool) {
	if len(text) == 1 {
		return 0, text[0]|' ' == 'z'
	}
	if len(text) != len("+05:30") || text[3] != ':' {
		return 0, false
	}
	hours, minutes := twoDigits(text[1:3]), twoDigits(text[4:6])
	if hours > 23 || minutes > 59 {
		return 0, false
	}
	offset = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	switch text[0] {
	case '+':
		return offset, true
	case '-':
		return -offset, true
	default:
		return 0, false
	}
}

// twoDigits parses two ASCII digits. It returns 100 if they are not digits.
func twoDigits(text []byte) int {
	tens, ones := text[0]-'0', text[1]-'0'
	if tens > 9 || ones > 9 {
		return 100
	}
	return 10*int(tens) + int(ones)
}
