package main

import (
	"slices"
	"strings"
	"testing"

	"cckm_sync_exporter/collector/simulator"
)

// TestValidate: the error about a wrong or missing setting is one sentence that names the flag and
// what to do.
func TestValidate(t *testing.T) {
	dir := t.TempDir()
	password := write(t, dir, "password", []byte("secret-1\n"))
	empty, latin1 := write(t, dir, "empty", []byte("\n")), write(t, dir, "latin1", []byte("secret-\xe4"))
	cert, key := clientCertificate(t, dir)
	tests := []struct {
		name string
		// args replace or extend those of a complete command line.
		args []string
		env  map[string]string
		// want are parts of the error; none means that all is well.
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
		{name: "URL in clear text on this machine", args: []string{"--ciphertrust.url=http://localhost:8080"}},
		{name: "URL with one slash", args: []string{"--ciphertrust.url=https:/cm"}, want: []string{"--ciphertrust.url is wrong", "one slash"}},
		{name: "URL with a port that is none", args: []string{"--ciphertrust.url=https://cm:99999"}, want: []string{"--ciphertrust.url is wrong", "65535"}},
		{
			name: "URL with a tenant", args: []string{"--ciphertrust.url=https://cm/?tenant=x"},
			want: []string{"--ciphertrust.url is wrong", "--ciphertrust.auth-domain"},
		},
		{name: "key file that is a key", args: []string{"--ciphertrust.cert-file=" + password, "--ciphertrust.key-file=secret-3"}, want: []string{"--ciphertrust.key-file cannot be read"}},
		{name: "URL of another scheme", args: []string{"--ciphertrust.url=ftp://cm"}, want: []string{"--ciphertrust.url is wrong", `"ftp"`}},
		{name: "no user", args: []string{"--ciphertrust.username="}, want: []string{"--ciphertrust.username is missing", "CM_USERNAME"}},
		{name: "no password", args: []string{"--ciphertrust.password-file="}, want: []string{"--ciphertrust.password-file is missing", "CM_PASSWORD"}},
		{name: "password from the environment", args: []string{"--ciphertrust.password-file="}, env: map[string]string{"CM_PASSWORD": "secret-1"}},
		{
			name: "password file that is not there", args: []string{"--ciphertrust.password-file=secret-1"},
			want: []string{"--ciphertrust.password-file cannot be read", "no such file"},
		},
		{
			name: "password file in Latin-1", args: []string{"--ciphertrust.password-file=" + latin1},
			want: []string{"--ciphertrust.password-file cannot be used", latin1, "is not encoded in UTF-8"},
		},
		{
			name: "password in Latin-1", args: []string{"--ciphertrust.password-file="}, env: map[string]string{"CM_PASSWORD": "secret-\xe4"},
			want: []string{"CM_PASSWORD cannot be used", "is not encoded in UTF-8", "--ciphertrust.password-file"},
		},
		{name: "empty password file", args: []string{"--ciphertrust.password-file=" + empty}, want: []string{"--ciphertrust.password-file cannot be used", "is empty"}},
		{name: "CA file that is not there", args: []string{"--ciphertrust.ca-file=/none"}, want: []string{"--ciphertrust.ca-file cannot be read", "no such file"}},
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
		{name: "no list", args: []string{"--collector.disable-defaults"}, want: []string{"no list is enabled", "--collector.google-keys"}},
		{name: "one list", args: []string{"--collector.disable-defaults", "--collector.luna-keys"}},
		{
			name: "one list by the environment", args: []string{"--collector.disable-defaults"},
			env: map[string]string{"CCKM_SYNC_EXPORTER_COLLECTOR_AWS_KEYS": "true"},
		},
		{name: "page size", args: []string{"--collector.page-size=1"}, want: []string{"--collector.page-size is 1", "at least 2"}},
		{name: "concurrency", args: []string{"--collector.concurrency=0"}, want: []string{"--collector.concurrency is 0", "1 to 64"}},
		{name: "timeout", args: []string{"--collector.timeout=0s"}, want: []string{"--collector.timeout is 0s", "more than 0s"}},
		{name: "timeout offset", args: []string{"--collector.timeout-offset=-1s"}, want: []string{"--collector.timeout-offset is -1s"}},
		{name: "min interval", args: []string{"--collector.min-interval=-1s"}, want: []string{"--collector.min-interval is -1s"}},
		{name: "full-read interval", args: []string{"--collector.full-read-interval=-1s"}, want: []string{"--collector.full-read-interval is -1s"}},
		{name: "forget", args: []string{"--collector.forget-scopes-after=-1s"}, want: []string{"--collector.forget-scopes-after is -1s"}},
		{name: "telemetry path", args: []string{"--web.telemetry-path=metrics"}, want: []string{`--web.telemetry-path is "metrics"`}},
		{name: "telemetry path of a probe", args: []string{"--web.telemetry-path=/-/ready"}, want: []string{"--web.telemetry-path"}},
		{name: "telemetry path with a tab", args: []string{"--web.telemetry-path=/a\tb"}, want: []string{`--web.telemetry-path is "/a\tb"`}},
		{name: "telemetry path above the root", args: []string{"--web.telemetry-path=/.."}, want: []string{`--web.telemetry-path is "/.."`}},
		{name: "telemetry path with a host", args: []string{"--web.telemetry-path=//x"}, want: []string{`--web.telemetry-path is "//x"`}},
		{name: "telemetry path with a query", args: []string{"--web.telemetry-path=/?x"}, want: []string{`--web.telemetry-path is "/?x"`}},
		{name: "telemetry path at the root", args: []string{"--web.telemetry-path=/"}},
		{name: "max requests", args: []string{"--web.max-requests=-1"}, want: []string{"--web.max-requests is -1"}},
		{name: "not a duration", args: []string{"--collector.timeout=soon"}, want: []string{"--collector.timeout", "soon", "--help"}},
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
			// A flag that comes twice is an error, so that a test's own wins.
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
				t.Errorf("the error is more than a sentence, or holds a secret: %q", text)
			}
		})
	}
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
	return write(t, dir, "cert.pem", certPEM), write(t, dir, "key.pem", keyPEM)
}
