package jobjson

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// maxPlaceBytes bounds how a place in the page is named: a name in it may be of any length.
const maxPlaceBytes = 200

// errorf returns an error that names the place in the page.
func (d *Decoder) errorf(format string, args ...any) error {
	place := string(d.recount(d.tokens.StackPointer()))
	if len(place) > maxPlaceBytes {
		place = strings.ToValidUTF8(place[:maxPlaceBytes], "") + "…"
	}
	return fmt.Errorf("%s %s", place, fmt.Sprintf(format, args...))
}

// locate counts in an error of jsontext what jsontext was not shown.
func (d *Decoder) locate(err error) error {
	syntactic, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok || d.repeated == 0 {
		return err
	}
	syntactic.ByteOffset += d.input.taken
	syntactic.JSONPointer = d.recount(syntactic.JSONPointer)
	return err
}

// recount counts in a place in the page the records that jsontext was not shown.
func (d *Decoder) recount(at jsontext.Pointer) jsontext.Pointer {
	path := slices.Collect(at.Tokens())
	if d.repeated == 0 || len(path) < 2 || path[0] != "resources" {
		return at
	}
	index, err := strconv.Atoi(path[1])
	if err != nil {
		return at
	}
	path[1] = strconv.Itoa(index + d.repeated)
	at = ""
	for _, token := range path {
		at = at.AppendToken(token)
	}
	return at
}
