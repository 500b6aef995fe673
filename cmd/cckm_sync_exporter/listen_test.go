package main

import (
	"strings"
	"testing"
)

// TestListenAddress checks which addresses are valid. They are neither bound nor resolved.
func TestListenAddress(t *testing.T) {
	for address, want := range map[string]string{
		":10458": "", "127.0.0.1:10458": "", "[::1]:10458": "", "[fe80::1%eth0]:10458": "", "exporter.example.com:http": "", ":0": "",
		"vsock://:10458": "", "vsock://2:10458": "",
		"":               "missing port",
		"10458":          "missing port",
		"localhost":      "missing port",
		"::1:10458":      "too many colons",
		":65536":         "not a port number",
		":-1":            "not a port number",
		"nonsense:xx":    "not a port number",
		"http://a:10458": "too many colons",
		"/run/a:10458":   "not a host",
		"vsock://2":      "port of a vsock address",
		"vsock://2:x":    "not a URL",
	} {
		err := validateListenAddress(t.Context(), address)
		if (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got %v, want %q", address, err, want)
		}
	}
}
