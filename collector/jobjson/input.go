package jobjson

import (
	"bytes"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	// maxTokenBytes bounds a string, a number or a stretch of white space in an
	// answer, and with it the memory that an answer can take.
	maxTokenBytes = 1 << 20
	// inputBytes is how much of a body is in memory. A record that is longer is
	// read token by token.
	inputBytes = 64 << 10
)

// input is a page's body on its way to the JSON decoder. What has been read and
// not handed on can be looked at, and taken, before.
type input struct {
	r      io.Reader
	tokens *jsontext.Decoder
	// buf[at:end] waits to be handed on.
	buf     []byte
	at, end int
	// err is how the body ended.
	err error
	// read is how many bytes were handed on, taken how many were not.
	read, taken int64
	// refills tells whether buf still holds what it held.
	refills int
}

// reset begins with another body.
func (in *input) reset(r io.Reader) {
	if in.buf == nil {
		in.buf = make([]byte, inputBytes)
	}
	*in = input{r: r, tokens: in.tokens, buf: in.buf}
}

// Read implements io.Reader for the JSON decoder. It ends the input before a
// token longer than maxTokenBytes, so that the decoder never grows its buffer to
// hold one. It hands on no more than up to the end of an object, so that behind
// a record the decoder holds nothing of the next.
func (in *input) Read(p []byte) (int, error) {
	if in.read-in.tokens.InputOffset() > maxTokenBytes {
		return 0, fmt.Errorf("a string or number is longer than %d bytes", maxTokenBytes)
	}
	if in.at == in.end && !in.more(1) {
		return 0, in.err
	}
	n := copy(p, in.buf[in.at:in.end])
	if end := bytes.IndexByte(p[:n], '}'); end >= 0 {
		n = end + 1
	}
	in.at += n
	in.read += int64(n)
	return n, nil
}

// waiting returns what waits to be handed on. It is good until the next read.
func (in *input) waiting() []byte { return in.buf[in.at:in.end] }

// take takes what the decoder shall not see.
func (in *input) take(n int) {
	in.at += n
	in.taken += int64(n)
}

// more reads until at least so many bytes wait, or the buffer is full. It says
// whether anything came.
func (in *input) more(atLeast int) bool {
	in.end = copy(in.buf, in.buf[in.at:in.end])
	in.at = 0
	in.refills++
	before := in.end
	for in.err == nil && in.end < min(atLeast, len(in.buf)) {
		var n int
		n, in.err = in.r.Read(in.buf[in.end:])
		in.end += n
	}
	return in.end > before
}

// place returns where in buf the decoder stands; it is negative where that is
// no longer there.
func (in *input) place() int { return in.at - len(in.tokens.UnreadBuffer()) }
