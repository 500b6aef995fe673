package ciphertrust_test

import (
	"strings"
	"testing"

	"cckm_sync_exporter/collector/ciphertrust"
)

func TestParseURL(t *testing.T) {
	for _, test := range []struct{ address, want, problem string }{
		{"https://cm.example.com", "https://cm.example.com", ""},
		{"https://cm.example.com//", "https://cm.example.com", ""},
		{"https://cm.example.com/api/", "https://cm.example.com", ""},
		{"https://cm.example.com/api/v1/", "https://cm.example.com", ""},
		{"  https://cm.example.com\n", "https://cm.example.com", ""},
		{"cm.example.com", "https://cm.example.com", ""},
		{"192.0.2.1:443", "https://192.0.2.1:443", ""},
		{"HTTPS://CM.example.com", "https://CM.example.com", ""},
		{"http://localhost:8080", "http://localhost:8080", ""},
		{"https://cm.example.com:65535", "https://cm.example.com:65535", ""},
		{"https://[2001:db8::1]:8443/api/v1", "https://[2001:db8::1]:8443", ""},
		{"[2001:db8::1]:8443", "https://[2001:db8::1]:8443", ""},
		{"https://gateway.example.com/cm/api/v1/", "https://gateway.example.com/cm", ""},
		{"https://gateway.example.com/my-api", "https://gateway.example.com/my-api", ""},
		// Only as a part of /api/v1 is it the API's own version.
		{"https://gateway.example.com/cm/v1", "https://gateway.example.com/cm/v1", ""},
		{"https://gateway.example.com/api/v1/cm", "https://gateway.example.com/api/v1/cm", ""},

		{"", "", "is empty"},
		{"https://:443", "", "no host"},
		{"/api/v1", "", "no host"},
		{"ftp://cm.example.com", "", `the scheme "ftp"`},
		{"https://user:SECRET@cm.example.com", "", "holds credentials"},
		{"ftp://user:SECRET@cm.example.com", "", "holds credentials"},
		{"https://user:SECRET%zz@cm.example.com", "", "cannot be parsed"},
		{"https://user:SEC RET@cm.example.com", "", "cannot be parsed"},
		{"https://cm.example.com:port", "", "cannot be parsed"},
		{"2001:db8::1", "", "cannot be parsed"},
		{"https://[fe80::1%25en0]:443", "https://[fe80::1%25en0]:443", ""},
		// A zone that no request can have.
		{"[::%25\xc5]", "", "cannot be parsed"},
		{"https:/cm.example.com", "", "one slash"},
		{"https:///cm.example.com", "", "no host"},
		{"https://cm.example.com:0", "", "between 1 and 65535"},
		{"https://cm.example.com:", "", "between 1 and 65535"},
		{"https://cm.example.com/?tenant=SECRET", "", "--ciphertrust.auth-domain"},
		{"https://cm.example.com/#/SECRET", "", "a query or a fragment"},
	} {
		t.Run(test.address, func(t *testing.T) {
			u, err := ciphertrust.ParseURL(test.address)
			if test.problem != "" {
				if err == nil {
					t.Fatalf("got %s, want an error", u)
				}
				wantText(t, err.Error(), test.problem)
				if strings.Contains(err.Error(), "SEC") {
					t.Errorf("the error shows a secret: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if u.String() != test.want {
				t.Errorf("got %s, want %s", u, test.want)
			}
		})
	}
}

// TestCheckScheme checks that a password is sent over a network only with TLS, unless verification is
// turned off.
func TestCheckScheme(t *testing.T) {
	for address, allowed := range map[string]bool{
		"https://cm.example.com": true, "https://10.0.0.1": true,
		"http://localhost": true, "http://LOCALHOST.:8080/cm": true, "http://127.0.0.1": true, "http://127.9.9.9:80": true,
		"http://[::1]:8080": true, "http://[::ffff:127.0.0.1]": true,
		"http://cm.example.com": false, "http://10.0.0.1": false, "http://0.0.0.0": false, "http://[::]": false, "http://127.1": false,
		"http://localhost.example.com": false, "http://127.0.0.1.example.com": false, "http://[::ffff:10.0.0.1]": false,
	} {
		cfg := ciphertrust.Config{URL: address}
		if _, err := ciphertrust.New(cfg); (err == nil) != allowed {
			t.Errorf("%s: %v", address, err)
		} else if !allowed {
			wantText(t, err.Error(), "clear text", "--ciphertrust.insecure-skip-verify")
		}
		cfg.TLS.InsecureSkipVerify = true
		if _, err := ciphertrust.New(cfg); err != nil {
			t.Errorf("%s, not verified: %v", address, err)
		}
	}
}
