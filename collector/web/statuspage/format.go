package statuspage

import (
	"strconv"
	"time"
)

const (
	day = 24 * time.Hour
	// timeLayout is the layout of times, always in UTC.
	timeLayout = "2006-01-02 15:04:05 UTC"
	// clockLayout is the layout of a time of day.
	clockLayout = "15:04:05 UTC"
)

// duration formats a duration in at most two units, rounded down: "420 ms", "12 s", "3 min 20 s",
// "3 h 12 min", "2 d 4 h". A negative one, from clocks that differ, is 0.
func duration(d time.Duration) string {
	d = max(0, d)
	switch {
	case d == 0:
		return "0 s"
	case d < time.Millisecond:
		return "less than 1 ms"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < 10*time.Second:
		return strconv.FormatFloat(float64(d/(100*time.Millisecond))/10, 'f', -1, 64) + " s"
	case d < time.Minute:
		return twoUnits(d, time.Second, "s", 0, "")
	case d < time.Hour:
		return twoUnits(d, time.Minute, "min", time.Second, "s")
	case d < day:
		return twoUnits(d, time.Hour, "h", time.Minute, "min")
	case d < 30*day:
		return twoUnits(d, day, "d", time.Hour, "h")
	default:
		return number(int(d/day)) + " d"
	}
}

// twoUnits formats d in a unit, and the rest in a smaller one.
func twoUnits(d, unit time.Duration, name string, smaller time.Duration, smallerName string) string {
	text := strconv.FormatInt(int64(d/unit), 10) + " " + name
	if smaller > 0 && d%unit >= smaller {
		text += " " + strconv.FormatInt(int64(d%unit/smaller), 10) + " " + smallerName
	}
	return text
}

// ago formats the time since t.
func ago(now, t time.Time) string {
	if d := now.Sub(t); d >= time.Second {
		return coarse(d) + " ago"
	}
	return "just now"
}

// coarse formats a growing duration in whole seconds, from ten minutes on in whole minutes.
func coarse(d time.Duration) string {
	if d < 10*time.Minute {
		return duration(d.Truncate(time.Second))
	}
	return duration(d.Truncate(time.Minute))
}

// number formats a number with commas at the thousands.
func number(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// count formats a number of things, of which noun is one.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return number(n) + " " + noun + "s"
}

// shownTime is a formatted time.
type shownTime struct {
	// Machine is for <time datetime>, Absolute and Relative are for people.
	Machine, Absolute, Relative string
}

// newShownTime returns nil for the zero time.
func newShownTime(now, t time.Time) *shownTime {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &shownTime{Machine: t.Format(time.RFC3339), Absolute: t.Format(timeLayout), Relative: ago(now, t)}
}
