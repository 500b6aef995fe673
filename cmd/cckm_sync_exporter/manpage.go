package main

import (
	_ "embed"
	"strings"
	"text/template"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/version"
)

// manPage is the template of --help-man. kingpin's own leaves out environment
// variables and defaults, and puts a version of several lines into the title.
//
//go:embed manpage.1.tmpl
var manPage string

// promuTime is how Prometheus' build tools write the date of a build.
const promuTime = "20060102-15:04:05"

// describeForMan has --help-man print the template above.
func describeForMan(app *kingpin.Application) {
	kingpin.ManPageTemplate = manPage // There is no other way to hand kingpin one.
	app.UsageFuncs(template.FuncMap{
		"Roff":    roff,
		"Version": func() string { return version.Version },
		"Built":   func() string { return buildDay(version.BuildDate) },
	})
}

// buildDay returns the day of a stamped date. It is empty where none was
// stamped: today's would make each page another one.
func buildDay(date string) string {
	built, err := time.Parse(promuTime, date)
	if err != nil {
		return ""
	}
	return built.Format(time.DateOnly)
}

// roff has a text show as it is: a backslash would begin an escape, a plain
// hyphen may become a typographic one that no shell knows, and a line that begins
// with a dot or an apostrophe would be a request.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, `-`, `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}
