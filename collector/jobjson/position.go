package jobjson

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"cckm_sync_exporter/collector/printable"
)

// maxPositionBytes bounds the JSON pointer in an error, because a name in it may be of any
// length.
const maxPositionBytes = 200

// errorf returns an error that begins with the current position in the page, as a JSON pointer.
func (d *Decoder) errorf(format string, args ...any) error {
	position := d.cleanPointer(d.correctPointer(d.tokens.StackPointer()))
	return fmt.Errorf("%s %s", position, fmt.Sprintf(format, args...))
}

// cleanPointer returns a position as people may read it. It has names of scopes, of any length.
func (d *Decoder) cleanPointer(pointer jsontext.Pointer) string {
	return printable.Line(d.redact(string(pointer)), maxPositionBytes)
}

// correctPosition corrects the position in an error of jsontext, which does not know about the
// records that the fast path has removed, and cleans it, because jsontext cuts it.
func (d *Decoder) correctPosition(err error) error {
	syntactic, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok {
		return err
	}
	syntactic.ByteOffset += d.input.removed
	syntactic.JSONPointer = jsontext.Pointer(d.cleanPointer(d.correctPointer(syntactic.JSONPointer)))
	return err
}

// correctPointer adds the records that the fast path has removed to the index of a record.
func (d *Decoder) correctPointer(pointer jsontext.Pointer) jsontext.Pointer {
	path := slices.Collect(pointer.Tokens())
	if d.bypassed == 0 || len(path) < 2 || path[0] != "resources" {
		return pointer
	}
	index, err := strconv.Atoi(path[1])
	if err != nil {
		return pointer
	}
	path[1] = strconv.Itoa(index + d.bypassed)
	pointer = ""
	for _, token := range path {
		pointer = pointer.AppendToken(token)
	}
	return pointer
}
