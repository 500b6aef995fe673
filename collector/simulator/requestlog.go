package simulator

import (
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
	// Status is the response's status. It is 0 until there is one, and stays 0 if the connection was
	// dropped.
	Status int
}

// keepRequests is how many requests and logins are remembered at least.
const keepRequests = 10_000

// remember appends to a log, and drops its oldest entries if it has more than twice as many as it must
// keep, so that a demo can run for months.
func remember[T any](log []T, entry T, keep int) []T {
	if len(log) >= 2*keep {
		log = append([]T(nil), log[len(log)-keep:]...)
	}
	return append(log, entry)
}

// requestLog remembers requests in the order of arrival.
type requestLog struct {
	mu      sync.Mutex
	records []*RequestRecord
}

// arrive logs a request and returns the writer that will log the status of its response.
func (l *requestLog) arrive(w http.ResponseWriter, r *http.Request, now time.Time) *trackedWriter {
	record := &RequestRecord{Method: r.Method, Path: r.URL.Path, RawQuery: r.URL.RawQuery, Time: now}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = remember(l.records, record, keepRequests)
	return &trackedWriter{ResponseWriter: w, log: l, record: record}
}

// Requests returns the requests since the start or the last ResetRequests, oldest first. It forgets
// requests older than the last 10,000.
func (a *Appliance) Requests() []RequestRecord {
	a.log.mu.Lock()
	defer a.log.mu.Unlock()
	records := make([]RequestRecord, len(a.log.records))
	for i, record := range a.log.records {
		records[i] = *record
	}
	return records
}

// ResetRequests forgets the requests so far.
func (a *Appliance) ResetRequests() {
	a.log.mu.Lock()
	defer a.log.mu.Unlock()
	a.log.records = nil
}

// trackedWriter logs the status of a response before the client can see it.
type trackedWriter struct {
	http.ResponseWriter

	log    *requestLog
	record *RequestRecord
}

// WriteHeader implements http.ResponseWriter.
func (t *trackedWriter) WriteHeader(status int) {
	t.setStatus(status)
	t.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (t *trackedWriter) Write(b []byte) (int, error) {
	t.setStatus(http.StatusOK)
	return t.ResponseWriter.Write(b)
}

// setStatus logs the status, unless there is one.
func (t *trackedWriter) setStatus(status int) {
	t.log.mu.Lock()
	defer t.log.mu.Unlock()
	if t.record.Status == 0 {
		t.record.Status = status
	}
}

// Unwrap lets http.ResponseController reach the connection.
func (t *trackedWriter) Unwrap() http.ResponseWriter { return t.ResponseWriter }
