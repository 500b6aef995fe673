package simulator

import (
	"cmp"
	"time"
)

// Defaults of [Options].
const (
	DefaultUsername      = "prometheus"
	DefaultPassword      = "demo-password"
	DefaultTokenLifetime = 300 * time.Second
)

// RootDomain is the domain that every appliance has. A login without a domain reaches it.
const RootDomain = "root"

// Options configure an [Appliance]. The zero value is usable.
type Options struct {
	// Clock returns the time for tokens, jobs and the header Date; several goroutines call it at once.
	// The default is time.Now. Certificates and latency always use real time.
	Clock func() time.Time

	// Username and Password are what a password login needs. The defaults are DefaultUsername and
	// DefaultPassword.
	Username string
	Password string

	// Domains are the domains besides RootDomain. Each has its own lists.
	Domains []string

	// ClientID is what a login by client certificate must name. If it is empty, all such logins are
	// refused.
	ClientID string

	// TokenLifetime is how long a token is valid, in whole seconds. The default is
	// DefaultTokenLifetime.
	TokenLifetime time.Duration

	// RotateRefreshTokens replaces the refresh token at each refresh. By default it stays the same. No
	// public source says which of the two an appliance does.
	RotateRefreshTokens bool

	// Kinds are the lists. The default is Google keys and Azure certificates.
	Kinds []Kind

	// Seed decides the jobs of histories and the ids of domains.
	Seed uint64
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	o.Username = cmp.Or(o.Username, DefaultUsername)
	o.Password = cmp.Or(o.Password, DefaultPassword)
	o.TokenLifetime = cmp.Or(o.TokenLifetime, DefaultTokenLifetime)
	if o.Kinds == nil {
		o.Kinds = AllKinds()[:2]
	}
	return o
}
