package ciphertrust_test

import (
	"path/filepath"
	"strings"
	"testing"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/simulator"
)

// TestPasswordFile checks what of a file is the password. A file without one is reason auth, and nothing is
// sent. Check returns the same error without a connection.
func TestPasswordFile(t *testing.T) {
	for _, test := range []struct {
		name, content string
		// want is the password; if it is empty, problem is in the error.
		want, problem string
	}{
		{"no line break", "a-SECRET", "a-SECRET", ""},
		{"line break", "a-SECRET\n", "a-SECRET", ""},
		{"line breaks", "a-SECRET\n\n", "a-SECRET", ""},
		{"line break of Windows", "a-SECRET\r\n", "a-SECRET", ""},
		{"blanks are part of it", " a SECRET \t\n", " a SECRET \t", ""},
		{"a line break within is part of it", "a\nSECRET\n", "a\nSECRET", ""},
		{"JSON and HTML", `a"\<&>SECRET` + "\n", `a"\<&>SECRET`, ""},
		{"the longest", strings.Repeat("SECRET-a", 1<<13), strings.Repeat("SECRET-a", 1<<13), ""},
		{"byte order mark", "\uFEFFa-SECRET-é\r\n", "a-SECRET-é", ""},
		{"byte order mark within", "a-\uFEFFSECRET", "a-\uFEFFSECRET", ""},
		{"empty", "", "", "is empty"},
		{"only a byte order mark", "\uFEFF\n", "", "is empty"},
		{"Latin-1", "a-SECRET-\xe4ss\n", "", "is not encoded in UTF-8"},
		{"UTF-16, little endian", "\xff\xfea\x00-\x00\n\x00", "", "is encoded in UTF-16"},
		{"UTF-16, big endian", "\xfe\xff\x00a\x00-\x00\n", "", "is encoded in UTF-16"},
		{"UTF-16 without a mark", "a\x00-\x00S\x00\n\x00", "", "as text in UTF-16 has"},
		{"UTF-16 without a mark, big endian", "\x00a\x00-\x00S\x00\n", "", "as text in UTF-16 has"},
		{"only line breaks", "\r\n\n", "", "is empty"},
		{"huge", strings.Repeat("SECRET-a", 1<<13) + "\n", "", "more than 65536 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := write(t, "password", test.content)
			h := inMemory(t, simulator.Options{Password: test.want}, withPasswordFile(path))
			credentials := ciphertrust.Credentials{Username: simulator.DefaultUsername, PasswordFile: path}
			if test.want != "" {
				h.mustGet()
				if err := credentials.Check(); err != nil {
					t.Error(err)
				}
				return
			}
			wantNoPassword(t, h, path, test.problem)
			wantText(t, credentials.Check().Error(), path, test.problem)
		})
	}
}

// TestInlinePassword checks that a password outside of a file is parsed like one in a file.
func TestInlinePassword(t *testing.T) {
	for content, problem := range map[string]string{
		"a-SECRET\r\n": "", "\uFEFFa-SECRET": "", "\n": "is empty", "a-SECRET-\xe4": "is not encoded in UTF-8", "a\x00b": "NUL",
	} {
		h := inMemory(t, simulator.Options{Password: "a-SECRET"}, func(cfg *ciphertrust.Config) { cfg.Credentials.Password = ciphertrust.Secret(content) })
		if problem == "" {
			h.mustGet()
		} else {
			wantNoPassword(t, h, "the password ", problem)
		}
	}
}

func wantNoPassword(t *testing.T, h *harness, parts ...string) {
	t.Helper()
	err := h.failure(reason.Auth)
	wantText(t, err.Error(), parts...)
	wantText(t, reason.RemedyOf(err), "--ciphertrust.password-file")
	if n := len(h.appliance.Requests()); n != 0 {
		t.Errorf("%d requests without a password", n)
	}
}

func TestPasswordFileThatCannotBeRead(t *testing.T) {
	directory := t.TempDir()
	for name, path := range map[string]string{"missing": filepath.Join(directory, "missing"), "a directory": directory} {
		t.Run(name, func(t *testing.T) {
			h := inMemory(t, simulator.Options{}, withPasswordFile(path))
			wantNoPassword(t, h, "reading the password", path)
			// It is not a rejection: the file is read again at once.
			if name == "missing" {
				overwrite(t, path, password)
				h.mustGet()
			}
		})
	}
}

func TestCheckCredentials(t *testing.T) {
	for _, test := range []struct {
		name        string
		credentials ciphertrust.Credentials
		want        string
	}{
		{"a password", ciphertrust.Credentials{Username: "u", Password: password}, ""},
		{"a client", ciphertrust.Credentials{ClientID: "c"}, ""},
		{"no user", ciphertrust.Credentials{Password: password}, "the user name is missing"},
		{"no password", ciphertrust.Credentials{Username: "u"}, "the password is missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ""
			if err := test.credentials.Check(); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
