package ciphertrust

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzip"

	"cckm_sync_exporter/collector/reason"
)

// watchedBody stores the error with which reading a body failed, to distinguish a transfer that was
// cut short from invalid content.
type watchedBody struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// readBody passes the body of a response to read, decompressed if necessary. It returns the error of
// the transfer if that failed, also if read returns nil, else that of read. ctx is the context of the
// request.
func (c *Client) readBody(ctx context.Context, resp *http.Response, read func(io.Reader) error) error {
	body := &watchedBody{r: resp.Body}
	err := c.inflate(resp, body, read)
	// If the deadline interrupts a read, the errors may only mention a closed connection or incomplete
	// content.
	if ended := context.Cause(ctx); ended != nil && (err != nil || body.err != nil) {
		body.err = ended
	}
	if body.err != nil {
		return classify(fmt.Errorf("reading the body: %w", body.err))
	}
	if err != nil && errors.Is(err, io.ErrUnexpectedEOF) && endsWithConnection(resp) {
		return reason.New(reason.Network, fmt.Errorf("the connection ended within the body: %w", err), hintNetwork)
	}
	return err
}

// endsWithConnection reports whether the body ends when the connection is closed. net/http cannot
// detect that such a body was cut short.
func endsWithConnection(resp *http.Response) bool {
	return resp.ContentLength < 0 && len(resp.TransferEncoding) == 0
}

// inflate passes a body to read, decompressed if necessary.
func (c *Client) inflate(resp *http.Response, body io.Reader, read func(io.Reader) error) error {
	encoding := resp.Header.Get("Content-Encoding")
	switch strings.ToLower(encoding) {
	case "", "identity":
		return read(body)
	case "gzip", "x-gzip": // RFC 9110, section 8.4.1.3.
	default:
		return reason.New(reason.Decode, fmt.Errorf("the body has the encoding %.20q, which was not asked for", c.secrets.redact(encoding)), hintDecode)
	}
	inflater, ok := c.inflaters.Get().(*gzip.Reader)
	if !ok {
		inflater = new(gzip.Reader)
	}
	defer c.inflaters.Put(inflater)
	if err := inflater.Reset(body); err != nil {
		return badGzip(err)
	}
	inflated := &watchedBody{r: inflater}
	err := read(inflated)
	if inflated.err != nil {
		return badGzip(inflated.err)
	}
	return err
}

// badGzip adds the reason to an error of decompression. If the transfer failed, readBody returns its
// error instead.
func badGzip(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return reason.New(reason.Network, fmt.Errorf("the deflated body ends too early: %w", io.ErrUnexpectedEOF), hintNetwork)
	}
	return reason.New(reason.Decode, fmt.Errorf("inflating the body: %w", err), hintDecode)
}
