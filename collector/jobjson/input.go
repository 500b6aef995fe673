package jobjson

import (
	"bytes"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	// maxTokenBytes bounds a string, a number or a run of white space, and with it the memory
	// that a page can need.
	maxTokenBytes = 1 << 20
	// inputBytes is the size of the input's buffer. A record that is longer is always decoded
	// with jsontext.
	inputBytes = 64 << 10
)

// input buffers a page's body for jsontext. The fast path reads records in the buffer before
// jsontext does, and removes them.
type input struct {
	r      io.Reader
	tokens *jsontext.Decoder
	// buf[at:end] has not been passed to jsontext yet.
	buf     []byte
	at, end int
	// err is the error that ended the body; io.EOF if it is complete.
	err error
	// passed counts the bytes that were passed to jsontext, and removed those that the fast path
	// removed.
	passed, removed int64
	// fills counts the calls of fill, each of which moves the content of buf.
	fills int
}

// reset prepares the input for another body.
func (in *input) reset(r io.Reader) {
	if in.buf == nil {
		in.buf = make([]byte, inputBytes)
	}
	*in = input{r: r, tokens: in.tokens, buf: in.buf}
}

// Read implements io.Reader for jsontext. It returns an error before a token is longer than
// maxTokenBytes, so jsontext never grows its buffer to hold such a token. It returns bytes up to
// the end of an object at most, so after a record jsontext has read nothing of the next one.
func (in *input) Read(p []byte) (int, error) {
	if in.passed-in.tokens.InputOffset() > maxTokenBytes {
		return 0, fmt.Errorf("a string or number is longer than %d bytes", maxTokenBytes)
	}
	if in.at == in.end && !in.fill(1) {
		return 0, in.err
	}
	n := copy(p, in.buf[in.at:in.end])
	if end := bytes.IndexByte(p[:n], '}'); end >= 0 {
		n = end + 1
	}
	in.at += n
	in.passed += int64(n)
	return n, nil
}

// buffered returns the bytes that jsontext reads next. They are valid until the next call of
// Read or fill.
func (in *input) buffered() []byte { return in.buf[in.at:in.end] }

// remove removes the next n bytes, so that jsontext does not read them.
func (in *input) remove(n int) {
	in.at += n
	in.removed += int64(n)
}

// fill reads from the body until at least atLeast bytes are buffered, the buffer is full, or the
// body ends. It reports whether it has read any.
func (in *input) fill(atLeast int) bool {
	in.end = copy(in.buf, in.buf[in.at:in.end])
	in.at = 0
	in.fills++
	before := in.end
	for in.err == nil && in.end < min(atLeast, len(in.buf)) {
		var n int
		n, in.err = in.r.Read(in.buf[in.end:])
		in.end += n
	}
	return in.end > before
}

// decoderIndex returns the index in buf of the byte that jsontext decodes next. It is negative
// if buf does not hold that byte any more.
func (in *input) decoderIndex() int { return in.at - len(in.tokens.UnreadBuffer()) }
