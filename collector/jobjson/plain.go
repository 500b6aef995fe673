package jobjson

import (
	"encoding/binary"
	"math/bits"
)

// plainEnd returns the index of the first byte from b[at] on that is not plain, or len(b).
// Plain bytes are the ASCII characters that a JSON string has unescaped. So a JSON string of
// plain bytes is valid, and its content is its value.
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

// isPlain reports whether a byte is plain.
func isPlain(c byte) bool { return ' ' <= c && c < 0x80 && c != '"' && c != '\\' }

// notPlain sets the highest bit of each of eight bytes that is not plain. Only the lowest byte
// that is marked is certain: a subtraction borrows from the byte above it, which may mark
// that byte too.
func notPlain(word uint64) uint64 {
	const (
		ones  = 0x0101010101010101
		highs = 0x80 * ones
	)
	// The XOR swaps '"' and ' ', so that only '"' and the control characters are below '!'.
	quoteOrControl := word ^ ('"'^' ')*ones - '!'*ones
	backslash := word ^ '\\'*ones - ones
	return (word | quoteOrControl | backslash) & highs
}
