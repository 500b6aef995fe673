package config_test

import (
	"testing"

	"cckm_sync_exporter/collector/config"
)

// TestHint checks the words of hints for a target from a file.
func TestHint(t *testing.T) {
	for hint, want := range map[string]string{
		"":                             "",
		"check the appliance's health": "check the appliance's health",
		"check --ciphertrust.url, firewalls and proxies":                   "check url, firewalls and proxies (targets.yml:5)",
		"give it in --ciphertrust.ca-file":                                 "give it in tls_config.ca_file (targets.yml:5)",
		"the password (--ciphertrust.password-file or CM_PASSWORD) is old": "the password (password_file) is old (targets.yml:5)",
		"raise scrape_timeout and --collector.timeout; it is short":        "raise scrape_timeout and timeout; it is short (targets.yml:5)",
		"turn it off (--no-collector.google-keys)":                         "turn it off (collectors without google-keys) (targets.yml:5)",
		"turn on --collector.azure-keys":                                   "turn on collectors with azure-keys (targets.yml:5)",
		"--collector.full-read-interval=0s turns it off":                   "full_read_interval: 0s turns it off (targets.yml:5)",
		"give the password (HTTPS_PROXY), or set NO_PROXY":                 "give the password (proxy_url or HTTPS_PROXY), or set no_proxy or NO_PROXY (targets.yml:5)",
		"end with --ciphertrust.server-name.":                              "end with tls_config.server_name. (targets.yml:5)",
	} {
		target := config.Target{Source: "targets.yml:5"}
		if got := target.Hint(hint); got != want {
			t.Errorf("%q: got %q, want %q", hint, got, want)
		}
		if got := new(config.Target).Hint(hint); got != hint {
			t.Errorf("without a file, %q becomes %q", hint, got)
		}
	}
}
