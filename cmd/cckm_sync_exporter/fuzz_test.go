package main

import (
	"io"
	"slices"
	"strings"
	"testing"

	"cckm_sync_exporter/collector/ciphertrust"
)

// FuzzFlags checks that no command line or environment makes the program panic, that an error is one line
// that names a flag or the wrong argument, and that it has no password.
func FuzzFlags(f *testing.F) {
	const password = "pass-SECRET-word"
	for _, seed := range []struct{ args, name, value string }{
		{"", "CM_ADDRESS", "https://cm.example.com"},
		{"check\n--offline", "CIPHERTRUST_TENANT", " acme\n"},
		{"once\n--ciphertrust.url=https://user:URL-SECRET@cm", "CM_USERNAME", "prometheus"},
		{"\xdf--ciphertrust.url=https://user:URL-SECRET@", "", ""},
		{"check\n--offline\n--ciphertrust.url\nftp://cm", "", ""},
		{"--no-collector.google-keys\n--collector.disable-defaults", "CCKM_SYNC_EXPORTER_COLLECTOR_AWS_KEYS", "true"},
		{"--collector.page-size=many", "CCKM_SYNC_EXPORTER_COLLECTOR_PAGE_SIZE", "1e300"},
		{"--collector.timeout=-1s\n--collector.timeout-offset=9223372036s", "CCKM_SYNC_EXPORTER_COLLECTOR_TIMEOUT", "soon"},
		{"--web.telemetry-path={x}\n--web.max-requests=NaN", "CCKM_SYNC_EXPORTER_LOG_LEVEL", "loud"},
		{"--ciphertrust.password=URL-SECRET", "CCKM_SYNC_EXPORTER_WEB_LISTEN_ADDRESS", ":1\n:2"},
		{"--help\n--version\n-h\nhelp\ncheck", "", ""},
		{"--completion-bash\n--completion-script-zsh\n--help-man\n--help-long", "", ""},
		{"--\n-\n--=\n--no-\nserve\ndemo", "CCKM_SYNC_EXPORTER_WEB_DISABLE_EXPORTER_METRICS", "maybe"},
	} {
		f.Add(seed.args, seed.name, seed.value)
	}
	f.Fuzz(func(t *testing.T, line, name, value string) {
		args := strings.Split(line, "\n")
		// kingpin reads further arguments from such a file.
		if slices.ContainsFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "@") }) {
			t.Skip("arguments in a file")
		}
		// Invalid names and values, and the variables of other programs or of Go.
		ours := func(prefix string) bool { return strings.HasPrefix(name, prefix) }
		if strings.ContainsAny(name, "=\x00") || strings.Contains(value, "\x00") ||
			(name != "" && !slices.ContainsFunc([]string{"CM_", newerPrefix, "CCKM_SYNC_EXPORTER_"}, ours)) {
			t.Skip("no variable of the program")
		}
		if name != "" {
			t.Setenv(name, value)
		}
		t.Setenv("CM_PASSWORD", password)
		// --help and --version must not end the test.
		app, s := newApp()
		app.Terminate(nil).UsageWriter(io.Discard).ErrorWriter(io.Discard)
		_, s, err := s.parse(app, args)
		if err == nil {
			// No input may choose a file that the test reads.
			s.credentials.PasswordFile, s.tls, s.configFile = "", ciphertrust.TLSConfig{}, ""
			err = s.validate()
		}
		if err == nil {
			return
		}
		text := err.Error()
		if strings.Contains(text, password) && !strings.Contains(line+value, password) {
			t.Errorf("the error shows the password: %q", text)
		}
		if strings.Contains(text, "URL-SECRET") && strings.Count(line, "URL-SECRET") == strings.Count(line, "--ciphertrust.url=https://user:URL-SECRET@") {
			t.Errorf("the error shows the password in a URL: %q", text)
		}
		// An argument that is not a flag is in the error itself.
		text = strings.TrimSuffix(text, "; see --help")
		if !strings.Contains(text, "--") && !strings.Contains(text, "flag '") &&
			!slices.ContainsFunc([]string{"unexpected ", "unknown short flag ", "expected command "}, func(start string) bool { return strings.HasPrefix(text, start) }) {
			t.Errorf("the error names no flag: %q", text)
		}
	})
}
