package config

import (
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/config"
	"go.yaml.in/yaml/v4"
)

// key is a key of a target or of its TLS settings.
type key struct {
	name string
	// flag is the name of the flag with the same meaning; empty if there is none.
	flag string
	read func(r *reader, node *yaml.Node, at place)
	// value is the zero value of the field that is read; nil if the key has a form of its own. The schema
	// is made from it.
	value any
}

// targetKeys returns the table of a target's keys.
func targetKeys() []key {
	return []key{
		{"name", "", (*reader).readName, nil},
		{"url", "ciphertrust.url", (*reader).readURL, nil},
		valueKey("username", "ciphertrust.username", (*reader).optionalText, func(t *Target) *string { return &t.Credentials.Username }),
		valueKey("password_file", "ciphertrust.password-file", (*reader).filename, func(t *Target) *string { return &t.Credentials.PasswordFile }),
		valueKey("domain", "ciphertrust.domain", (*reader).optionalText, func(t *Target) *string { return &t.Credentials.Domain }),
		valueKey("auth_domain", "ciphertrust.auth-domain", (*reader).optionalText, func(t *Target) *string { return &t.Credentials.AuthDomain }),
		valueKey("connection", "ciphertrust.connection", (*reader).optionalText, func(t *Target) *string { return &t.Credentials.Connection }),
		valueKey("client_id", "ciphertrust.client-id", (*reader).optionalText, func(t *Target) *string { return &t.Credentials.ClientID }),
		{"tls_config", "", (*reader).readTLS, nil},
		{"proxy_url", "", (*reader).readProxy, nil},
		valueKey("no_proxy", "", (*reader).hosts, func(t *Target) *string { return &t.Proxy.NoProxy }),
		{"collectors", "collector.disable-defaults", (*reader).readCollectors, nil},
		{"labels", "", (*reader).readLabels, nil},
		valueKey("page_size", "collector.page-size", (*reader).number, func(t *Target) *int { return &t.PageSize }),
		valueKey("concurrency", "collector.concurrency", (*reader).number, func(t *Target) *int { return &t.Concurrency }),
		valueKey("timeout", "collector.timeout", (*reader).duration, func(t *Target) *time.Duration { return &t.Timeout }),
		valueKey("timeout_offset", "collector.timeout-offset", (*reader).duration, func(t *Target) *time.Duration { return &t.TimeoutOffset }),
		valueKey("min_interval", "collector.min-interval", (*reader).duration, func(t *Target) *time.Duration { return &t.MinInterval }),
		valueKey("full_read_interval", "collector.full-read-interval", (*reader).duration, func(t *Target) *time.Duration { return &t.FullReadInterval }),
		valueKey("full_read_timeout", "collector.full-read-timeout", (*reader).duration, func(t *Target) *time.Duration { return &t.FullReadTimeout }),
		valueKey("forget_scopes_after", "collector.forget-scopes-after", (*reader).duration, func(t *Target) *time.Duration { return &t.ForgetScopesAfter }),
	}
}

// tlsKeys returns the table of tls_config's keys: those of Prometheus' tls_config that need no secret
// in the file.
func tlsKeys() []key {
	return []key{
		valueKey("ca_file", "ciphertrust.ca-file", (*reader).filename, func(t *Target) *string { return &t.TLS.CAFile }),
		valueKey("cert_file", "ciphertrust.cert-file", (*reader).filename, func(t *Target) *string { return &t.TLS.CertFile }),
		valueKey("key_file", "ciphertrust.key-file", (*reader).filename, func(t *Target) *string { return &t.TLS.KeyFile }),
		valueKey("server_name", "ciphertrust.server-name", (*reader).optionalText, func(t *Target) *string { return &t.TLS.ServerName }),
		valueKey("insecure_skip_verify", "ciphertrust.insecure-skip-verify", (*reader).truth, func(t *Target) *bool { return &t.TLS.InsecureSkipVerify }),
		valueKey("min_version", "", (*reader).version, func(t *Target) *config.TLSVersion { return &t.TLS.MinVersion }),
		valueKey("max_version", "", (*reader).version, func(t *Target) *config.TLSVersion { return &t.TLS.MaxVersion }),
	}
}

// keyOfFlag returns the key with the same meaning as a flag, with the prefix tls_config if it is
// below that.
func keyOfFlag(flag string) (string, bool) {
	for _, k := range targetKeys() {
		if k.flag == flag {
			return k.name, true
		}
	}
	for _, k := range tlsKeys() {
		if k.flag == flag {
			return "tls_config." + k.name, true
		}
	}
	return "", false
}

// FlagOfKey returns the flag with the same meaning as a key, with its dashes.
func FlagOfKey(name string) string {
	for _, k := range slices.Concat(targetKeys(), tlsKeys()) {
		if k.name == strings.TrimPrefix(name, "tls_config.") {
			return "--" + k.flag
		}
	}
	return ""
}

// names returns the names of keys, sorted.
func names(keys []key) []string {
	all := make([]string, 0, len(keys))
	for _, k := range keys {
		all = append(all, k.name)
	}
	slices.Sort(all)
	return all
}

// valueKey is a key whose value is read into a field of the target.
func valueKey[T any](name, flag string, read func(*reader, *yaml.Node, place) (T, bool), field func(*Target) *T) key {
	return key{name, flag, func(r *reader, node *yaml.Node, at place) {
		if value, ok := read(r, node, at); ok {
			*field(&r.target) = value
		}
	}, *new(T)}
}
