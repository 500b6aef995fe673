package config_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	promconfig "github.com/prometheus/common/config"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/config"
	"cckm_sync_exporter/collector/syncjob"
)

// load reads a configuration that has to be good.
func load(t *testing.T, path, content string) []config.Target {
	t.Helper()
	write(t, path, []byte(content))
	targets, err := config.Load(path, defaults())
	if err != nil {
		t.Fatal(err)
	}
	// A target's place in the file is not a setting.
	for i := range targets {
		if !strings.HasPrefix(targets[i].Source, path+":") {
			t.Errorf("target %s has the source %q", targets[i].Name, targets[i].Source)
		}
		targets[i].Source = ""
	}
	return targets
}

// lists returns the lists of those names, in that order.
func lists(t *testing.T, names ...string) []syncjob.List {
	t.Helper()
	var chosen []syncjob.List
	for _, name := range names {
		for _, list := range syncjob.Lists() {
			if list.Name == name {
				chosen = append(chosen, list)
			}
		}
	}
	if len(chosen) != len(names) {
		t.Fatalf("%d lists for %q", len(chosen), names)
	}
	return chosen
}

// everything sets every key, in two targets, with the smallest and the largest values.
const everything = `
targets:
  - name: Prod.eu-1_a
    url: cm-eu.example.com:8443/api/
    username: "007"
    password_file: password
    domain: $root
    auth_domain: /tenant
    connection: ldap
    collectors: [luna-keys, google-keys]
    tls_config:
      ca_file: ca.pem
      server_name: cm
      insecure_skip_verify: true
      min_version: TLS12
      max_version: TLS13
    proxy_url: http://u:p%40ss@proxy.example.com:3128
    no_proxy: .example.org, 10.0.0.0/8
    labels: {region: eu, tier: 1, version: 1.10, on: true, _x: "a b"}
    page_size: 2
    concurrency: 64
    timeout: 1m30s
    timeout_offset: 0s
    min_interval: 0.5s
    full_read_interval: 0
    full_read_timeout: 1m
    forget_scopes_after: 90d
  - name: "2345678901234567890123456789012345678901234567890123456789012345"
    url: http://localhost/cm
    client_id: exporter
    tls_config: {cert_file: sub/../cert.pem, key_file: key.pem}
    labels: {}
    concurrency: 1
    timeout: 1ns
`

// TestEverything sets every key. Paths are relative to the file's directory.
func TestEverything(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir)
	file := func(name string) string { return filepath.Join(dir, name) }
	got := load(t, file("config.yml"), everything)
	reading := defaults().Reading
	reading.Concurrency, reading.Timeout = 1, 1
	want := []config.Target{
		{
			Name: "Prod.eu-1_a", URL: "https://cm-eu.example.com:8443",
			Credentials: ciphertrust.Credentials{
				Username: "007", PasswordFile: file("password"),
				Domain: "$root", AuthDomain: "/tenant", Connection: "ldap",
			},
			TLS: ciphertrust.TLSConfig{
				CAFile: file("ca.pem"), ServerName: "cm", InsecureSkipVerify: true,
				MinVersion: promconfig.TLSVersion(tls.VersionTLS12), MaxVersion: promconfig.TLSVersion(tls.VersionTLS13),
			},
			Proxy:  ciphertrust.Proxy{URL: "http://u:p%40ss@proxy.example.com:3128", NoProxy: ".example.org, 10.0.0.0/8", File: file("config.yml")},
			Lists:  lists(t, "google-keys", "luna-keys"),
			Labels: map[string]string{"region": "eu", "tier": "1", "version": "1.10", "on": "true", "_x": "a b"},
			Reading: config.Reading{
				PageSize: 2, Concurrency: 64, Timeout: 90 * time.Second,
				FullReadTimeout: time.Minute, MinInterval: 500 * time.Millisecond, ForgetScopesAfter: 90 * 24 * time.Hour,
			},
		},
		{
			Name: "2345678901234567890123456789012345678901234567890123456789012345", URL: "http://localhost/cm",
			Credentials: ciphertrust.Credentials{ClientID: "exporter"},
			TLS:         ciphertrust.TLSConfig{CertFile: file("cert.pem"), KeyFile: file("key.pem")},
			Lists:       defaults().Lists,
			Reading:     reading,
		},
	}
	if !reflect.DeepEqual(want, got) {
		t.Error(cmp.Diff(want, got))
	}

	// A second read returns equal targets, so that a reload keeps them.
	again := load(t, file("config.yml"), everything)
	if !reflect.DeepEqual(got, again) {
		t.Error(cmp.Diff(got, again))
	}
	other := load(t, file("config.yml"), strings.Replace(everything, "region: eu", "region: us", 1))
	if reflect.DeepEqual(got[0], other[0]) || !reflect.DeepEqual(got[1], other[1]) {
		t.Error("a change of the first target does not change the first alone")
	}
	// Changes to one result do not affect another.
	got[1].Lists[0].Name = "changed"
	if reflect.DeepEqual(got[1], again[1]) {
		t.Error("two readings share their lists")
	}
}

// TestDefaults checks that targets do not share lists.
func TestDefaults(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir)
	d := defaults()
	path := filepath.Join(dir, "config.yml")
	const target = "  - {name: %s, url: cm, username: u, password_file: password}\n"
	write(t, path, []byte("targets:\n"+fmt.Sprintf(target, "a")+fmt.Sprintf(target, "b")))
	targets, err := config.Load(path, d)
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range targets {
		if !reflect.DeepEqual(target.Lists, d.Lists) || target.Reading != d.Reading || target.Labels != nil {
			t.Errorf("%s has %v, %+v, %v", target.Name, target.Lists, target.Reading, target.Labels)
		}
	}
	targets[0].Lists[0].Name = "changed"
	if targets[1].Lists[0].Name == "changed" || d.Lists[0].Name == "changed" {
		t.Error("targets share their lists with others")
	}
}

// TestForms checks that equivalent forms of YAML give the same targets.
func TestForms(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir)
	path := filepath.Join(dir, "config.yml")
	want := load(t, path, `
targets:
  - {name: a, url: cm-a, username: u, password_file: password, labels: {region: eu, tier: x}, timeout: 5s}
  - {name: b, url: cm-b, username: u, password_file: password, labels: {region: us, tier: x}, timeout: 5s}
`)
	for name, content := range map[string]string{
		"JSON": `{"targets": [
			{"name": "a", "url": "cm-a", "username": "u", "password_file": "password", "labels": {"region": "eu", "tier": "x"}, "timeout": "5s"},
			{"name": "b", "url": "cm-b", "username": "u", "password_file": "password", "labels": {"region": "us", "tier": "x"}, "timeout": "5s"}]}`,
		"merged": `
targets:
  - &a {name: a, url: cm-a, username: u, password_file: password, labels: &l {region: eu, tier: x}, timeout: 5s}
  - {<<: *a, name: b, url: cm-b, labels: {region: us, <<: *l}}
`,
		"merged from several": `
targets:
  - {<<: [{username: &u u, timeout: &t 5s}, {username: nobody, password_file: &p password}], name: a, url: cm-a, labels: {region: eu, tier: x}}
  - {username: *u, password_file: *p, name: b, url: cm-b, timeout: *t, labels: {region: us, tier: x}}
`,
		"merged within a merge": `
targets:
  - &a {<<: &c {username: u, name: c, timeout: 5s}, name: a, url: cm-a, password_file: password, labels: {region: eu, tier: x}}
  - {<<: {<<: *c, password_file: password, name: d}, name: b, url: cm-b, labels: {region: us, tier: x}}
`,
		"a byte order mark, a marker and Windows' ends of lines": "\ufeff---\r\n" +
			"targets:\r\n" +
			"  - {name: a, url: cm-a, username: u, password_file: password, labels: {region: eu, tier: x}, timeout: 5s}\r\n" +
			"  - {name: b, url: cm-b, username: u, password_file: password, labels: {region: us, tier: x}, timeout: 5s}\r\n...\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			got := load(t, path, content)
			if !reflect.DeepEqual(want, got) {
				t.Error(cmp.Diff(want, got))
			}
		})
	}
}

// TestBytes checks the messages of files that are not text.
func TestBytes(t *testing.T) {
	t.Chdir(t.TempDir())
	for content, want := range map[string]string{
		"\xff\xfet\x00":                    "config.yml:1: is in UTF-16; save the file as UTF-8",
		"\xfe\xff\x00t":                    "config.yml:1: is in UTF-16; save the file as UTF-8",
		"targets:\n  - name: K\xf6ln\n":    "config.yml:2: the byte 0xF6 is not UTF-8; save the file as UTF-8",
		"targets:\n\n  - name: a\x00b\n":   "config.yml:3: the character U+0000 is not allowed in YAML; remove it",
		"targets:\n  - name: \"\x1b[1m\"":  "config.yml:2: the character U+001B is not allowed in YAML; remove it",
		"targets: \uFFFE\n":                "config.yml:1: the character U+FFFE is not allowed in YAML; remove it",
		"# a\n\ufefftargets:\n":            `config.yml:2: "\ufefftargets": unknown key; allowed here is only targets` + "\n" + `config.yml:2: the key targets is missing: a file begins with the key targets, under which there is a list of mappings with name and url`,
		strings.Repeat("#\n", 1<<19) + "#": "config.yml: is larger than 1 MiB: give a file with a list of targets",
	} {
		write(t, "config.yml", []byte(content))
		_, err := config.Load("config.yml", defaults())
		if err == nil || err.Error() != want {
			t.Errorf("%.20q: got %v\nwant %s", content, err, want)
		}
	}
}

// TestNoFile checks the errors if the file itself cannot be read.
func TestNoFile(t *testing.T) {
	t.Chdir(t.TempDir())
	_, err := config.Load("none.yml", defaults())
	const want = "none.yml: cannot be read: no such file or directory; give a file that exists and that this user may read"
	if err == nil || err.Error() != want || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := os.Mkdir("dir", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err = config.Load("dir", defaults()); err == nil || !strings.HasPrefix(err.Error(), "dir: cannot be read: ") {
		t.Errorf("a directory: got %v", err)
	}
}

// TestFormat checks that no verb of fmt shows the credentials.
func TestFormat(t *testing.T) {
	target := config.Target{
		Name: "prod-eu", URL: "https://cm.example.com",
		Credentials: ciphertrust.Credentials{Username: "user", Password: secret, ClientID: "client"},
		TLS:         ciphertrust.TLSConfig{Key: secret},
		Labels:      map[string]string{"region": "eu"},
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		const want = "target prod-eu at https://cm.example.com"
		if got := fmt.Sprintf(verb, target); got != want {
			t.Errorf("%s shows %s", verb, got)
		}
		for _, value := range []any{&target, []config.Target{target}, map[string]config.Target{"a": target}, struct{ T *config.Target }{&target}, struct{ T config.Target }{target}} {
			if got := fmt.Sprintf(verb, value); strings.Contains(got, secret) {
				t.Errorf("%s of %T shows %s", verb, value, got)
			}
		}
	}
}
