package config

import (
	"maps"
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
}

// targetKeys returns the table of a target's keys.
func targetKeys() []key {
	return []key{
		{"name", "", (*reader).readName},
		{"url", "ciphertrust.url", (*reader).readURL},
		textKey("username", "ciphertrust.username", func(t *Target) *string { return &t.Credentials.Username }),
		fileKey("password_file", "ciphertrust.password-file", func(t *Target) *string { return &t.Credentials.PasswordFile }),
		textKey("domain", "ciphertrust.domain", func(t *Target) *string { return &t.Credentials.Domain }),
		textKey("auth_domain", "ciphertrust.auth-domain", func(t *Target) *string { return &t.Credentials.AuthDomain }),
		textKey("connection", "ciphertrust.connection", func(t *Target) *string { return &t.Credentials.Connection }),
		textKey("client_id", "ciphertrust.client-id", func(t *Target) *string { return &t.Credentials.ClientID }),
		{"tls_config", "", (*reader).readTLS},
		{"collectors", "collector.disable-defaults", (*reader).readCollectors},
		{"labels", "", (*reader).readLabels},
		numberKey("page_size", "collector.page-size", func(t *Target) *int { return &t.PageSize }),
		numberKey("concurrency", "collector.concurrency", func(t *Target) *int { return &t.Concurrency }),
		durationKey("timeout", "collector.timeout", func(t *Target) *time.Duration { return &t.Timeout }),
		durationKey("timeout_offset", "collector.timeout-offset", func(t *Target) *time.Duration { return &t.TimeoutOffset }),
		durationKey("min_interval", "collector.min-interval", func(t *Target) *time.Duration { return &t.MinInterval }),
		durationKey("full_read_interval", "collector.full-read-interval", func(t *Target) *time.Duration { return &t.FullReadInterval }),
		durationKey("full_read_timeout", "collector.full-read-timeout", func(t *Target) *time.Duration { return &t.FullReadTimeout }),
		durationKey("forget_scopes_after", "collector.forget-scopes-after", func(t *Target) *time.Duration { return &t.ForgetScopesAfter }),
	}
}

// tlsKeys returns the table of tls_config's keys: those of Prometheus' tls_config that need no secret
// in the file.
func tlsKeys() []key {
	return []key{
		fileKey("ca_file", "ciphertrust.ca-file", func(t *Target) *string { return &t.TLS.CAFile }),
		fileKey("cert_file", "ciphertrust.cert-file", func(t *Target) *string { return &t.TLS.CertFile }),
		fileKey("key_file", "ciphertrust.key-file", func(t *Target) *string { return &t.TLS.KeyFile }),
		textKey("server_name", "ciphertrust.server-name", func(t *Target) *string { return &t.TLS.ServerName }),
		{"insecure_skip_verify", "ciphertrust.insecure-skip-verify", func(r *reader, node *yaml.Node, at place) {
			r.target.TLS.InsecureSkipVerify, _ = r.truth(node, at)
		}},
		versionKey("min_version", func(t *Target) *config.TLSVersion { return &t.TLS.MinVersion }),
		versionKey("max_version", func(t *Target) *config.TLSVersion { return &t.TLS.MaxVersion }),
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

func textKey(name, flag string, field func(*Target) *string) key {
	return key{name, flag, func(r *reader, node *yaml.Node, at place) {
		*field(&r.target), _ = r.text(node, at, "a text"+orNone)
	}}
}

func fileKey(name, flag string, field func(*Target) *string) key {
	return key{name, flag, func(r *reader, node *yaml.Node, at place) {
		*field(&r.target), _ = r.filename(node, at)
	}}
}

func numberKey(name, flag string, field func(*Target) *int) key {
	return key{name, flag, func(r *reader, node *yaml.Node, at place) {
		if value, ok := r.number(node, at); ok {
			*field(&r.target) = value
		}
	}}
}

func durationKey(name, flag string, field func(*Target) *time.Duration) key {
	return key{name, flag, func(r *reader, node *yaml.Node, at place) {
		if value, ok := r.duration(node, at); ok {
			*field(&r.target) = value
		}
	}}
}

// versionKey reads a TLS version by Prometheus' name for it.
func versionKey(name string, field func(*Target) *config.TLSVersion) key {
	return key{name, "", func(r *reader, node *yaml.Node, at place) {
		wanted := "one of " + strings.Join(slices.Sorted(maps.Keys(config.TLSVersions)), ", ")
		text, ok := r.text(node, at, wanted)
		if !ok {
			return
		}
		version, ok := config.TLSVersions[text]
		if !ok {
			r.addf(at, "is %s: give %s", quoted(text), wanted)
			return
		}
		*field(&r.target) = version
	}}
}
