package main

import (
	"math"
	"strconv"
	"strings"
)

// quantity writes a figure of a benchmark with three digits and a unit for people.
func quantity(value float64, unit string) string {
	switch unit {
	case wall, cpu, percentile:
		return scaled(value, []string{" ns", " µs", " ms", " s"})
	case "requests/op":
		return thousands(strconv.FormatFloat(math.Round(value), 'f', 0, 64))
	case "B/op":
		return scaled(value, []string{" B", " kB", " MB", " GB"})
	default:
		return scaled(value, []string{"", "k", "M", "G"})
	}
}

// scaled divides a value by a thousand until the unit fits.
func scaled(value float64, units []string) string {
	at := 0
	// What would be rounded to a thousand is one of the next unit.
	for value >= 999.5 && at+1 < len(units) {
		value /= 1000
		at++
	}
	return digits(value) + units[at]
}

// digits writes a value with three digits, or all that it has before the point.
func digits(value float64) string {
	if value >= 99.95 {
		return strconv.FormatFloat(math.Round(value), 'f', 0, 64)
	}
	return strconv.FormatFloat(value, 'g', 3, 64)
}

// thousands parts the digits of a whole number by commas.
func thousands(number string) string {
	var parted strings.Builder
	for i, digit := range number {
		if i > 0 && (len(number)-i)%3 == 0 {
			parted.WriteByte(',')
		}
		parted.WriteRune(digit)
	}
	return parted.String()
}

// times writes a ratio as it is said: above one how many times as much, below one
// how many times less.
func times(ratio float64) string {
	if ratio < 1 && ratio > 0 {
		return digits(1/ratio) + "× less"
	}
	return digits(ratio) + "×"
}
