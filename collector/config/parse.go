package config

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// parse returns the root of the file's only document, or nil after a mistake. Characters that YAML
// does not allow are looked for first, because the library's errors lack their line.
func (r *reader) parse(content []byte) *yaml.Node {
	if !r.checkBytes(content) {
		return nil
	}
	var documents []yaml.Node
	err := yaml.Load(content, &documents, yaml.WithAllDocuments())
	switch {
	case err != nil:
		at, text := grammar(err)
		r.addf(at, "%s%s", text, hint(content, at.line))
		return nil
	case len(documents) == 0 || isNull(&documents[0]) && len(documents) == 1:
		r.addf(place{}, "is empty; %s", firstLines)
		return nil
	case len(documents) > 1:
		r.addf(place{line: documents[1].Line}, "a second document begins; put all targets into one")
		return nil
	}
	return documents[0].Content[0]
}

// firstLines describes the beginning of a file.
const firstLines = "a file begins with the key targets, under which there is a list of mappings with name and url"

func isNull(document *yaml.Node) bool {
	return len(document.Content) == 1 && document.Content[0].ShortTag() == tagNull
}

// checkBytes reports whether YAML allows all characters, and adds a mistake if not.
func (r *reader) checkBytes(content []byte) bool {
	for _, mark := range []string{"\xff\xfe", "\xfe\xff"} {
		if bytes.HasPrefix(content, []byte(mark)) {
			r.addf(place{line: 1}, "is in UTF-16; save the file as UTF-8")
			return false
		}
	}
	line := 1
	for rest := content; len(rest) > 0; {
		char, size := utf8.DecodeRune(rest)
		switch {
		case char == utf8.RuneError && size == 1:
			r.addf(place{line: line}, "the byte 0x%02X is not UTF-8; save the file as UTF-8", rest[0])
			return false
		case char < ' ' && char != '\t' && char != '\n' && char != '\r', char == '\uFFFE', char == '\uFFFF':
			r.addf(place{line: line}, "the character U+%04X is not allowed in YAML; remove it", char)
			return false
		case char == '\n':
			line++
		}
		rest = rest[size:]
	}
	return true
}

// grammar returns the place and text of an error of the library. Only messages of the scanner and the
// parser are shown: those of other stages repeat values of the file, which may be secrets.
func grammar(err error) (at place, text string) {
	failure, ok := errors.AsType[*yaml.LoadError](err)
	if !ok {
		return place{}, "is not valid YAML"
	}
	at = place{line: failure.Mark.Line}
	switch failure.Stage {
	case yaml.ScannerStage, yaml.ParserStage, yaml.ReaderStage:
		text = "is not valid YAML: " + failure.Message
	case yaml.ComposerStage:
		return at, "a value that begins with * is an alias, and no & before it defines its name; put a literal value into quotes"
	default:
		return at, "is not valid YAML"
	}
	if failure.ContextMsg != "" {
		text += " " + failure.ContextMsg
	}
	if failure.ContextMark.Line > 0 && failure.ContextMark.Line != failure.Mark.Line {
		text += fmt.Sprintf(" that begins in line %d", failure.ContextMark.Line)
	}
	return at, text
}

// hint returns advice for the most frequent mistakes in a line that is not YAML.
func hint(content []byte, line int) string {
	lines := bytes.Split(content, []byte("\n"))
	if line < 1 || line > len(lines) {
		return ""
	}
	text := bytes.TrimLeft(lines[line-1], " \t")
	indent := lines[line-1][:len(lines[line-1])-len(text)]
	_, value, _ := bytes.Cut(text, []byte(": "))
	switch {
	case bytes.ContainsRune(indent, '\t'):
		return "; indent by spaces, not by tabs"
	case bytes.IndexAny(bytes.TrimLeft(value, " "), "@`%") == 0:
		return "; put a value that begins with @, ` or % into quotes"
	default:
		return ""
	}
}
