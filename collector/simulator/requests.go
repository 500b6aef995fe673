package simulator

import (
	"bufio"
	"net"
	"net/http"
	"sync"
	"time"
)

// RequestRecord is one request that arrived.
type RequestRecord struct {
	Method   string
	Path     string
	RawQuery string
	// Time is when it arrived, by the appliance's clock.
	Time time.Time
	// Status is that of the answer: zero as long as there is none, and for ever where the connection
	// was dropped instead.
	Status int
}

// requestLog remembers requests in the order of their arrival.
type requestLog struct {
	keep int

	mu        sync.Mutex
	records   []*RequestRecord
	lists     int
	mostLists int
}

// arrive notes a request and returns the writer through which its status becomes known.
func (l *requestLog) arrive(w http.ResponseWriter, r *http.Request, now time.Time, list bool) *trackedWriter {
	record := &RequestRecord{Method: r.Method, Path: r.URL.Path, RawQuery: r.URL.RawQuery, Time: now}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.records) >= 2*l.keep {
		l.records = append([]*RequestRecord(nil), l.records[len(l.records)-l.keep:]...)
	}
	l.records = append(l.records, record)
	if list {
		l.lists++
		l.mostLists = max(l.mostLists, l.lists)
	}
	return &trackedWriter{ResponseWriter: w, log: l, record: record, inFlight: list}
}

// Requests returns the requests that arrived, in the order of their arrival, since the start or the
// last ResetRequests. The oldest are forgotten once there are more than Options.RequestLog.
func (a *Appliance) Requests() []RequestRecord {
	a.log.mu.Lock()
	defer a.log.mu.Unlock()
	records := make([]RequestRecord, len(a.log.records))
	for i, record := range a.log.records {
		records[i] = *record
	}
	return records
}

// ResetRequests forgets the requests so far, and what MaxListsInFlight found.
func (a *Appliance) ResetRequests() {
	a.log.mu.Lock()
	defer a.log.mu.Unlock()
	a.log.records = nil
	a.log.mostLists = a.log.lists
}

// MaxListsInFlight returns the highest number of requests for pages of lists that were being
// answered at once, since the start or the last ResetRequests. The wait of SetLatency counts.
func (a *Appliance) MaxListsInFlight() int {
	a.log.mu.Lock()
	defer a.log.mu.Unlock()
	return a.log.mostLists
}

// trackedWriter notes the status of an answer before the client can see it. It passes on what an
// interceptor may want of the connection: flushing, and taking it over.
type trackedWriter struct {
	http.ResponseWriter
	log    *requestLog
	record *RequestRecord
	// inFlight is true while the request counts as one in flight; the log's lock guards it.
	inFlight bool
}

func (t *trackedWriter) WriteHeader(status int) {
	t.log.mu.Lock()
	if t.record.Status == 0 {
		t.record.Status = status
	}
	t.log.mu.Unlock()
	t.ResponseWriter.WriteHeader(status)
}

func (t *trackedWriter) Write(b []byte) (int, error) {
	t.log.mu.Lock()
	if t.record.Status == 0 {
		t.record.Status = http.StatusOK
	}
	t.log.mu.Unlock()
	return t.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (t *trackedWriter) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// Flush sends what was written so far.
func (t *trackedWriter) Flush() {
	_ = http.NewResponseController(t.ResponseWriter).Flush() // http.Flusher reports no error.
}

// Hijack takes the connection over.
func (t *trackedWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(t.ResponseWriter).Hijack()
}

// leave ends the request's time in flight.
func (t *trackedWriter) leave() {
	t.log.mu.Lock()
	defer t.log.mu.Unlock()
	if t.inFlight {
		t.inFlight = false
		t.log.lists--
	}
}

// leaveFlight ends the time in flight of the request that the writer answers. An interceptor that put
// a writer of its own in between makes it last until the request has been dealt with.
func leaveFlight(w http.ResponseWriter) {
	if t, ok := w.(*trackedWriter); ok {
		t.leave()
	}
}
