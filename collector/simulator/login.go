package simulator

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// Grants of a login.
const (
	GrantPassword          = "password"
	GrantRefreshToken      = "refresh_token"
	GrantClientCertificate = "client_credential"
)

// Results of a login.
const (
	LoginAccepted = "accepted"
	LoginRejected = "rejected"
)

// keepLogins is how many logins are remembered with their bodies.
const keepLogins = 100

// LoginRequest is the body of a login, decoded. Lifetimes are in minutes.
type LoginRequest struct {
	GrantType                  string   `json:"grant_type"`
	Username                   string   `json:"username"`
	Password                   string   `json:"password"`
	Connection                 string   `json:"connection"`
	Domain                     string   `json:"domain"`
	AuthDomain                 string   `json:"auth_domain"`
	AuthDomainPath             string   `json:"auth_domain_path"`
	Labels                     []string `json:"labels"`
	RefreshToken               string   `json:"refresh_token"`
	ClientID                   string   `json:"client_id"`
	RefreshTokenLifetime       int      `json:"refresh_token_lifetime"`
	RefreshTokenRevokeUnusedIn int      `json:"refresh_token_revoke_unused_in"`
}

// LoginRecord is one login that was tried with a readable body.
type LoginRecord struct {
	// Time is when, by the appliance's clock.
	Time time.Time
	// Result is LoginAccepted or LoginRejected.
	Result string
	// Request is what the body said, secrets included: these are a simulation's.
	Request LoginRequest
}

// loginCount is what logins are counted by.
type loginCount struct{ grant, result string }

// loginAnswer is the answer to a login.
type loginAnswer struct {
	JWT            string `json:"jwt"`
	Duration       int64  `json:"duration"`
	TokenType      string `json:"token_type"`
	ClientID       string `json:"client_id"`
	RefreshToken   string `json:"refresh_token,omitempty"`
	RefreshTokenID string `json:"refresh_token_id,omitempty"`
}

// serveLogin answers a login of any grant.
func (a *Appliance) serveLogin(w http.ResponseWriter, r *http.Request) {
	var req LoginRequest
	if fault := readBody(r, &req); fault != nil {
		a.refuse(w, fault)
		return
	}
	answer, fault := a.login(r, req)
	if fault != nil {
		a.tokens.note(req, LoginRejected)
		a.refuse(w, fault)
		return
	}
	a.tokens.note(req, LoginAccepted)
	text, err := json.Marshal(answer) //nolint:gosec // A login's answer is there to carry a token.
	if err != nil {
		a.refuse(w, &apiError{http.StatusInternalServerError, err.Error()})
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, text)
}

// login decides on a login and makes its answer.
func (a *Appliance) login(r *http.Request, req LoginRequest) (loginAnswer, *apiError) {
	answer := loginAnswer{Duration: int64(a.tokens.lifetime / time.Second), TokenType: "Bearer", ClientID: a.clientID}
	d, username := a.domainNamed(req.Domain), req.Username
	if d == nil {
		return answer, &apiError{http.StatusUnauthorized, "the domain does not exist"}
	}
	switch req.GrantType {
	case GrantPassword:
		if !a.tokens.knows(req.Username, req.Password) {
			return answer, &apiError{http.StatusUnauthorized, "Wrong username or password."}
		}
		if req.RefreshTokenLifetime < 0 || req.RefreshTokenRevokeUnusedIn < 0 {
			return answer, &apiError{http.StatusUnprocessableEntity, "refresh token lifetimes must not be negative"}
		}
		t := a.tokens.issueRefresh(d, req)
		answer.RefreshToken, answer.RefreshTokenID = t.Token, t.ID
	case GrantRefreshToken:
		t, ok := a.tokens.use(req.RefreshToken, a.opts.RotateRefreshTokens)
		if !ok {
			return answer, &apiError{http.StatusUnauthorized, "the refresh token is not valid"}
		}
		d, username = a.domainNamed(t.Domain), t.Username
		answer.RefreshToken, answer.RefreshTokenID = t.Token, t.ID
	case GrantClientCertificate:
		if fault := a.checkClient(r, req); fault != nil {
			return answer, fault
		}
		answer.ClientID = req.ClientID
		username = r.TLS.PeerCertificates[0].Subject.CommonName
	default:
		return answer, &apiError{http.StatusBadRequest, "grant_type: unknown"}
	}
	token, err := a.tokens.sign(d, answer.ClientID, username)
	if err != nil {
		return answer, &apiError{http.StatusInternalServerError, "the token could not be signed: " + err.Error()}
	}
	answer.JWT = token
	return answer, nil
}

// checkClient checks a login by client certificate.
func (a *Appliance) checkClient(r *http.Request, req LoginRequest) *apiError {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return &apiError{http.StatusUnauthorized, "a client certificate is required"}
	}
	if a.opts.ClientID == "" || req.ClientID != a.opts.ClientID {
		return &apiError{http.StatusUnauthorized, "Invalid Client"}
	}
	return nil
}

// serveRevoke forgets a refresh token.
func (a *Appliance) serveRevoke(w http.ResponseWriter, id string) {
	if !a.tokens.revoke(id) {
		a.refuse(w, &apiError{http.StatusNotFound, "no refresh token of this id"})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// knows says whether a username and a password are right.
func (o *tokenOffice) knows(username, password string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return username == o.username && subtle.ConstantTimeCompare([]byte(password), []byte(o.password)) == 1
}

// note remembers a login.
func (o *tokenOffice) note(req LoginRequest, result string) {
	now := o.clock()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.counts[loginCount{req.GrantType, result}]++
	if len(o.logins) == keepLogins {
		o.logins = slices.Delete(o.logins, 0, 1)
	}
	o.logins = append(o.logins, LoginRecord{Time: now, Result: result, Request: req})
}

// LoginCount returns how many logins of a grant had a result, LoginAccepted or LoginRejected.
func (a *Appliance) LoginCount(grant, result string) int {
	a.tokens.mu.Lock()
	defer a.tokens.mu.Unlock()
	return a.tokens.counts[loginCount{grant, result}]
}

// Logins returns the last hundred logins, oldest first.
func (a *Appliance) Logins() []LoginRecord {
	a.tokens.mu.Lock()
	defer a.tokens.mu.Unlock()
	return slices.Clone(a.tokens.logins)
}
