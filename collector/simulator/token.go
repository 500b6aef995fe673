package simulator

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// keepIssued is how many tokens are remembered at least.
const keepIssued = 200

// tokenStore issues and checks tokens, and remembers logins.
type tokenStore struct {
	clock    func() time.Time
	lifetime time.Duration
	rotate   bool
	clientID string

	mu       sync.Mutex
	password string
	// live are the tokens that are accepted.
	live      map[string]liveToken
	refreshes []*refreshToken // in the order of issue
	logins    []LoginRecord
	issued    []string
}

// user is a user in a domain.
type user struct{ name, domain string }

type liveToken struct {
	domain  string
	expires time.Time
}

type refreshToken struct {
	user

	id, text           string
	issued, lastUsed   time.Time
	lifetime, unusedIn time.Duration // as the login requested them; 0 means no limit
}

// expired reports whether the token must not be used any more.
func (t *refreshToken) expired(now time.Time) bool {
	return t.lifetime > 0 && !now.Before(t.issued.Add(t.lifetime)) ||
		t.unusedIn > 0 && !now.Before(t.lastUsed.Add(t.unusedIn))
}

func newTokenStore(opts Options) *tokenStore {
	return &tokenStore{
		clock:    opts.Clock,
		lifetime: opts.TokenLifetime.Truncate(time.Second),
		rotate:   opts.RotateRefreshTokens,
		clientID: newUUID().String(),
		password: opts.Password,
		live:     make(map[string]liveToken),
	}
}

// issue returns a token like those in the appliance's documentation. No client can check its signature,
// so that is random, and the store accepts the tokens that it has issued.
func (s *tokenStore) issue(d domain, username, clientID string) string {
	now := s.clock()
	expires := time.Unix(now.Add(s.lifetime).Unix(), 0)
	claims, err := json.Marshal(map[string]any{
		"aud":                clientID,
		"sub":                "local|" + uuidFrom(hashText(4, username), hashText(5, username)).String(),
		"iss":                "kylo",
		"acc":                d.account,
		"preferred_username": username,
		"cust": map[string]any{
			"domain_id": d.id,
			"groups":    []string{"CCKM Users"},
			"sid":       newUUID().String(),
			"zone_id":   rootDomainID,
		},
		"jwtid": newUUID().String(),
		"iat":   now.Unix(),
		"exp":   expires.Unix(),
	})
	if err != nil {
		panic("simulator: encoding a token: " + err.Error()) // Its values are strings and numbers.
	}
	encode := base64.RawURLEncoding.EncodeToString
	token := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(claims) + "." + encode(secret(32))

	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.live, func(_ string, t liveToken) bool { return !now.Before(t.expires) })
	s.live[token] = liveToken{d.name, expires}
	s.issued = remember(s.issued, token, keepIssued)
	return token
}

// authenticate checks a request's token and returns its domain.
func (a *Appliance) authenticate(r *http.Request) (domainName string, fault *apiError) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", &apiError{http.StatusUnauthorized, "a bearer token is required"}
	}
	now := a.tokens.clock()
	a.tokens.mu.Lock()
	defer a.tokens.mu.Unlock()
	t, ok := a.tokens.live[strings.TrimSpace(token)]
	if !ok || !now.Before(t.expires) {
		return "", &apiError{http.StatusUnauthorized, "the token is not valid or has expired"}
	}
	return t.domain, nil
}

// issueRefresh returns a new refresh token.
func (s *tokenStore) issueRefresh(u user, req LoginRequest) refreshToken {
	now := s.clock()
	t := &refreshToken{
		user:     u,
		id:       newUUID().String(),
		issued:   now,
		lastUsed: now,
		lifetime: time.Duration(req.RefreshTokenLifetime) * time.Minute,
		unusedIn: time.Duration(req.RefreshTokenRevokeUnusedIn) * time.Minute,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prune(now)
	s.renew(t)
	s.refreshes = append(s.refreshes, t)
	return *t
}

// renew gives a refresh token a new text. The caller holds mu.
func (s *tokenStore) renew(t *refreshToken) {
	t.text = base64.RawURLEncoding.EncodeToString(secret(48))
	s.issued = remember(s.issued, t.text, keepIssued)
}

// refresh uses a refresh token, and reports whether it is valid.
func (s *tokenStore) refresh(text string) (refreshToken, bool) {
	now := s.clock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prune(now)
	i := slices.IndexFunc(s.refreshes, func(t *refreshToken) bool { return t.text == text })
	if i < 0 {
		return refreshToken{}, false
	}
	t := s.refreshes[i]
	t.lastUsed = now
	if s.rotate {
		s.renew(t)
	}
	return *t, true
}

// prune forgets the refresh tokens that have expired. The caller holds mu.
func (s *tokenStore) prune(now time.Time) {
	s.refreshes = slices.DeleteFunc(s.refreshes, func(t *refreshToken) bool { return t.expired(now) })
}

// revoke forgets a refresh token, and reports whether there was one.
func (s *tokenStore) revoke(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prune(s.clock())
	before := len(s.refreshes)
	s.refreshes = slices.DeleteFunc(s.refreshes, func(t *refreshToken) bool { return t.id == id })
	return len(s.refreshes) < before
}

// record remembers a login.
func (s *tokenStore) record(login LoginRecord) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logins = remember(s.logins, login, keepRequests)
}

// Issued returns the last two hundred or more tokens and refresh tokens that were issued, valid or not,
// for tests that search output for secrets.
func (a *Appliance) Issued() []string {
	a.tokens.mu.Lock()
	defer a.tokens.mu.Unlock()
	return slices.Clone(a.tokens.issued)
}

// RefreshTokens returns the refresh tokens that are still valid, in the order of issue.
func (a *Appliance) RefreshTokens() []string {
	s := a.tokens
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prune(s.clock())
	texts := make([]string, len(s.refreshes))
	for i, t := range s.refreshes {
		texts[i] = t.text
	}
	return texts
}

// RevokeRefreshTokens revokes all refresh tokens. Tokens stay valid.
func (a *Appliance) RevokeRefreshTokens() {
	a.tokens.mu.Lock()
	defer a.tokens.mu.Unlock()
	a.tokens.refreshes = nil
}

// RevokeAllTokens revokes all tokens, as a restart of the appliance does. Refresh tokens stay valid.
func (a *Appliance) RevokeAllTokens() {
	a.tokens.mu.Lock()
	defer a.tokens.mu.Unlock()
	clear(a.tokens.live)
}

// SetPassword changes the password of a login. Tokens stay valid.
func (a *Appliance) SetPassword(password string) {
	a.tokens.mu.Lock()
	defer a.tokens.mu.Unlock()
	a.tokens.password = password
}
