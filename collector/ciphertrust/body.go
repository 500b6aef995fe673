package ciphertrust

import (
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"

	"cckm_sync_exporter/collector/reason"
)

// watchedBody remembers how reading a body failed, so that a transfer that was
// cut short can be told from content that makes no sense.
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

// judge returns the error of an answer whose body was read with err.
func (b *watchedBody) judge(resp *http.Response, err error) error {
	if b.err != nil {
		return judgeTransfer(b.err)
	}
	if err != nil && errors.Is(err, io.ErrUnexpectedEOF) && endsWithConnection(resp) {
		return reason.New(reason.Network, fmt.Errorf("the connection ended within the body: %w", err), remedyNetwork)
	}
	return err
}

// judgeTransfer gives an error of reading a body its reason.
func judgeTransfer(err error) error {
	var corrupt flate.CorruptInputError
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.As(err, &corrupt) {
		return reason.New(reason.Decode, fmt.Errorf("inflating the body: %w", err), remedyDecode)
	}
	return classify(fmt.Errorf("reading the body: %w", err))
}

// endsWithConnection says whether only the end of the connection tells where
// the body ends, so that a body that was cut short looks like a whole one.
func endsWithConnection(resp *http.Response) bool {
	return resp.ContentLength < 0 && len(resp.TransferEncoding) == 0 && !resp.Uncompressed
}
