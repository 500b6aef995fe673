package main

import (
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kingpin/v2"

	"cckm_sync_exporter/collector/config"
)

// Errors of kingpin about a flag or a command that does not exist.
var (
	unknownFlag    = regexp.MustCompile(`^unknown long flag '--(no-)?(.*)'$`)
	unknownCommand = regexp.MustCompile(`^(?:unexpected |expected command but got )"?([^"]*)"?$`)
)

// userInfo is the part of a URL that may have a password.
var userInfo = regexp.MustCompile(`://[^/\s]*@`)

// advise adds to an error of kingpin the flag or command that was probably meant, or where to look.
// The argument that kingpin quotes may be a URL with a password, which is removed.
func advise(app *kingpin.ApplicationModel, err error) error {
	advice := ""
	if found := unknownFlag.FindStringSubmatch(err.Error()); found != nil {
		advice = adviseFlag(app, found[1], found[2])
	} else if found := unknownCommand.FindStringSubmatch(err.Error()); found != nil {
		names := make([]string, 0, len(app.Commands))
		for _, command := range app.Commands {
			names = append(names, command.Name)
		}
		if meant := config.Closest(found[1], names); meant != "" && meant != found[1] {
			advice = "did you mean " + meant + "?"
		}
	}
	text := userInfo.ReplaceAllLiteralString(err.Error(), "://<secret>@")
	return errors.New(text + "; " + cmp.Or(advice, "see --help"))
}

// adviseFlag returns the flag that was probably meant: one that is spelled similarly or, for a name
// without its prefix such as "page-size", the only one that ends in it. It returns "" if there is none.
func adviseFlag(app *kingpin.ApplicationModel, negation, word string) string {
	var names []string
	for _, flag := range app.Flags {
		if negation == "" || flag.IsBoolFlag() {
			names = append(names, flag.Name)
		}
	}
	for _, command := range app.Commands {
		for _, flag := range command.Flags {
			if flag.Name == word {
				return "it is a flag of the command " + command.Name + ", and is given after it"
			}
			names = append(names, flag.Name)
		}
	}
	meant := config.Closest(word, names)
	if meant == "" {
		withoutPrefix := func(name string) bool { return !strings.HasSuffix(name, "."+word) }
		if ending := slices.DeleteFunc(names, withoutPrefix); len(ending) == 1 {
			meant = ending[0]
		}
	}
	if meant == "" {
		return ""
	}
	return "did you mean --" + negation + meant + "?"
}
