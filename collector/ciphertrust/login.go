package ciphertrust

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"cckm_sync_exporter/collector/reason"
)

// endpointTokens is the path of logins and revocations below /api/v1/.
const endpointTokens = "auth/tokens" //nolint:gosec // It is a path, no credential.

// The grants with which the API returns tokens.
const (
	grantPassword    = "password"
	grantRefresh     = "refresh_token"
	grantCertificate = "client_credential"
)

// The results of a login, for Observer.Login.
const (
	loginSuccess  = "success"
	loginRejected = "rejected"
	loginError    = "error"
)

// Grants returns the grants that a login may use.
func Grants() []string { return []string{grantPassword, grantRefresh, grantCertificate} }

// LoginResults returns the results that a login may have: it succeeded, the
// appliance rejected it, or it failed in another way.
func LoginResults() []string { return []string{loginSuccess, loginRejected, loginError} }

// loginBody is the body of a login.
type loginBody struct {
	GrantType      string `json:"grant_type"`
	Username       string `json:"username,omitempty"`
	Password       string `json:"password,omitempty"`
	RefreshToken   string `json:"refresh_token,omitempty"`
	ClientID       string `json:"client_id,omitempty"`
	Connection     string `json:"connection,omitempty"`
	Domain         string `json:"domain,omitempty"`
	AuthDomain     string `json:"auth_domain,omitempty"`
	AuthDomainPath string `json:"auth_domain_path,omitempty"`
	RevokeUnusedIn int    `json:"refresh_token_revoke_unused_in,omitempty"`
}

// loginAnswer is the response to a login.
type loginAnswer struct {
	JWT            string `json:"jwt"`
	Duration       int64  `json:"duration"`
	RefreshToken   string `json:"refresh_token"`
	RefreshTokenID string `json:"refresh_token_id"`
}

// maxTokenLifetime bounds the duration in a response. If the appliance drops a token earlier, one
// request gets a 401.
const maxTokenLifetime = 24 * time.Hour

// maxTokenBytes bounds a token. Every text is searched for the tokens of the last logins, so long ones
// would cost time and memory.
const maxTokenBytes = 16 << 10

// check returns an error if the response is unusable. The error shows no value of a field that may be
// a secret.
func (a *loginAnswer) check() error {
	var problem string
	switch {
	case a.JWT == "":
		problem = "has no jwt"
	case strings.ContainsFunc(a.JWT, func(r rune) bool { return r <= ' ' || r > '~' }):
		problem = "has a jwt with characters that no token has"
	case max(len(a.JWT), len(a.RefreshToken), len(a.RefreshTokenID)) > maxTokenBytes:
		problem = fmt.Sprintf("has a token of more than %d bytes", maxTokenBytes)
	case a.Duration <= 0:
		problem = fmt.Sprintf("has a token with a duration of %d seconds", a.Duration)
	default:
		return nil
	}
	return reason.New(reason.Decode, errors.New("the response to the login "+problem), hintDecode)
}

// maxLoginAnswer bounds the body of the response to a login, after decompression.
const maxLoginAnswer = 1 << 20

// login sends one login. From then on, the secrets in the request and the response are redacted.
func (c *Client) login(ctx context.Context, body loginBody) (answer loginAnswer, err error) {
	c.secrets.rememberLogin(&body)
	defer func() { err = c.secrets.redactError(err) }()
	sent, err := json.Marshal(body) //nolint:gosec // A login has to send the password.
	if err != nil {
		return answer, reason.New(reason.Other, errors.New("encoding the login failed"), "")
	}
	// The API's documents end the path of logins with a slash.
	req, err := c.newRequest(ctx, http.MethodPost, endpointTokens+"/", nil, bytes.NewReader(sent))
	if err != nil {
		return answer, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.do(req, endpointTokens)
	if err != nil {
		return answer, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode/100 != 2 {
		return answer, c.loginFailure(resp, body)
	}
	err = c.readBody(ctx, resp, func(inflated io.Reader) error {
		content, err := io.ReadAll(io.LimitReader(inflated, maxLoginAnswer))
		if err != nil || json.Unmarshal(content, &answer) != nil {
			// The error of the decoder may quote a part of a secret.
			return reason.New(reason.Decode, errors.New("the response to the login is not the JSON that the API describes"), hintDecode)
		}
		return answer.check()
	})
	if err == nil {
		c.secrets.rememberTokens(answer.JWT, answer.RefreshToken)
	}
	return answer, err
}

// loginFailure returns the error of a login whose response is not a 2xx.
func (c *Client) loginFailure(resp *http.Response, body loginBody) error {
	failure := c.apiError(resp)
	r, hint := failure.cause()
	switch {
	case resp.StatusCode == http.StatusBadRequest && resp.Request.URL.Scheme == "http" && failure.CodeDesc == "":
		// A server that expects TLS answers plain HTTP like this.
		return reason.New(reason.TLS, fmt.Errorf("login over plain HTTP: %w", failure),
			"give --ciphertrust.url with https: the server does not take plain HTTP at this address")
	case isCredentialStatus(resp.StatusCode):
		hint = hintPassword
		if body.GrantType == grantCertificate {
			hint = hintCertificate
		}
		return reason.New(reason.Auth, fmt.Errorf("login by %s was refused: %w", body.GrantType, failure), hint)
	case isRejection(resp.StatusCode) && r != reason.Network:
		r, hint = reason.Other, hintAddress
	}
	return reason.New(r, fmt.Errorf("login: %w", failure), hint)
}

// LoginError is the error of a request that was not sent because the login failed. It is not about
// the requested path.
type LoginError struct {
	// Err carries a reason.Reason.
	Err error
	// rejected is true if the appliance rejected the login, and answered if another grant may work.
	rejected, answered bool
}

// Error implements error.
func (e *LoginError) Error() string { return e.Err.Error() }

// Unwrap returns why the login failed.
func (e *LoginError) Unwrap() error { return e.Err }

// isCredentialStatus reports whether a login with this status was most likely rejected because of the
// credentials. 440 is the login timeout of Microsoft's servers.
func isCredentialStatus(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusConflict, http.StatusUnprocessableEntity,
		http.StatusLocked, 440, http.StatusUnavailableForLegalReasons:
		return true
	default:
		return false
	}
}

// isRejection reports whether a login with this status was rejected. The same login would be rejected
// again, which may lock the user out.
func isRejection(status int) bool {
	return status/100 == 4 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests
}

// isRejected reports whether err is the error of a rejected login.
func isRejected(err error) bool {
	failure, ok := errors.AsType[*APIError](err)
	return ok && isRejection(failure.Status)
}

// answered reports whether a login with another grant may succeed. It returns false if there was no
// response, or if the appliance asked to wait (408, 429).
func answered(err error) bool {
	if failure, ok := errors.AsType[*APIError](err); ok {
		return isRejection(failure.Status) || failure.Status/100 != 4
	}
	return reason.Of(err) == reason.Decode
}

func loginResult(err error) string {
	switch {
	case err == nil:
		return loginSuccess
	case isRejected(err):
		return loginRejected
	default:
		return loginError
	}
}
