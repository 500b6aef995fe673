package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
)

// response is a response that is encoded completely before any of it is sent. It is
// kept compressed: a client that reads slowly holds neither the gathered series, which
// are many times larger, nor their text.
type response struct {
	header http.Header
	status int
	body   bytes.Buffer
	// zip compresses the body; nil if the handler compresses it.
	zip *gzip.Writer
}

// Header implements http.ResponseWriter.
func (r *response) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *response) WriteHeader(status int) { r.status = status }

// Write implements http.ResponseWriter.
func (r *response) Write(p []byte) (int, error) {
	if r.header.Get("Content-Encoding") != "" {
		return r.body.Write(p)
	}
	if r.zip == nil {
		r.zip, _ = gzip.NewWriterLevel(&r.body, gzip.BestSpeed) // The level is valid.
	}
	return r.zip.Write(p)
}

// send sends the response. Writing fails if the client has left, which is its own
// business.
func (r *response) send(w http.ResponseWriter) {
	if r.zip == nil {
		r.header.Set("Content-Length", strconv.Itoa(r.body.Len()))
	}
	if r.status != 0 {
		w.WriteHeader(r.status)
	}
	if r.zip == nil {
		_, _ = w.Write(r.body.Bytes())
		return
	}
	_ = r.zip.Close() // Writing to memory does not fail.
	if text, err := gzip.NewReader(&r.body); err == nil {
		_, _ = io.Copy(w, text) //nolint:gosec // It was compressed above.
	}
}
