package simulator

import (
	"cmp"
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

// LoginRequest is the decoded body of a login. Lifetimes are in minutes.
type LoginRequest struct {
	GrantType                  string `json:"grant_type"`
	Username                   string `json:"username"`
	Password                   string `json:"password"`
	Domain                     string `json:"domain"`
	RefreshToken               string `json:"refresh_token"`
	ClientID                   string `json:"client_id"`
	RefreshTokenLifetime       int    `json:"refresh_token_lifetime"`
	RefreshTokenRevokeUnusedIn int    `json:"refresh_token_revoke_unused_in"`
}

// LoginRecord is one login whose body was valid JSON.
type LoginRecord struct {
	// Result is LoginAccepted or LoginRejected.
	Result string
	// Request is the body, with its secrets.
	Request LoginRequest
}

// loginResponse is the response to a login.
type loginResponse struct {
	JWT            string `json:"jwt"`
	Duration       int64  `json:"duration"`
	TokenType      string `json:"token_type"`
	ClientID       string `json:"client_id"`
	RefreshToken   string `json:"refresh_token,omitempty"`
	RefreshTokenID string `json:"refresh_token_id,omitempty"`
}

// serveLogin responds to a login with any grant.
func (a *Appliance) serveLogin(w http.ResponseWriter, r *http.Request) {
	var req LoginRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&req); err != nil {
		refuse(w, &apiError{http.StatusBadRequest, "the body is not valid"})
		return
	}
	response, fault := a.login(r, req)
	if fault != nil {
		a.tokens.record(LoginRecord{LoginRejected, req})
		refuse(w, fault)
		return
	}
	a.tokens.record(LoginRecord{LoginAccepted, req})
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, response)
}

// login decides on a login and makes its response.
func (a *Appliance) login(r *http.Request, req LoginRequest) (loginResponse, *apiError) {
	response := loginResponse{Duration: int64(a.tokens.lifetime / time.Second), TokenType: "Bearer", ClientID: a.tokens.clientID}
	user := user{name: req.Username, domain: cmp.Or(req.Domain, RootDomain)}
	switch req.GrantType {
	case GrantPassword:
		a.tokens.mu.Lock()
		wrong := req.Username != a.opts.Username || req.Password != a.tokens.password
		a.tokens.mu.Unlock()
		if wrong {
			return response, &apiError{http.StatusUnauthorized, "Wrong username or password."}
		}
	case GrantRefreshToken:
		t, ok := a.tokens.refresh(req.RefreshToken)
		if !ok {
			return response, &apiError{http.StatusUnauthorized, "the refresh token is not valid"}
		}
		user, response.RefreshToken, response.RefreshTokenID = t.user, t.text, t.id
	case GrantClientCertificate:
		if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
			return response, &apiError{http.StatusUnauthorized, "a client certificate is required"}
		}
		if a.opts.ClientID == "" || req.ClientID != a.opts.ClientID {
			return response, &apiError{http.StatusUnauthorized, "Invalid Client"}
		}
		response.ClientID = req.ClientID
		user.name = r.TLS.PeerCertificates[0].Subject.CommonName
	default:
		return response, &apiError{http.StatusBadRequest, "grant_type: unknown"}
	}
	i := slices.IndexFunc(a.domains, func(d domain) bool { return d.name == user.domain })
	if i < 0 {
		return response, &apiError{http.StatusUnauthorized, "the domain does not exist"}
	}
	if req.GrantType == GrantPassword {
		t := a.tokens.issueRefresh(user, req)
		response.RefreshToken, response.RefreshTokenID = t.text, t.id
	}
	response.JWT = a.tokens.issue(a.domains[i], user.name, response.ClientID)
	return response, nil
}

// serveRevoke revokes a refresh token.
func (a *Appliance) serveRevoke(w http.ResponseWriter, id string) {
	if !a.tokens.revoke(id) {
		refuse(w, &apiError{http.StatusNotFound, "there is no refresh token with this id"})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// LoginCount returns how many logins with a grant had a result, LoginAccepted or LoginRejected.
func (a *Appliance) LoginCount(grant, result string) (n int) {
	for _, login := range a.Logins() {
		if login.Request.GrantType == grant && login.Result == result {
			n++
		}
	}
	return n
}

// Logins returns the logins, oldest first. It forgets logins older than the last 10,000.
func (a *Appliance) Logins() []LoginRecord {
	a.tokens.mu.Lock()
	defer a.tokens.mu.Unlock()
	return slices.Clone(a.tokens.logins)
}
