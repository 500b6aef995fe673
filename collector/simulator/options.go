package simulator

import "time"

// Defaults of [Options].
const (
	DefaultUsername      = "prometheus"
	DefaultPassword      = "demo-password"
	DefaultTokenLifetime = 300 * time.Second
	DefaultRequestLog    = 10_000
)

// RootDomain is the domain that a login without a domain reaches, and that every appliance has.
const RootDomain = "root"

// Options say what an [Appliance] is like when it starts. The zero value is usable.
type Options struct {
	// Clock returns the time for tokens, jobs and the header Date, and may be called from several goroutines at once.
	// The default is time.Now. Certificates and latency always use real time.
	Clock func() time.Time

	// Username and Password are what a password login needs.
	// The defaults are DefaultUsername and DefaultPassword.
	Username string
	Password string

	// Domains are the names that a login may give as its domain, besides RootDomain.
	// Each domain has lists of its own, as jobs belong to one domain.
	Domains []string

	// ClientID is what a login by client certificate must name. While it is empty,
	// every such login is refused.
	ClientID string

	// TokenLifetime is how long a token lives, in whole seconds. The default is DefaultTokenLifetime.
	TokenLifetime time.Duration

	// RotateRefreshTokens replaces the refresh token at each refresh and forgets the old one.
	// By default it stays the same. No public source says which of the two an appliance does.
	RotateRefreshTokens bool

	// Kinds are the lists that exist. The default is Google keys and Azure certificates.
	Kinds []Kind

	// Seed makes identifiers reproducible: the same seed and the same sequence of calls give the same
	// ones. Keys and refresh tokens never repeat.
	Seed uint64

	// RequestLog is how many requests at least are remembered for Requests; older ones are
	// forgotten, so that a demo can run for months. The default is DefaultRequestLog.
	RequestLog int
}

// withDefaults fills what was left out.
func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Username == "" {
		o.Username = DefaultUsername
	}
	if o.Password == "" {
		o.Password = DefaultPassword
	}
	if o.TokenLifetime <= 0 {
		o.TokenLifetime = DefaultTokenLifetime
	}
	if o.Kinds == nil {
		o.Kinds = []Kind{mustKind(GoogleKeys), mustKind(AzureCertificates)}
	}
	if o.RequestLog <= 0 {
		o.RequestLog = DefaultRequestLog
	}
	return o
}
