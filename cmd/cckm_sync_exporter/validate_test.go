package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cckm_sync_exporter/collector/config"
	"cckm_sync_exporter/collector/simulator"
)

// TestValidate checks that the error about a wrong or missing setting is one sentence that names the flag
// and what to do.
func TestValidate(t *testing.T) {
	dir := t.TempDir()
	password := write(t, dir, "password", "secret-1\n")
	cert, key := clientCertificate(t, dir)
	tests := []struct {
		name string
		// args replace or extend those of a complete command line.
		args []string
		env  map[string]string
		// want are parts of the error. If there are none, there is no error.
		want []string
	}{
		{name: "complete"},
		{name: "no URL", args: []string{"--ciphertrust.url="}, want: []string{"--ciphertrust.url is missing", "CM_ADDRESS"}},
		{name: "URL from the environment", env: map[string]string{"CM_ADDRESS": "cm.example.com"}},
		{
			name: "URL with credentials", args: []string{"--ciphertrust.url=https://user:secret-2@cm.example.com"},
			want: []string{"--ciphertrust.url is wrong", "credentials"},
		},
		{
			name: "URL in clear text", args: []string{"--ciphertrust.url=http://10.0.0.1"},
			want: []string{"--ciphertrust.url is refused", "clear text", "--ciphertrust.insecure-skip-verify"},
		},
		{name: "URL in clear text, accepted", args: []string{"--ciphertrust.url=http://10.0.0.1", "--ciphertrust.insecure-skip-verify"}},
		{
			name: "URL with a tenant", args: []string{"--ciphertrust.url=https://cm/?tenant=x"},
			want: []string{"--ciphertrust.url is wrong", "--ciphertrust.auth-domain"},
		},
		{name: "no user", args: []string{"--ciphertrust.username="}, want: []string{"--ciphertrust.username is missing", "CM_USERNAME"}},
		{name: "no password", args: []string{"--ciphertrust.password-file="}, want: []string{"--ciphertrust.password-file is missing", "CM_PASSWORD"}},
		{name: "password from the environment", args: []string{"--ciphertrust.password-file="}, env: map[string]string{"CM_PASSWORD": "secret-1"}},
		{
			name: "password file that is not there", args: []string{"--ciphertrust.password-file=secret-1"},
			want: []string{"--ciphertrust.password-file cannot be read", "no such file"},
		},
		{
			name: "password in Latin-1", args: []string{"--ciphertrust.password-file="}, env: map[string]string{"CM_PASSWORD": "secret-\xe4"},
			want: []string{"CM_PASSWORD cannot be used", "is not encoded in UTF-8", "--ciphertrust.password-file"},
		},
		{name: "certificate without key", args: []string{"--ciphertrust.cert-file=" + password}, want: []string{"--ciphertrust.key-file", "give both"}},
		{name: "client id without certificate", args: []string{"--ciphertrust.client-id=c"}, want: []string{"--ciphertrust.client-id", "--ciphertrust.cert-file"}},
		{
			name: "client id with certificate",
			args: []string{"--ciphertrust.client-id=c", "--ciphertrust.username=", "--ciphertrust.cert-file=" + cert, "--ciphertrust.key-file=" + key},
		},
		{
			name: "certificate that is not PEM", args: []string{"--ciphertrust.cert-file=" + password, "--ciphertrust.key-file=" + key},
			want: []string{"--ciphertrust.cert-file cannot be used", "PEM"},
		},
		{name: "auto-reload without a file", args: []string{"--config.enable-auto-reload"}, want: []string{"--config.enable-auto-reload", "without --config.file"}},
		{name: "no list", args: []string{"--collector.disable-defaults"}, want: []string{"no list is enabled", "--collector.google-keys"}},
		{
			name: "one list by the environment", args: []string{"--collector.disable-defaults"},
			env: map[string]string{"CCKM_SYNC_EXPORTER_COLLECTOR_AWS_KEYS": "true"},
		},
		{name: "page size", args: []string{"--collector.page-size=1"}, want: []string{"--collector.page-size is 1", "at least 2"}},
		{name: "forget", args: []string{"--collector.forget-scopes-after=-1s"}, want: []string{"--collector.forget-scopes-after is -1s"}},
		{name: "telemetry path", args: []string{"--web.telemetry-path=metrics"}, want: []string{`--web.telemetry-path is "metrics"`}},
		{name: "telemetry path of a probe", args: []string{"--web.telemetry-path=/-/ready"}, want: []string{"--web.telemetry-path"}},
		{name: "telemetry path of a runbook", args: []string{"--web.telemetry-path=/runbooks/x"}, want: []string{"--web.telemetry-path"}},
		{name: "telemetry path above the root", args: []string{"--web.telemetry-path=/.."}, want: []string{`--web.telemetry-path is "/.."`}},
		{name: "telemetry path at the root", args: []string{"--web.telemetry-path=/"}},
		{name: "external URL", args: []string{"--web.external-url=https://monitoring.example.com/cckm/"}},
		{name: "no external URL", args: []string{"--web.external-url="}},
		{name: "relative external URL", args: []string{"--web.external-url=/cckm"}, want: []string{"--web.external-url is not an absolute http or https URL"}},
		{name: "external URL without a scheme", args: []string{"--web.external-url=cckm.example.com:10458"}, want: []string{"--web.external-url is not"}},
		{name: "external URL of a file", args: []string{"--web.external-url=file:///cckm"}, want: []string{"--web.external-url is not"}},
		{name: "external URL with a user", args: []string{"--web.external-url=https://u:secret-3@x.example.com"}, want: []string{"without user"}},
		{name: "external URL that cannot be parsed", args: []string{"--web.external-url=https://u:secret-3@x y"}, want: []string{"without user"}},
		{name: "external URL with an impossible port", args: []string{"--web.external-url=https://x.example.com:99999/"}, want: []string{"--web.external-url is not"}},
		{name: "external URL with an empty port", args: []string{"--web.external-url=https://x.example.com:"}, want: []string{"--web.external-url is not"}},
		{name: "external URL with a query", args: []string{"--web.external-url=https://x.example.com/?"}, want: []string{"query"}},
		{name: "external URL with a fragment", args: []string{"--web.external-url=https://x.example.com/#"}, want: []string{"fragment"}},
		{name: "external URL with dots", args: []string{"--web.external-url=https://x.example.com/a/../b"}, want: []string{"--web.external-url has a path"}},
		{name: "max requests", args: []string{"--web.max-requests=-1"}, want: []string{"--web.max-requests is -1"}},
		{name: "not a duration", args: []string{"--collector.timeout=soon"}, want: []string{"--collector.timeout", "soon", "30s", "--help"}},
		{name: "not a number", args: []string{"--collector.page-size=many"}, want: []string{"--collector.page-size", `"many": invalid syntax`, "--help"}},
		{
			name: "not a boolean in the environment", env: map[string]string{"CCKM_SYNC_EXPORTER_COLLECTOR_AWS_KEYS": "maybe"},
			want: []string{"--collector.aws-keys", `"maybe"`, "--help"},
		},
		{name: "not a level", args: []string{"--log.level=loud"}, want: []string{"--log.level", "loud", "--help"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for name, value := range test.env {
				t.Setenv(name, value)
			}
			// A flag that is given twice is an error, so the test's own replaces the complete one.
			args, complete := slices.Clone(test.args), []string{"--ciphertrust.username=prometheus", "--ciphertrust.password-file=" + password}
			if test.env["CM_ADDRESS"] == "" {
				complete = append(complete, "--ciphertrust.url=https://cm.example.com")
			}
			for _, arg := range complete {
				flag, _, _ := strings.Cut(arg, "=")
				if !slices.ContainsFunc(args, func(given string) bool { return strings.HasPrefix(given, flag+"=") }) {
					args = append(args, arg)
				}
			}
			_, s, err := parse(args)
			if err == nil {
				err = s.validate()
			}
			if len(test.want) == 0 {
				if err != nil {
					t.Errorf("a good command line: %v", err)
				}
				return
			}
			if err == nil {
				t.Fatalf("no error, want %q", test.want)
			}
			text := err.Error()
			for _, want := range test.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q lacks %q", text, want)
				}
			}
			if strings.Contains(text, "\n") || strings.Contains(text, "secret-") {
				t.Errorf("the error is more than a sentence, or has a secret: %q", text)
			}
		})
	}
}

// write writes a file and returns its path.
func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	replace(t, path, []byte(content))
	return path
}

// clientCertificate writes a certificate and its key, and returns their paths.
func clientCertificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	server, err := simulator.New(simulator.Options{}).StartTLS()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	certPEM, keyPEM, err := server.ClientCertificate("client")
	if err != nil {
		t.Fatal(err)
	}
	return write(t, dir, "cert.pem", string(certPEM)), write(t, dir, "key.pem", string(keyPEM))
}

// TestFlagsHaveKeys checks that a hint with a flag of an appliance becomes one with a key that a
// configuration file accepts.
func TestFlagsHaveKeys(t *testing.T) {
	app, _ := newApp()
	dir, target := t.TempDir(), config.Target{Source: "targets.yml:2"}
	for _, flag := range app.Model().Flags {
		if !strings.HasPrefix(flag.Name, "ciphertrust.") && !strings.HasPrefix(flag.Name, "collector.") {
			continue
		}
		hint := target.Hint("--" + flag.Name)
		key, _, _ := strings.Cut(strings.TrimSuffix(hint, " (targets.yml:2)"), " ")
		content := "targets:\n- {" + key + ": null}\n"
		if outer, inner, ok := strings.Cut(key, "."); ok {
			content = "targets:\n- {" + outer + ": {" + inner + ": null}}\n"
		}
		_, err := config.Load(write(t, dir, "targets.yml", content), config.Target{})
		if strings.Contains(hint, "--") || err == nil || !strings.Contains(err.Error(), "targets[0]."+key+": ") || strings.Contains(err.Error(), "unknown key") {
			t.Errorf("--%s becomes %q: %v", flag.Name, hint, err)
		}
	}
}
