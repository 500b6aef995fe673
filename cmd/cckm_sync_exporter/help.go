package main

import (
	_ "embed"
	"slices"
	"strings"
	"text/template"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/version"

	"cckm_sync_exporter/collector/config"
	"cckm_sync_exporter/collector/syncjob"
)

// helpPage is the template of --help, which fits on a screen: the commands, then the flags that most
// setups need. --help-long shows all flags.
//
//go:embed help.tmpl
var helpPage string

// describe sets the templates of --help and --help-man.
func describe(app *kingpin.Application) {
	kingpin.ManPageTemplate = manPage // kingpin has no other way to set it.
	app.UsageTemplate(helpPage)
	app.UsageFuncs(template.FuncMap{
		"CommandRows": commandRows,
		"CommonRows":  commonRows,
		"Roff":        roff,
		"Version":     func() string { return version.Version },
		"Built":       func() string { return buildDay(version.BuildDate) },
	})
}

// commonFlags returns the flags of --help, in its order. listFlags stands for the flags of the lists.
func commonFlags() []string {
	return []string{
		"ciphertrust.url", "ciphertrust.username", "ciphertrust.password-file", "ciphertrust.domain", "ciphertrust.ca-file",
		"config.file", listFlags, "collector.timeout", "web.listen-address", "web.config.file", "log.level",
	}
}

// listFlags is the name by which --help describes the flags of all lists.
const listFlags = "collector.NAME"

// commonRows returns the rows of the common flags: the flag, and the first sentence of its help with
// the variables of Thales' programs.
func commonRows(flags []*kingpin.FlagModel) [][2]string {
	rows := make([][2]string, 0, len(commonFlags()))
	for _, name := range commonFlags() {
		if name == listFlags {
			rows = append(rows, [2]string{"--[no-]" + listFlags, listsHelp()})
			continue
		}
		i := slices.IndexFunc(flags, func(flag *kingpin.FlagModel) bool { return flag.Name == name })
		flag := flags[i]
		text, _, _ := strings.Cut(flag.Help, ". ")
		text = strings.TrimSuffix(text, ".") + "."
		if strings.HasPrefix(flag.Envar, "CM_") {
			text += " ($" + flag.Envar + ")"
		}
		rows = append(rows, [2]string{"--" + name + "=" + flag.FormatPlaceHolder(), text})
	}
	return rows
}

// listsHelp names all lists, and what else can be read.
func listsHelp() string {
	var on, off []string
	for _, list := range syncjob.Lists() {
		if list.Default {
			on = append(on, list.Name)
		} else {
			off = append(off, list.Name)
		}
	}
	return "Read this list. On by default: " + strings.Join(on, ", ") + ". Off: " + strings.Join(append(off, config.SourceSchedules, config.SourceInventory), ", ") + "."
}

// commandRows returns the rows of the commands.
func commandRows(commands []*kingpin.CmdModel) [][2]string {
	rows := make([][2]string, 0, len(commands))
	for _, command := range commands {
		rows = append(rows, [2]string{command.Name, command.Help})
	}
	return rows
}
