package ciphertrust

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// The error of url.Parse quotes the address, which may have a password.
var errUnparsable = errors.New("the appliance's URL cannot be parsed")

// ParseURL parses an appliance's address. It removes a trailing "/", "/api" or "/api/v1", because
// users copy any of them. A missing scheme means https. A path before that stays, because the
// appliance may be behind a gateway. Errors do not quote the address, which may have a secret.
func ParseURL(address string) (*url.URL, error) {
	address = strings.TrimSpace(address)
	if address == "" {
		return nil, errors.New("the appliance's URL is empty")
	}
	switch lower := strings.ToLower(address); {
	case strings.Contains(address, "://"):
	case strings.HasPrefix(lower, "https:/"), strings.HasPrefix(lower, "http:/"):
		return nil, errors.New("the appliance's URL has one slash after its scheme, and needs two")
	default:
		address = "https://" + address
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, errUnparsable
	}
	if err := checkParts(u); err != nil {
		return nil, err
	}
	path := strings.TrimRight(u.Path, "/")
	path, found := strings.CutSuffix(path, "/api/v1")
	if !found {
		path = strings.TrimSuffix(path, "/api")
	}
	u.Path, u.RawPath = strings.TrimRight(path, "/"), ""
	// A request parses the URL again, which fails for some zones of IPv6 addresses that url.Parse takes.
	if _, err := url.Parse(u.String()); err != nil {
		return nil, errUnparsable
	}
	return u, nil
}

// checkParts returns an error unless a URL has a scheme, a host and a path only.
func checkParts(u *url.URL) error {
	switch {
	case u.User != nil:
		return errors.New("the appliance's URL holds credentials, which would show up in logs")
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("the appliance's URL has the scheme %q, only https and http are supported", u.Scheme)
	case u.Host == "" || u.Hostname() == "":
		return errors.New("the appliance's URL has no host")
	case !ValidPort(u):
		return errors.New("the appliance's URL has a port that is not between 1 and 65535")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return errors.New("the appliance's URL has a query or a fragment: " +
			"remove it, and give a tenant as a path in --ciphertrust.auth-domain (/TENANT)")
	}
	return nil
}

// ValidPort reports whether a URL has a valid port, or none.
func ValidPort(u *url.URL) bool {
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && port > 0
}

// CheckScheme returns an error if a login would send the password in clear text over a network. HTTP
// is accepted for this machine, for example for a local proxy, and if certificates are not verified
// anyway.
func CheckScheme(u *url.URL, insecureSkipVerify bool) error {
	if u.Scheme != "http" || insecureSkipVerify || isLoopback(u.Hostname()) {
		return nil
	}
	return errors.New("the appliance's URL has the scheme http, which sends the password in clear text: give https, " +
		"or accept it with --ciphertrust.insecure-skip-verify")
}

// isLoopback reports whether a host is a loopback address or localhost. It does not resolve names.
func isLoopback(host string) bool {
	if strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}
