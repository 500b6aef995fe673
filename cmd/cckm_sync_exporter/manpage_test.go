package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/alecthomas/kingpin/v2"
)

// TestManPage checks that the page has each command and flag, with its variable and default, and nothing
// of kingpin's own page.
func TestManPage(t *testing.T) {
	app, _ := newApp()
	var page bytes.Buffer
	app.UsageWriter(&page)
	// Parsing gives the flags their environment variables.
	parsed, err := app.ParseContext(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := app.UsageForContextWithTemplate(parsed, 2, kingpin.ManPageTemplate); err != nil {
		t.Fatal(err)
	}
	want := []string{".SH NAME\ncckm_sync_exporter \\- ", ".B CM_PASSWORD\n"}
	for _, name := range newerNames() {
		want = append(want, " "+newerPrefix+name)
	}
	for _, command := range app.Model().Commands {
		want = append(want, ".B "+command.Name+"\n"+roff(command.Help)+"\n")
	}
	for _, flag := range allFlags(app) {
		if flag.Hidden {
			continue
		}
		entry := roff(flag.Name)
		if !flag.IsBoolFlag() {
			entry += "=" + roff(flag.FormatPlaceHolder())
		}
		if many, ok := flag.Value.(interface{ IsCumulative() bool }); ok && many.IsCumulative() {
			entry += " ..."
		}
		entry += "\\fR\n" + roff(flag.Help) + "\n"
		if flag.Envar != "" {
			entry += ".br\nEnvironment: " + flag.Envar + "\n"
		}
		if value := strings.Join(flag.Default, ""); value != "" {
			entry += ".br\nDefault: " + roff(value) + "\n"
		}
		want = append(want, entry)
	}
	for _, text := range want {
		if !strings.Contains(page.String(), text) {
			t.Errorf("the page does not have\n%s", text)
		}
	}
	for number, line := range strings.Split(page.String(), "\n") {
		if line != strings.TrimSpace(line) || strings.Contains(line, "build user") || strings.Contains(line, "<no value>") {
			t.Errorf("line %d is %q", number+1, line)
		}
	}
}

// TestBuildDay checks that the page has the date of the build, or none.
func TestBuildDay(t *testing.T) {
	for stamp, want := range map[string]string{"2026-11-22T23:59:59Z": "2026-11-22", "": "", "yesterday": ""} {
		if got := buildDay(stamp); got != want {
			t.Errorf("buildDay(%q) = %q, want %q", stamp, got, want)
		}
	}
}

// TestRoff checks that no text becomes a request or an escape.
func TestRoff(t *testing.T) {
	for text, want := range map[string]string{
		".TH of --flag": `\&.TH of \-\-flag`, "'quoted'": `\&'quoted'`, `C:\n`: `C:\en`, "it's. fine": "it's. fine",
	} {
		if got := roff(text); got != want {
			t.Errorf("roff(%q) = %q, want %q", text, got, want)
		}
	}
}
