package main

import (
	_ "embed"
	"strings"
	"time"
)

// manPage is the template of --help-man. kingpin's own has no environment variables and defaults, and a
// title of several lines.
//
//go:embed manpage.1.tmpl
var manPage string

// buildDay returns the day of the build, or nothing if the build has no date: today's would make the page
// depend on when it is printed.
func buildDay(date string) string {
	built, err := time.Parse(time.RFC3339, date)
	if err != nil {
		return ""
	}
	return built.Format(time.DateOnly)
}

// roff escapes a text: a backslash begins an escape, a plain hyphen may become a typographic one, and a
// line that begins with a dot or an apostrophe is a request.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, `-`, `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}
