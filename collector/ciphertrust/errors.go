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
	"unicode"

	"cckm_sync_exporter/collector/reason"
)

// APIError is an error that the appliance answered with, in the form that the
// API describes: {"code":5,"codeDesc":"NCERR…","message":"…","requestID":"…"}.
type APIError struct {
	// Status is the HTTP status code.
	Status int
	// Code and CodeDesc are the appliance's own; they are empty where the
	// answer's body has another form, as that of a proxy has.
	Code     int
	CodeDesc string
	// Message and RequestID may be empty.
	Message   string
	RequestID string
	// Location is where a redirect, which is never followed, points to.
	Location string
	// RetryAfter is for how long the appliance asks not to be asked again; 0
	// where it does not say.
	RetryAfter time.Duration
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
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, ", and asks not to be asked again for %s", e.RetryAfter.Round(time.Second))
	}
	return b.String()
}

// reason maps the status to the contract's reasons.
func (e *APIError) reason() reason.Reason {
	switch {
	case e.Status == http.StatusUnauthorized:
		return reason.Auth
	case e.Status == http.StatusForbidden:
		return reason.Forbidden
	case e.Status == http.StatusNotFound:
		return reason.NotFound
	case e.Status == http.StatusTooManyRequests || e.Status >= 500:
		return reason.Server
	case e.Status == http.StatusProxyAuthRequired:
		return reason.Network
	default:
		return reason.Other
	}
}

// What a user can do, for the log, check and the README's table.
const (
	remedyPassword = "check --ciphertrust.username, the password (--ciphertrust.password-file or CM_PASSWORD), " +
		"--ciphertrust.domain, --ciphertrust.auth-domain and --ciphertrust.connection, and whether the user is locked out"
	remedyCertificate = "check --ciphertrust.client-id, --ciphertrust.cert-file and --ciphertrust.key-file, " +
		"and whether the appliance still knows the client"
	remedyForbidden = "" // The missing permission depends on the list, so the list's reader names it.
	remedyLicense   = "CCKM is not licensed for this on the appliance: add the license there, or turn the list off"
	remedyNotFound  = "this appliance does not have the path: turn the list off, or check --ciphertrust.url"
	remedyAddress   = "check that --ciphertrust.url is the address of a CipherTrust Manager"
	remedyServer    = "look at the appliance's health and its own log; the next scrape tries again"
	remedyDecode    = "check that --ciphertrust.url is the address of a CipherTrust Manager and not of a proxy's page; " +
		"if it is, report the answer's form"
	remedyTimeout   = "look at the appliance's load and the network, or raise Prometheus' scrape_timeout and --collector.timeout"
	remedyProxyAuth = "give the proxy's user name and password in its URL (HTTPS_PROXY), or exempt the appliance from the proxy (NO_PROXY)"
	remedyNetwork   = "check --ciphertrust.url, name resolution, firewalls and proxies on the way"
	// An exporter needs few files at once, so that it is somebody's connections.
	remedyOutOfFiles = "too many files and connections are open: look at who holds connections to the exporter, or raise its limit (LimitNOFILE)"
	remedyTLS        = "check --ciphertrust.ca-file, --ciphertrust.server-name and the appliance's certificate"
	remedyCiphers    = "cipher suites: the appliance has none in common with the exporter; enable one with ECDHE, because a key exchange by RSA alone is not supported"
	remedyPlainHTTP  = "give --ciphertrust.url with https: the server does not take plain HTTP at this address"
	remedyAuth       = "the appliance refuses a token that it has just given: look at its clock and its own log"
)

func (e *APIError) remedy() string {
	switch e.reason() {
	case reason.Auth:
		return remedyAuth
	case reason.Forbidden:
		// So answers an appliance without a license, endpoint by endpoint.
		if strings.Contains(strings.ToLower(e.Message), "license") {
			return remedyLicense
		}
		return remedyForbidden
	case reason.NotFound:
		return remedyNotFound
	case reason.Server:
		return remedyServer
	case reason.Network:
		return remedyProxyAuth
	case reason.Timeout, reason.TLS, reason.Decode, reason.Inconsistent, reason.Other:
	}
	if e.Status/100 == 3 {
		return "give the address that the redirect points to in --ciphertrust.url; redirects are never followed"
	}
	return remedyAddress
}

const (
	// maxErrorBody bounds what is read of an error's body.
	maxErrorBody = 64 << 10
	// maxErrorText bounds what of an appliance's text reaches the log.
	maxErrorText = 300
)

// readAPIError reads the error in an answer's body, as far as it has one. The
// appliance may repeat what it was sent, so that hide takes the secrets out.
func readAPIError(resp *http.Response, body io.Reader, hide func(string) string) *APIError {
	failure := &APIError{Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header)}
	var fields struct {
		Code      json.Number `json:"code"`
		CodeDesc  string      `json:"codeDesc"`
		Message   string      `json:"message"`
		RequestID string      `json:"requestID"`
	}
	// A body of another form, such as a proxy's page, says nothing that the
	// status does not say. A field of a wrong kind leaves the others readable.
	content, _ := io.ReadAll(io.LimitReader(body, maxErrorBody))
	_ = json.Unmarshal(content, &fields)
	if code, err := fields.Code.Int64(); err == nil {
		failure.Code = int(code)
	}
	failure.CodeDesc = shorten(hide(fields.CodeDesc))
	failure.Message = shorten(hide(fields.Message))
	failure.RequestID = shorten(hide(fields.RequestID))
	// Anything may be written as a scheme, and two of them help.
	location, err := resp.Location()
	if err == nil && resp.StatusCode/100 == 3 && (location.Scheme == "https" || location.Scheme == "http") {
		failure.Location = shorten(hide(location.Scheme + "://" + location.Host))
	}
	return failure
}

func newAPIError(resp *http.Response, body io.Reader, hide func(string) string) error {
	failure := readAPIError(resp, body, hide)
	return reason.New(failure.reason(), failure, failure.remedy())
}

// shorten makes an appliance's text fit into a line.
func shorten(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	if len(text) <= maxErrorText {
		return text
	}
	return strings.ToValidUTF8(text[:maxErrorText], "") + ellipsis
}

func isUnauthorized(err error) bool {
	failure, ok := errors.AsType[*APIError](err)
	return ok && failure.Status == http.StatusUnauthorized && reason.Of(err) == reason.Auth
}

// classify gives an error of the transport its reason.
func classify(err error) error {
	r, remedy := transportReason(err)
	return reason.New(r, err, remedy)
}

func transportReason(err error) (r reason.Reason, remedy string) {
	// A scraper that leaves cancels the read, so that both mean that the time
	// was not enough.
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return reason.Timeout, remedyTimeout
	}
	if errors.Is(err, errProxyAuth) {
		return reason.Network, remedyProxyAuth
	}
	// Before the files of the TLS settings, which cannot be opened then either.
	if outOfFiles(err) {
		return reason.Network, remedyOutOfFiles
	}
	if remedy, ok := tlsRemedy(err); ok {
		return reason.TLS, remedy
	}
	if netErr, ok := errors.AsType[net.Error](err); ok && netErr.Timeout() {
		return reason.Timeout, remedyTimeout
	}
	return reason.Network, remedyNetwork
}

// outOfFiles says whether the process, or the whole machine, has as many files
// and connections open as it may.
func outOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// unreadable gives its reason to the error of a secret that cannot be read.
func unreadable(err error, remedy string) error {
	if outOfFiles(err) {
		return reason.New(reason.Network, err, remedyOutOfFiles)
	}
	return reason.New(reason.Auth, err, remedy)
}

// hasAlternativeNames reports whether a certificate has a name that is compared
// with the host.
func hasAlternativeNames(c *x509.Certificate) bool {
	return len(c.DNSNames) > 0 || len(c.IPAddresses) > 0
}

// tlsRemedy says whether err kept a trusted TLS connection from being made, and
// what can be done about it.
func tlsRemedy(err error) (remedy string, ok bool) {
	if errors.Is(err, http.ErrSchemeMismatch) {
		return "the appliance speaks plain HTTP at this address: check the scheme and port of --ciphertrust.url", true
	}
	if remedy, ok := certificateRemedy(err); ok {
		return remedy, true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "the appliance does not speak TLS at this address: check the scheme and port of --ciphertrust.url", true
	}
	// The alert has no exported type, and the client's own error has none at all.
	_, asked := errors.AsType[certificateAskedError](err)
	if text := err.Error(); !asked && strings.Contains(text, "tls: handshake failure") || strings.Contains(text, "cipher suite") {
		return remedyCiphers, true
	}
	// An alert of the other side ("certificate required"), or of ours
	// ("protocol version not supported"), has no exported type.
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "remote error" || op.Op == "local error") {
		return "check the client certificate (--ciphertrust.cert-file, --ciphertrust.key-file) and the TLS version of the appliance", true
	}
	if path, ok := errors.AsType[*os.PathError](err); ok {
		return fmt.Sprintf("make %s readable", path.Path), true
	}
	// Prometheus' package has no type for a CA file that was spoilt at run time.
	if text := err.Error(); strings.Contains(text, "tls: ") || strings.Contains(text, "unable to use specified CA cert") {
		return remedyTLS, true
	}
	return "", false
}

// certificateRemedy is tlsRemedy for a certificate of the appliance that was
// refused.
func certificateRemedy(err error) (remedy string, ok bool) {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "give the CA of the appliance's certificate in --ciphertrust.ca-file; the system's CAs are read at the start only", true
	}
	if mismatch, ok := errors.AsType[x509.HostnameError](err); ok {
		if !hasAlternativeNames(mismatch.Certificate) {
			return "issue the appliance's certificate with a subject alternative name (SAN): its common name does not count", true
		}
		return "use a name of the appliance's certificate in --ciphertrust.url, or give it in --ciphertrust.server-name", true
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return "renew the appliance's certificate, or mend the clock of this machine", true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return remedyTLS, true
	}
	return "", false
}
