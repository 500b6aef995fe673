package ciphertrust

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"cckm_sync_exporter/collector/reason"
)

// APIError is a response with an error status. The API describes the body as
// {"code":5,"codeDesc":"NCERR…","message":"…","requestID":"…"}.
type APIError struct {
	// Status is the HTTP status code.
	Status int
	// Code and CodeDesc are the appliance's own code. They are empty if the body has another form, for
	// example because a proxy has sent it.
	Code     int
	CodeDesc string
	// Message and RequestID may be empty.
	Message   string
	RequestID string
	// Location is the target of a redirect, which is never followed.
	Location string
	// RetryAt is when the next request may be sent, or zero if there is no Retry-After.
	RetryAt time.Time
}

// Error implements error.
func (e *APIError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the appliance answered %d %s", e.Status, http.StatusText(e.Status))
	if e.CodeDesc != "" {
		fmt.Fprintf(&b, ", code %d, %s", e.Code, e.CodeDesc)
	}
	if e.Message != "" {
		fmt.Fprintf(&b, ": %s", e.Message)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " (request %s)", e.RequestID)
	}
	if e.Location != "" {
		fmt.Fprintf(&b, " to %s", e.Location)
	}
	if !e.RetryAt.IsZero() {
		fmt.Fprintf(&b, "; not tried again before %s", clock(e.RetryAt))
	}
	return b.String()
}

// The hints that several errors share.
const (
	hintPassword = "check --ciphertrust.username, the password (--ciphertrust.password-file or CM_PASSWORD), " +
		"--ciphertrust.domain, --ciphertrust.auth-domain and --ciphertrust.connection, and whether the user is locked out"
	hintCertificate = "check --ciphertrust.client-id, --ciphertrust.cert-file and --ciphertrust.key-file, " +
		"and whether the appliance still knows the client"
	hintAddress = "check that --ciphertrust.url is the address of a CipherTrust Manager"
	hintServer  = "check the appliance's health and log; the next scrape retries"
	hintDecode  = "check that --ciphertrust.url is the address of a CipherTrust Manager and not of a proxy's page; " +
		"if it is, report the answer's form"
	hintTimeout   = "look at the appliance's load and the network, or raise Prometheus' scrape_timeout and --collector.timeout"
	hintProxyAuth = "give the proxy's user name and password in its URL (HTTPS_PROXY), or exempt the appliance from the proxy (NO_PROXY)"
	hintNetwork   = "check --ciphertrust.url, name resolution, firewalls and proxies on the way"
	// The exporter itself needs few files, so the cause is connections of others to it.
	hintOutOfFiles = "too many files and connections are open: check which clients hold connections to the exporter, or raise its limit (LimitNOFILE)"
	hintTLS        = "check --ciphertrust.ca-file, --ciphertrust.server-name and the appliance's certificate"
	hintTLSClient  = "check the client certificate (--ciphertrust.cert-file, --ciphertrust.key-file) and the TLS version of the appliance"
)

// cause maps the status to a reason and a hint.
func (e *APIError) cause() (r reason.Reason, hint string) {
	switch {
	case e.Status == http.StatusUnauthorized:
		return reason.Auth, "the appliance rejected a token that it has just issued: check its clock and its log"
	case e.Status == http.StatusForbidden && strings.Contains(strings.ToLower(e.Message), "license"):
		return reason.Forbidden, "CCKM is not licensed for this on the appliance: add the license there, or turn this off"
	case e.Status == http.StatusForbidden:
		// The missing permission depends on the list, so the list's reader names it.
		return reason.Forbidden, ""
	case e.Status == http.StatusNotFound:
		return reason.NotFound, "this appliance does not have the path: turn the list off, or check --ciphertrust.url"
	case e.Status == http.StatusTooManyRequests || e.Status >= 500:
		return reason.Server, hintServer
	case e.Status == http.StatusProxyAuthRequired:
		return reason.Network, hintProxyAuth
	case e.Status/100 == 3:
		return reason.Other, "give the address that the redirect points to in --ciphertrust.url; redirects are never followed"
	default:
		return reason.Other, hintAddress
	}
}

const (
	// maxErrorBody bounds what is read of an error's body.
	maxErrorBody = 64 << 10
	// maxField and maxError bound a field of an error's body, and the text of any other error, in bytes.
	maxField = 300
	maxError = 1000
)

// apiError returns the error of a response, without secrets, because the appliance may repeat what it
// was sent. If the body is compressed in an invalid way, or cut short, the error has the status only,
// because a 401 must lead to a new token anyway.
func (c *Client) apiError(resp *http.Response) *APIError {
	failure := &APIError{Status: resp.StatusCode}
	if wait := retryAfter(resp.Header); wait > 0 {
		failure.RetryAt = time.Now().Add(wait)
	}
	var fields struct {
		Code      json.Number `json:"code"`
		CodeDesc  string      `json:"codeDesc"`
		Message   string      `json:"message"`
		RequestID string      `json:"requestID"`
	}
	// Errors are ignored: a body of another form, such as a proxy's page, adds nothing to the status,
	// and after a field of the wrong type the others are still decoded.
	_ = c.inflate(resp, resp.Body, func(body io.Reader) error {
		content, err := io.ReadAll(io.LimitReader(body, maxErrorBody))
		_ = json.Unmarshal(content, &fields)
		return err
	})
	if code, err := fields.Code.Int64(); err == nil {
		failure.Code = int(code)
	}
	clean := func(text string) string { return c.secrets.clean(text, maxField) }
	failure.CodeDesc, failure.Message, failure.RequestID = clean(fields.CodeDesc), clean(fields.Message), clean(fields.RequestID)
	// A location with another scheme is of no use, and may be anything.
	location, err := resp.Location()
	if err == nil && resp.StatusCode/100 == 3 && (location.Scheme == "https" || location.Scheme == "http") {
		failure.Location = clean(location.Scheme + "://" + location.Host)
	}
	return failure
}

// withReason returns the error with its reason and hint.
func (e *APIError) withReason() error {
	r, hint := e.cause()
	return reason.New(r, e, hint)
}

func isUnauthorized(err error) bool {
	failure, ok := errors.AsType[*APIError](err)
	return ok && failure.Status == http.StatusUnauthorized && reason.Of(err) == reason.Auth
}

// classify adds the reason to an error of the transport.
func classify(err error) error {
	netErr, isNet := errors.AsType[net.Error](err)
	hint := tlsHint(err)
	switch {
	// A scrape that leaves cancels the read. So both mean that the time was too short.
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return reason.New(reason.Timeout, err, hintTimeout)
	case errors.Is(err, errProxyAuth):
		return reason.New(reason.Network, err, hintProxyAuth)
	// This must be checked before TLS, whose files cannot be opened either then.
	case outOfFiles(err):
		return reason.New(reason.Network, err, hintOutOfFiles)
	case hint != "":
		return reason.New(reason.TLS, err, hint)
	case isNet && netErr.Timeout():
		return reason.New(reason.Timeout, err, hintTimeout)
	default:
		return reason.New(reason.Network, err, hintNetwork)
	}
}

// outOfFiles reports whether the process or the machine has reached its limit of open files and
// connections.
func outOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// unreadable adds the reason to the error of a secret that cannot be read.
func unreadable(err error, hint string) error {
	switch {
	case outOfFiles(err):
		return reason.New(reason.Network, err, hintOutOfFiles)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return reason.New(reason.Timeout, err, hint)
	default:
		return reason.New(reason.Auth, err, hint)
	}
}

// handshakeAlert is in the error if the appliance ends a handshake without saying why.
const handshakeAlert = "tls: handshake failure"

// tlsHint returns the hint for an error of TLS, or "" if err is another error.
func tlsHint(err error) string {
	if hint := certificateHint(err); hint != "" {
		return hint
	}
	// Alerts, and some errors of the standard library and of Prometheus' package, have no exported type.
	text := err.Error()
	alert, isAlert := errors.AsType[*net.OpError](err)
	file, isFile := errors.AsType[*os.PathError](err)
	switch {
	case errors.Is(err, http.ErrSchemeMismatch):
		return "the appliance speaks plain HTTP at this address: check the scheme and port of --ciphertrust.url"
	case isA[tls.RecordHeaderError](err):
		return "the appliance does not speak TLS at this address: check the scheme and port of --ciphertrust.url"
	case strings.Contains(text, handshakeAlert), strings.Contains(text, "cipher suite"):
		return "cipher suites: the appliance has none in common with the exporter; enable one with ECDHE, " +
			"because a key exchange by RSA alone is not supported"
	case isAlert && (alert.Op == "remote error" || alert.Op == "local error"):
		return hintTLSClient
	case isFile:
		return fmt.Sprintf("make %s readable", file.Path)
	case strings.Contains(text, "tls: "), strings.Contains(text, "unable to use specified CA cert"):
		return hintTLS
	default:
		return ""
	}
}

// certificateHint is tlsHint for an appliance's certificate that was refused.
func certificateHint(err error) string {
	mismatch, wrongName := errors.AsType[x509.HostnameError](err)
	invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](err)
	switch {
	case isA[x509.UnknownAuthorityError](err):
		return "give the CA of the appliance's certificate in --ciphertrust.ca-file; the system's CAs are read at the start only"
	case wrongName && len(mismatch.Certificate.DNSNames) == 0 && len(mismatch.Certificate.IPAddresses) == 0:
		return "issue the appliance's certificate with a subject alternative name (SAN): its common name does not count"
	case wrongName:
		return "use a name of the appliance's certificate in --ciphertrust.url, or give it in --ciphertrust.server-name"
	case isInvalid && invalid.Reason == x509.Expired:
		return "renew the appliance's certificate, or correct the clock of this machine"
	case isA[*tls.CertificateVerificationError](err):
		return hintTLS
	default:
		return ""
	}
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
