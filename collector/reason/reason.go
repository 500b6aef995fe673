// Package reason names why a list could not be read, in the fixed words of the
// metric cckm_sync_scrape_error, and carries what the user can do about it.
package reason

import (
	"errors"
)

// Reason is the value of the label "reason" of cckm_sync_scrape_error.
type Reason string

// The reasons. Each of them is written for every list at every scrape.
const (
	// Auth says that the appliance did not accept the credentials or the token.
	Auth Reason = "auth"
	// Forbidden says that the credentials are good and lack a permission (403).
	Forbidden Reason = "forbidden"
	// NotFound says that the appliance does not have the path (404).
	NotFound Reason = "not_found"
	// Timeout says that the deadline of the scrape passed first.
	Timeout Reason = "timeout"
	// TLS says that no trusted TLS connection could be made.
	TLS Reason = "tls"
	// Network says that the connection failed, or that a body was cut short.
	Network Reason = "network"
	// Server says that the appliance answered 5xx or 429.
	Server Reason = "server"
	// Decode says that an answer is not what the API describes.
	Decode Reason = "decode"
	// Inconsistent says that the list changed while it was paged, or that its
	// pages contradict each other, so that no whole list could be proven.
	Inconsistent Reason = "inconsistent"
	// Other is every failure that none of the others names.
	Other Reason = "other"
)

// All returns the reasons in the order in which they are documented.
func All() []Reason {
	return []Reason{Auth, Forbidden, NotFound, Timeout, TLS, Network, Server, Decode, Inconsistent, Other}
}

// Error is a failure with its reason and what the user can do about it.
type Error struct {
	Reason Reason
	// Remedy is one sentence for the user, without a full stop at its end. It
	// may be empty where nothing is known that would help.
	Remedy string
	// Err says what happened. It never holds a secret.
	Err error
}

// New returns an Error for err.
func New(r Reason, err error, remedy string) *Error {
	return &Error{Reason: r, Err: err, Remedy: remedy}
}

// Error implements error. The remedy is left out: it has a place of its own
// where errors are shown.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns what happened.
func (e *Error) Unwrap() error { return e.Err }

// Of returns the reason that err carries, and Other where it carries none.
func Of(err error) Reason {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return Other
}

// RemedyOf returns what the user can do about err, which may be nothing.
func RemedyOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Remedy
	}
	return ""
}
