package simulator

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// issuer is what the appliance's tokens say of who made them.
const issuer = "kylo"

// RefreshToken is a refresh token that the appliance still accepts.
type RefreshToken struct {
	// ID is what a DELETE names.
	ID string
	// Token is what a refresh presents.
	Token    string
	Username string
	Domain   string
	IssuedAt time.Time
	LastUsed time.Time
	// Lifetime and RevokeUnusedIn are what the login asked for; zero means no limit.
	Lifetime       time.Duration
	RevokeUnusedIn time.Duration
}

// alive says whether the token may still be used.
func (t *RefreshToken) alive(now time.Time) bool {
	if t.Lifetime > 0 && !now.Before(t.IssuedAt.Add(t.Lifetime)) {
		return false
	}
	return t.RevokeUnusedIn <= 0 || now.Before(t.LastUsed.Add(t.RevokeUnusedIn))
}

// tokenOffice issues tokens, checks them, and remembers who came.
type tokenOffice struct {
	clock    func() time.Time
	lifetime time.Duration
	username string
	random   *source

	mu       sync.Mutex
	password string
	key      []byte
	refresh  []*RefreshToken // in the order of issue
	logins   []LoginRecord
	issued   []string
	counts   map[loginCount]int
}

func newTokenOffice(opts Options, random *source) *tokenOffice {
	return &tokenOffice{
		clock:    opts.Clock,
		lifetime: opts.TokenLifetime.Truncate(time.Second),
		username: opts.Username,
		random:   random,
		password: opts.Password,
		key:      secret(32),
		counts:   make(map[loginCount]int),
	}
}

// secret makes random bytes, outside the seed's reach: an appliance must not accept the tokens of another
// that was made with the same options.
func secret(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // It never fails.
	return b
}

// sign makes a token like those in the appliance's documentation.
func (o *tokenOffice) sign(d *domain, clientID, username string) (string, error) {
	now := o.clock()
	claims := jwt.MapClaims{
		"aud":                clientID,
		"sub":                "local|" + uuidFrom(hashText(4, username), hashText(5, username)),
		"iss":                issuer,
		"acc":                d.account,
		"preferred_username": username,
		"cust": map[string]any{
			"domain_id": d.id,
			"groups":    []string{"CCKM Users"},
			"sid":       o.random.uuid(),
			"zone_id":   rootDomainID,
		},
		"jwtid": o.random.uuid(),
		"iat":   now.Unix(),
		"exp":   now.Add(o.lifetime).Unix(),
	}
	o.mu.Lock()
	key := o.key
	o.mu.Unlock()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(key)
	if err == nil {
		o.remember(token)
	}
	return token, err
}

// verify checks a token's signature and expiry and returns the id of its domain.
func (o *tokenOffice) verify(text string) (domainID string, err error) {
	o.mu.Lock()
	key := o.key
	o.mu.Unlock()
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithIssuer(issuer),
		jwt.WithExpirationRequired(),
		jwt.WithTimeFunc(o.clock),
	)
	claims := jwt.MapClaims{}
	if _, err := parser.ParseWithClaims(text, claims, func(*jwt.Token) (any, error) { return key, nil }); err != nil {
		return "", err
	}
	cust, _ := claims["cust"].(map[string]any)
	domainID, _ = cust["domain_id"].(string)
	return domainID, nil
}

// authenticate checks the token that a request bears and returns the domain that it is bound to.
func (a *Appliance) authenticate(r *http.Request) (*domain, *apiError) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil, &apiError{http.StatusUnauthorized, "a bearer token is required"}
	}
	id, err := a.tokens.verify(strings.TrimSpace(token))
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return nil, &apiError{http.StatusUnauthorized, "the token has expired"}
	case err != nil:
		return nil, &apiError{http.StatusUnauthorized, "the token is not valid"}
	}
	d := a.domainOf(id)
	if d == nil {
		return nil, &apiError{http.StatusUnauthorized, "the token's domain does not exist"}
	}
	return d, nil
}

// issueRefresh makes a refresh token.
func (o *tokenOffice) issueRefresh(d *domain, req LoginRequest) RefreshToken {
	now := o.clock()
	t := &RefreshToken{
		ID:             o.random.uuid(),
		Token:          o.newRefreshText(),
		Username:       req.Username,
		Domain:         d.name,
		IssuedAt:       now,
		LastUsed:       now,
		Lifetime:       time.Duration(req.RefreshTokenLifetime) * time.Minute,
		RevokeUnusedIn: time.Duration(req.RefreshTokenRevokeUnusedIn) * time.Minute,
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.prune(now)
	o.refresh = append(o.refresh, t)
	return *t
}

// newRefreshText makes the secret text of a refresh token.
func (o *tokenOffice) newRefreshText() string {
	text := base64.RawURLEncoding.EncodeToString(secret(48))
	o.remember(text)
	return text
}

// keepIssued is how many tokens are remembered.
const keepIssued = 200

// remember keeps a token for Issued.
func (o *tokenOffice) remember(token string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.issued) == keepIssued {
		o.issued = slices.Delete(o.issued, 0, 1)
	}
	o.issued = append(o.issued, token)
}

// Issued returns the last two hundred tokens and refresh tokens that were issued, good or not, oldest first,
// for tests that search what a client shows.
func (a *Appliance) Issued() []string {
	a.tokens.mu.Lock()
	defer a.tokens.mu.Unlock()
	return slices.Clone(a.tokens.issued)
}

// use accepts a refresh token, or not. With rotate it gives the token a new text.
func (o *tokenOffice) use(text string, rotate bool) (RefreshToken, bool) {
	now := o.clock()
	next := ""
	if rotate {
		next = o.newRefreshText()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.prune(now)
	for _, t := range o.refresh {
		if t.Token == text {
			t.LastUsed = now
			if rotate {
				t.Token = next
			}
			return *t, true
		}
	}
	return RefreshToken{}, false
}

// prune forgets the refresh tokens whose time is over. The caller holds the lock.
func (o *tokenOffice) prune(now time.Time) {
	o.refresh = slices.DeleteFunc(o.refresh, func(t *RefreshToken) bool { return !t.alive(now) })
}

// revoke forgets one refresh token and says whether it was there.
func (o *tokenOffice) revoke(id string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.prune(o.clock())
	before := len(o.refresh)
	o.refresh = slices.DeleteFunc(o.refresh, func(t *RefreshToken) bool { return t.ID == id })
	return len(o.refresh) < before
}

// RefreshTokens returns the refresh tokens that the appliance still accepts, in the order of their issue.
func (a *Appliance) RefreshTokens() []RefreshToken {
	o := a.tokens
	o.mu.Lock()
	defer o.mu.Unlock()
	o.prune(o.clock())
	tokens := make([]RefreshToken, len(o.refresh))
	for i, t := range o.refresh {
		tokens[i] = *t
	}
	return tokens
}

// RevokeRefreshTokens forgets all refresh tokens. Tokens that they gave live on.
func (a *Appliance) RevokeRefreshTokens() {
	a.tokens.mu.Lock()
	defer a.tokens.mu.Unlock()
	a.tokens.refresh = nil
}

// RevokeAllTokens makes every token so far answer 401, as after a restart of the appliance, by
// signing with a new key from now on. Refresh tokens live on.
func (a *Appliance) RevokeAllTokens() {
	key := secret(32)
	a.tokens.mu.Lock()
	defer a.tokens.mu.Unlock()
	a.tokens.key = key
}

// SetPassword changes the password that a login needs. Tokens live on.
func (a *Appliance) SetPassword(password string) {
	a.tokens.mu.Lock()
	defer a.tokens.mu.Unlock()
	a.tokens.password = password
}
