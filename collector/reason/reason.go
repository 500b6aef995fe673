// Package reason classifies why a list could not be read, in the fixed words of the metric
// cckm_sync_scrape_error, and adds a hint for the user.
package reason

import (
	"errors"
)

// Reason is the value of the label "reason" of cckm_sync_scrape_error.
type Reason string

// The reasons. All of them are exported for every list.
const (
	// Auth means that the appliance did not accept the credentials or the token.
	Auth Reason = "auth"
	// Forbidden means that the credentials are valid but lack a permission (403).
	Forbidden Reason = "forbidden"
	// NotFound means that the appliance does not have the path (404).
	NotFound Reason = "not_found"
	// Timeout means that the deadline of the scrape passed first.
	Timeout Reason = "timeout"
	// TLS means that there was no trusted TLS connection.
	TLS Reason = "tls"
	// Network means that the connection failed, or that a body was cut short.
	Network Reason = "network"
	// Server means that the appliance answered 5xx or 429.
	Server Reason = "server"
	// Decode means that a response is not what the API describes.
	Decode Reason = "decode"
	// Inconsistent means that the list changed while it was paged, or that its pages contradict each
	// other, so that the list could not be read completely.
	Inconsistent Reason = "inconsistent"
	// Other is any other failure.
	Other Reason = "other"
)

// All returns the reasons in the order of the documentation.
func All() []Reason {
	return []Reason{Auth, Forbidden, NotFound, Timeout, TLS, Network, Server, Decode, Inconsistent, Other}
}

// Error is a failure with its reason and what the user can do about it.
type Error struct {
	Reason Reason
	// Hint is the hint for the user: one sentence without a full stop, or empty.
	Hint string
	// Err is what happened. It never contains a secret.
	Err error
}

// New returns an Error for err.
func New(r Reason, err error, hint string) *Error {
	return &Error{Reason: r, Err: err, Hint: hint}
}

// Error implements error. It omits the hint, which is shown separately.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns what happened.
func (e *Error) Unwrap() error { return e.Err }

// Of returns the reason of err, or Other if it has none.
func Of(err error) Reason {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return Other
}

// HintOf returns the hint of err, or "".
func HintOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Hint
	}
	return ""
}
