package simulator

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"sync"
)

// spillAt is how much of an answer is gathered before it is passed on.
const spillAt = 32 << 10

// bodyPool keeps what answers are written with, since a compressor is costly to make.
type bodyPool struct {
	buffers     sync.Pool
	compressors sync.Pool
}

// body is the answer to one request on its way out, compressed if the client accepts that.
type body struct {
	pool *bodyPool
	w    http.ResponseWriter
	out  io.Writer
	gzip *gzip.Writer
	// buf is what was not passed on yet; the caller appends to it.
	buf []byte
	err error
}

// openBody begins an answer in JSON.
func (a *Appliance) openBody(w http.ResponseWriter, r *http.Request, status int) *body {
	b := &body{pool: &a.bodies, w: w, out: w}
	if buf, ok := a.bodies.buffers.Get().(*[]byte); ok {
		b.buf = (*buf)[:0]
	}
	header := w.Header()
	header.Set("Content-Type", "application/json; charset=utf-8")
	header.Set("Vary", "Accept-Encoding")
	if acceptsGzip(r) {
		header.Set("Content-Encoding", "gzip")
		if gz, ok := a.bodies.compressors.Get().(*gzip.Writer); ok {
			gz.Reset(w)
			b.gzip = gz
		} else {
			b.gzip, _ = gzip.NewWriterLevel(w, gzip.BestSpeed) // The level is a valid one.
		}
		b.out = b.gzip
	}
	w.WriteHeader(status)
	return b
}

// spill passes on what has gathered, once it is enough. It says whether it is worth going on.
func (b *body) spill() bool {
	if len(b.buf) >= spillAt {
		b.flush()
	}
	return b.err == nil
}

// flush passes on what has gathered.
func (b *body) flush() {
	if b.err == nil {
		_, b.err = b.out.Write(b.buf)
	}
	b.buf = b.buf[:0]
}

// close ends the answer. The request stops counting as in flight just before its last bytes leave,
// because a client may send its next one as soon as it has them.
func (b *body) close() {
	leaveFlight(b.w)
	b.flush()
	if b.gzip != nil {
		if b.err == nil {
			b.err = b.gzip.Close()
		}
		b.pool.compressors.Put(b.gzip)
	}
	buf := b.buf
	b.pool.buffers.Put(&buf)
}

// acceptsGzip says whether the client accepts a gzip-compressed answer.
func acceptsGzip(r *http.Request) bool {
	for _, value := range r.Header.Values("Accept-Encoding") {
		for part := range strings.SplitSeq(value, ",") {
			coding, quality, _ := strings.Cut(part, ";")
			if strings.TrimSpace(coding) == "gzip" {
				return strings.ReplaceAll(strings.TrimSpace(quality), " ", "") != "q=0"
			}
		}
	}
	return false
}
