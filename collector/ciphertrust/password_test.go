package ciphertrust_test

import (
	"strings"
	"testing"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/simulator"
)

// TestPassword checks what of a text is the password, in a file and in the settings. A text without one is
// reason auth, and nothing is sent. CheckPassword returns the same error without a connection.
func TestPassword(t *testing.T) {
	longest := strings.Repeat("SECRET-a", 1<<13)
	for _, test := range []struct {
		name, content string
		// want is the password; if it is empty, problem is in the error.
		want, problem string
	}{
		{"no line break", "a-SECRET", "a-SECRET", ""},
		{"line breaks", "a-SECRET\n\r\n", "a-SECRET", ""},
		{"blanks and a line break within are part of it", " a\nSECRET \t\n", " a\nSECRET \t", ""},
		{"JSON and HTML", `a"\<&>SECRET` + "\n", `a"\<&>SECRET`, ""},
		{"the longest", longest, longest, ""},
		{"too long", longest + "\n", "", "more than 65536 bytes"},
		{"byte order mark", "\uFEFFa-SECRET-é\r\n", "a-SECRET-é", ""},
		{"byte order mark within", "a-\uFEFFSECRET", "a-\uFEFFSECRET", ""},
		{"only a byte order mark", "\uFEFF\n", "", "is empty"},
		{"only line breaks", "\r\n\n", "", "is empty"},
		{"Latin-1", "a-SECRET-\xe4ss\n", "", "is not encoded in UTF-8"},
		{"UTF-16, little endian", "\xff\xfea\x00-\x00\n\x00", "", "is encoded in UTF-16"},
		{"UTF-16, big endian", "\xfe\xff\x00a\x00-\x00\n", "", "is encoded in UTF-16"},
		{"UTF-16 without a mark", "a\x00-\x00S\x00\n\x00", "", "as text in UTF-16 has"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := write(t, "password", test.content)
			for name, credentials := range map[string]ciphertrust.Credentials{
				"the password file " + path: {Username: simulator.DefaultUsername, PasswordFile: path, Password: "ignored"},
				"the password":              {Username: simulator.DefaultUsername, Password: ciphertrust.Secret(test.content)},
			} {
				h := inMemory(t, simulator.Options{Password: test.want}, func(cfg *ciphertrust.Config) { cfg.Credentials = credentials })
				err := credentials.CheckPassword()
				if test.want == "" {
					wantNoPassword(t, h, name, test.problem)
					wantText(t, err.Error(), name, test.problem)
					continue
				}
				h.mustGet()
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func wantNoPassword(t *testing.T, h *harness, parts ...string) {
	t.Helper()
	err := h.failure(reason.Auth)
	wantText(t, err.Error(), parts...)
	wantText(t, reason.HintOf(err), "--ciphertrust.password-file")
	if n := len(h.appliance.Requests()); n != 0 {
		t.Errorf("%d requests without a password", n)
	}
}

// TestPasswordFileThatCannotBeRead checks that this is no rejection: the file is read again at once.
func TestPasswordFileThatCannotBeRead(t *testing.T) {
	directory := t.TempDir()
	h := inMemory(t, simulator.Options{}, withPasswordFile(directory))
	wantNoPassword(t, h, "reading the password", directory)
	path := directory + "/missing"
	h = inMemory(t, simulator.Options{}, withPasswordFile(path))
	wantNoPassword(t, h, "reading the password", path)
	overwrite(t, path, password)
	h.mustGet()
}
