package simulator

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// openBody begins a JSON response, compressed if the client accepts gzip. The caller calls end after the
// last write.
func (a *Appliance) openBody(w http.ResponseWriter, r *http.Request) (out *bufio.Writer, end func()) {
	header := w.Header()
	header.Set("Content-Type", "application/json; charset=utf-8")
	header.Set("Vary", "Accept-Encoding")
	var to io.Writer = w
	var compressor *gzip.Writer
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		header.Set("Content-Encoding", "gzip")
		compressor, _ = a.compressors.Get().(*gzip.Writer)
		if compressor == nil {
			compressor, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // The level is valid.
		}
		compressor.Reset(w)
		to = compressor
	}
	w.WriteHeader(http.StatusOK)
	out = bufio.NewWriterSize(to, 32<<10)
	return out, func() {
		_ = out.Flush() // A client that has gone misses nothing.
		if compressor != nil {
			_ = compressor.Close()
			a.compressors.Put(compressor)
		}
	}
}

// apiError is an error response: its HTTP status, and a message for the user.
type apiError struct {
	status  int
	message string
}

// errorBody is the appliance's form of an error.
type errorBody struct {
	Code      int    `json:"code"`
	CodeDesc  string `json:"codeDesc"`
	Message   string `json:"message,omitempty"`
	RequestID string `json:"requestID,omitempty"`
}

// WriteError responds with an error in the appliance's form, for use in an interceptor. The message is
// left out if it is empty.
func WriteError(w http.ResponseWriter, status int, message string) {
	writeError(w, status, errorBody{Message: message})
}

// refuse responds with an error that has a request id, like the appliance's own.
func refuse(w http.ResponseWriter, fault *apiError) {
	writeError(w, fault.status, errorBody{Message: fault.message, RequestID: newUUID().String()})
}

// writeError adds the code that belongs to a status. The codes of 400, 401 and 404 are public; the
// others are guesses.
func writeError(w http.ResponseWriter, status int, e errorBody) {
	switch status {
	case http.StatusUnauthorized:
		e.Code, e.CodeDesc = 5, "NCERRUnauthorizedAccess"
	case http.StatusForbidden:
		e.Code, e.CodeDesc = 6, "NCERRForbidden: Forbidden"
	case http.StatusNotFound:
		e.Code, e.CodeDesc = 16, "NCERRResourceNotFound: Resource not found"
	case http.StatusBadRequest:
		e.Code, e.CodeDesc = 15, "NCERRBadRequest: Bad HTTP request"
	case http.StatusUnprocessableEntity:
		e.Code, e.CodeDesc = 15, "NCERRValidation: Validation failed"
	default:
		e.Code, e.CodeDesc = 1, "NCERRInternalServerError: "+http.StatusText(status)
	}
	writeJSON(w, status, e)
}

// writeJSON responds with a short JSON value, uncompressed.
func writeJSON(w http.ResponseWriter, status int, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		panic("simulator: encoding a response: " + err.Error()) // Its values are strings and numbers.
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text) // A client that has gone misses nothing.
}
