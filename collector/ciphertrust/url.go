package ciphertrust

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// ParseURL reads an appliance's address. A trailing "/", "/api" or "/api/v1" is
// dropped, because users copy any of them, and a missing scheme means https. A
// path before that stays: the appliance may stand behind a gateway.
func ParseURL(address string) (*url.URL, error) {
	address = strings.TrimSpace(address)
	if address == "" {
		return nil, errors.New("the appliance's URL is empty")
	}
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := url.Parse(address)
	if err != nil {
		// The error of url.Parse repeats the address, which may hold a password.
		return nil, errors.New("the appliance's URL cannot be parsed")
	}
	switch {
	case u.User != nil:
		return nil, errors.New("the appliance's URL holds credentials, which would show up in logs")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("the appliance's URL has the scheme %q, only https (or http) can be spoken", u.Scheme)
	case u.Host == "" || u.Hostname() == "":
		return nil, errors.New("the appliance's URL has no host")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("the appliance's URL has a query or a fragment")
	}
	path := strings.TrimRight(u.Path, "/")
	path, found := strings.CutSuffix(path, "/api/v1")
	if !found {
		path = strings.TrimSuffix(path, "/api")
	}
	u.Path, u.RawPath = strings.TrimRight(path, "/"), ""
	return u, nil
}
