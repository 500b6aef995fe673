package jobjson

import (
	"encoding/binary"
	"math/bits"
)

// plainEnd returns where a stretch of plain text ends that begins at b[at]: the
// place of the first byte that a JSON string could not hold as it is, or that is
// not ASCII, or the end of b. Text of plain bytes is what it says, without
// escapes, and valid UTF-8.
func plainEnd(b []byte, at int) int {
	const eight = 8
	for ; at+eight <= len(b); at += eight {
		if other := notPlain(binary.LittleEndian.Uint64(b[at:])); other != 0 {
			return at + bits.TrailingZeros64(other)/eight
		}
	}
	for at < len(b) && isPlain(b[at]) {
		at++
	}
	return at
}

// isPlain says whether a byte stands for itself in a JSON string.
func isPlain(c byte) bool { return ' ' <= c && c < 0x80 && c != '"' && c != '\\' }

// notPlain marks, of eight bytes at once, those that are not plain by their
// highest bit. Above the lowest mark there may be false ones: a subtraction
// borrows from the byte above one that it has marked.
func notPlain(word uint64) uint64 {
	const (
		ones  = 0x0101010101010101
		highs = 0x80 * ones
	)
	quote, backslash := word^('"'*ones), word^('\\'*ones)
	control := (word - ' '*ones) &^ word
	return (word | control | (quote-ones)&^quote | (backslash-ones)&^backslash) & highs
}
