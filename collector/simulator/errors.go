package simulator

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// apiError is a refusal: its HTTP status, and the message for the user.
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

// newErrorBody fills in the code that belongs to a status. The codes of 400, 401 and 404 are public; the
// others are made in their image.
func newErrorBody(status int, message string) errorBody {
	e := errorBody{Message: message}
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
	return e
}

// WriteError answers in the appliance's form of an error, for use in an interceptor: a code and its
// description by the HTTP status, and a message, which is left out where it is empty.
func WriteError(w http.ResponseWriter, status int, message string) {
	writeErrorBody(w, status, newErrorBody(status, message))
}

// refuse answers with an error that has a request id, as the appliance's own do.
func (a *Appliance) refuse(w http.ResponseWriter, fault *apiError) {
	e := newErrorBody(fault.status, fault.message)
	e.RequestID = a.random.uuid()
	writeErrorBody(w, fault.status, e)
}

func writeErrorBody(w http.ResponseWriter, status int, e errorBody) {
	text, err := json.Marshal(e)
	if err != nil {
		panic("simulator: an error could not be encoded: " + err.Error()) // Numbers and strings always can.
	}
	writeJSON(w, status, text)
}

// writeJSON answers with a short JSON text, uncompressed.
func writeJSON(w http.ResponseWriter, status int, text []byte) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	leaveFlight(w)
	_, _ = w.Write(text) // A client that has gone misses nothing.
}
