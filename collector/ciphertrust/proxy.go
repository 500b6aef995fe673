package ciphertrust

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// Proxy is the proxy for connections to an appliance. The zero value is the one of the environment
// (HTTPS_PROXY, HTTP_PROXY, NO_PROXY).
type Proxy struct {
	// URL is the proxy's URL, which may have a user name and a password; empty means that of the environment.
	URL Secret
	// File is the file that URL is from, which must not be readable for everyone if there is a password;
	// empty if it is from no file.
	File string
	// NoProxy are the hosts to which connections are direct, in the form of NO_PROXY; with URL, empty
	// means none, else those of the environment. If it is not empty, connections to loopback addresses
	// are direct, too, as by NO_PROXY.
	NoProxy string
}

// Check returns an error if an appliance with this URL, which may be nil, cannot be reached through
// the proxy. The error does not quote the proxy's URL, which may have a password.
func (p Proxy) Check(appliance *url.URL, insecureSkipVerify bool) error {
	if p.URL == "" {
		return nil
	}
	u, err := url.Parse(string(p.URL))
	switch {
	case err != nil || !slices.Contains([]string{"http", "https", "socks5"}, u.Scheme) || u.Hostname() == "" || !ValidPort(u):
		return errors.New("it is not a URL with a host and the scheme http, https or socks5")
	case u.Path != "" && u.Path != "/" || strings.ContainsAny(string(p.URL), "?#"):
		return errors.New("it has a path, a query or a fragment, or a character of the password is not percent-encoded")
	case appliance != nil && appliance.Scheme == "http" && !insecureSkipVerify && !isLoopback(u.Hostname()):
		return errors.New("the appliance's URL has the scheme http, which sends the password to the proxy in clear text")
	}
	return nil
}

// function returns the function of a transport that chooses the proxy of a request.
func (p Proxy) function() func(*http.Request) (*url.URL, error) {
	if p == (Proxy{}) {
		return http.ProxyFromEnvironment
	}
	if p.NoProxy == "" {
		return func(*http.Request) (*url.URL, error) { return url.Parse(string(p.URL)) }
	}
	settings := httpproxy.FromEnvironment()
	settings.NoProxy = p.NoProxy
	if p.URL != "" {
		settings.HTTPProxy, settings.HTTPSProxy = string(p.URL), string(p.URL)
	}
	choose := settings.ProxyFunc()
	return func(r *http.Request) (*url.URL, error) { return choose(r.URL) }
}

// password returns the proxy's password; empty if there is none.
func (p Proxy) password() string {
	u, err := url.Parse(cmp.Or(string(p.URL), httpproxy.FromEnvironment().HTTPSProxy))
	if err != nil {
		return ""
	}
	password, _ := u.User.Password()
	return password
}

// errProxyAuth is the error of a connection for which the proxy requires credentials, or other ones.
var errProxyAuth = errors.New("the proxy requires authentication (407)")

// checkProxy returns errProxyAuth if the proxy responds with 407.
func checkProxy(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusProxyAuthRequired {
		return errProxyAuth
	}
	return nil
}
