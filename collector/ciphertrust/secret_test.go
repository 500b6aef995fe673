package ciphertrust_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/simulator"
)

// TestSecretIsNeverPrinted prints secrets in every way that Go has, alone and within other values.
func TestSecretIsNeverPrinted(t *testing.T) {
	s := ciphertrust.Secret(password)
	credentials := ciphertrust.Credentials{Username: "u", Password: s}
	values := map[string]any{
		"secret": s, "pointer": &s, "credentials": credentials, "pointer to credentials": &credentials,
		"configuration": ciphertrust.Config{Credentials: credentials},
		"slice":         []ciphertrust.Secret{s}, "map": map[ciphertrust.Secret]ciphertrust.Secret{s: s},
	}
	for name, value := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%#q", "%d", "%t", "%T", "%10.3s", "%U", "%c", "%z"} {
			wantRedacted(t, name+" by "+verb, fmt.Sprintf(verb, value))
		}
	}
	wantRedacted(t, "Sprint", fmt.Sprint(s, credentials))
	wantRedacted(t, "String", s.String())
	wantRedacted(t, "GoString", s.GoString())
	wantRedacted(t, "error", errors.Join(fmt.Errorf("%w for %s", errors.New("no"), s)).Error())
	for _, value := range []any{s, &credentials} {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		wantRedacted(t, "JSON", string(text))
	}
}

// wantRedacted fails where a text shows a secret, be it as hexadecimal digits.
func wantRedacted(t *testing.T, what, text string) {
	t.Helper()
	for _, shown := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), fmt.Sprintf("% x", secret)} {
		if strings.Contains(text, shown) {
			t.Errorf("%s shows %q", what, text)
		}
	}
}

// TestClientIsNeverPrinted prints a client that is logged in, with all that it
// knows by then.
func TestClientIsNeverPrinted(t *testing.T) {
	h, _ := overTLS(t, simulator.Options{}, nil)
	h.mustGet()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		_, _ = fmt.Fprintf(h, verb, h.client)
	}
}
