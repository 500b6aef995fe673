package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/alecthomas/kingpin/v2"
)

// namedValue is a flag's value whose errors name the flag; kingpin's own do not.
type namedValue struct {
	kingpin.Value

	flag string
}

// nameInErrors gives every flag of the program a namedValue.
func nameInErrors(app *kingpin.Application) {
	model := app.Model()
	for _, flag := range model.Flags {
		name(app.GetFlag(flag.Name), flag)
	}
	for _, command := range model.Commands {
		for _, flag := range command.Flags {
			name(app.GetCommand(command.Name).GetFlag(flag.Name), flag)
		}
	}
}

func name(clause *kingpin.FlagClause, flag *kingpin.FlagModel) {
	// The help derives some placeholders from the type of the value, which SetValue changes.
	clause.PlaceHolder(flag.FormatPlaceHolder())
	clause.SetValue(&namedValue{Value: flag.Value, flag: flag.Name})
}

// Set implements kingpin.Value.
func (v *namedValue) Set(text string) error {
	err := v.Value.Set(text)
	if err == nil {
		return nil
	}
	// The name of the parsing function does not help a user.
	if number, ok := errors.AsType[*strconv.NumError](err); ok {
		err = fmt.Errorf("%q: %w", number.Num, number.Err)
	}
	if v.isDuration() {
		example := "30s"
		if _, numberErr := strconv.ParseFloat(text, 64); numberErr == nil {
			example = text + "s"
		}
		err = fmt.Errorf("%q is not a duration; give a number with a unit, for example %s", text, example)
	}
	return fmt.Errorf("--%s cannot be used: %w", v.flag, err)
}

// IsBoolFlag reports whether the flag needs no value, for kingpin.
func (v *namedValue) IsBoolFlag() bool {
	flag, ok := v.Value.(interface{ IsBoolFlag() bool })
	return ok && flag.IsBoolFlag()
}

// IsCumulative reports whether the flag may be repeated, for kingpin.
func (v *namedValue) IsCumulative() bool {
	flag, ok := v.Value.(interface{ IsCumulative() bool })
	return ok && flag.IsCumulative()
}

func (v *namedValue) isDuration() bool {
	value, ok := v.Value.(kingpin.Getter)
	if !ok {
		return false
	}
	_, ok = value.Get().(time.Duration)
	return ok
}
