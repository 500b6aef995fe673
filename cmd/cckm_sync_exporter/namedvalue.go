package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/alecthomas/kingpin/v2"
)

// namedValue is a flag's value whose errors say of which flag they tell, which
// kingpin's own do not.
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
	// The help shows some defaults by the type of the value, which is another now.
	clause.PlaceHolder(flag.FormatPlaceHolder())
	clause.SetValue(&namedValue{Value: flag.Value, flag: flag.Name})
}

// Set implements kingpin.Value.
func (v *namedValue) Set(text string) error {
	err := v.Value.Set(text)
	if err == nil {
		return nil
	}
	// The function that parses is no news to a user.
	if number, ok := errors.AsType[*strconv.NumError](err); ok {
		err = fmt.Errorf("%q: %w", number.Num, number.Err)
	}
	return fmt.Errorf("--%s cannot be used: %w", v.flag, err)
}

// IsBoolFlag lets kingpin know a flag that takes no value.
func (v *namedValue) IsBoolFlag() bool {
	flag, ok := v.Value.(interface{ IsBoolFlag() bool })
	return ok && flag.IsBoolFlag()
}

// IsCumulative lets kingpin know a flag that may come more than once.
func (v *namedValue) IsCumulative() bool {
	flag, ok := v.Value.(interface{ IsCumulative() bool })
	return ok && flag.IsCumulative()
}
