package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"cckm_sync_exporter/collector/scrape"
)

// shareFor is how long a response is reused for other scrapers. The ages in it may be out of date by this
// much.
const shareFor = time.Second

// response is an http.ResponseWriter that encodes a response completely before any of it is sent. The
// body is kept compressed, so that a client that reads slowly holds little memory.
type response struct {
	snapshot *scrape.Snapshot
	// request has the parts of the request that the response depends on.
	request [3]string
	made    time.Time

	header http.Header
	status int
	body   bytes.Buffer
	// zip compresses the body if the handler does not. zipped is true when it has.
	zip    *gzip.Writer
	zipped bool
}

// response returns the response to a scrape of a snapshot, which may be nil. Scrapes of the same reads
// share a response; if there is none yet, handler writes it. It returns nil if the scraper has left.
func (s *targetScrapes) response(snapshot *scrape.Snapshot, r *http.Request, handler http.Handler) *response {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.recent = slices.DeleteFunc(s.recent, func(old *response) bool { return now.Sub(old.made) >= shareFor })
	request := [...]string{
		strings.Join(r.Header.Values("Accept"), ","), strings.Join(r.Header.Values("Accept-Encoding"), ","),
		// The query parameters that promhttp knows.
		url.Values{"name[]": r.URL.Query()["name[]"]}.Encode(),
	}
	for _, other := range s.recent {
		if other.request == request && other.snapshot.Same(snapshot) {
			return other
		}
	}
	if r.Context().Err() != nil {
		return nil
	}
	select {
	case s.encoders <- struct{}{}:
	case <-r.Context().Done():
		return nil
	}
	defer func() { <-s.encoders }()
	made := &response{snapshot: snapshot, request: request, header: http.Header{}, status: http.StatusOK}
	handler.ServeHTTP(made, r)
	if made.zip != nil {
		_ = made.zip.Close() // Writing to memory does not fail.
		// Release the writer, which takes more memory than most bodies.
		made.zip, made.zipped = nil, true
	}
	made.made = time.Now()
	s.recent = append(s.recent, made)
	return made
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

// TransferTimeout is how long a request and its response may take in addition to the longest scrape.
const TransferTimeout = 30 * time.Second

// limitSending bounds the time for a response that is ready. The server's own bound includes the longest scrape,
// for which a client that reads slowly would keep others from being served.
func limitSending(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(TransferTimeout))
}

// limited returns a handler of pages that are ready at once, which bounds the time for sending them.
func limited(page http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limitSending(w)
		page.ServeHTTP(w, r)
	})
}

// send sends the response to one scraper.
func (r *response) send(w http.ResponseWriter) error {
	limitSending(w)
	maps.Copy(w.Header(), r.header)
	body := io.Reader(bytes.NewReader(r.body.Bytes()))
	if !r.zipped {
		w.Header().Set("Content-Length", strconv.Itoa(r.body.Len()))
	} else if text, err := gzip.NewReader(body); err == nil {
		body = text
	}
	w.WriteHeader(r.status)
	_, err := io.Copy(w, body)
	return err
}
