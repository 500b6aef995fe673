package ciphertrust

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"github.com/go-kit/log/level"
)

// forOthers are the permissions with which every user of the machine can read or write a file. Those
// for the group are fine: Kubernetes Secrets and systemd credentials need them for users other than
// root.
const forOthers fs.FileMode = 0o006

// Warning is a setting that works but exposes a secret.
type Warning struct{ Text, Hint string }

// Warnings returns what exposes a secret of this client now.
func (c *Client) Warnings(ctx context.Context) (warnings []Warning) {
	switch {
	case !c.config.TLS.InsecureSkipVerify:
	case c.base.Scheme == "http":
		warnings = append(warnings, Warning{
			"the password is sent in clear text, anyone on the network can read it",
			c.config.Hint("give --ciphertrust.url with https"),
		})
	default:
		warnings = append(warnings, Warning{
			"the appliance's certificate is not verified, anyone on the network can read the password",
			c.config.Hint("give the appliance's CA in --ciphertrust.ca-file"),
		})
	}
	if c.hasShortPassword(ctx) {
		warnings = append(warnings, Warning{
			"the password has fewer than 8 characters, too few to redact it reliably in what the appliance answers",
			"give the user a longer password",
		})
	}
	for _, path := range c.session.secretFiles() {
		if w, ok := exposure(path); ok {
			warnings = append(warnings, w)
		}
	}
	return warnings
}

// hasShortPassword reports whether the current password is too short to be redacted reliably if the
// appliance repeats it. It returns false if the password cannot be read, or is not in a regular file,
// which may have its content only once.
func (c *Client) hasShortPassword(ctx context.Context) bool {
	credentials := &c.config.Credentials
	if credentials.ClientID != "" {
		return false
	}
	if path := credentials.PasswordFile; path != "" {
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			return false
		}
	}
	password, err := credentials.password(ctx, &c.files)
	return err == nil && isShort(string(password))
}

// exposure returns a warning if every user of the machine can read or change a file. Of a symbolic
// link, the permissions of its target count. A missing file is not exposed; reading it returns the
// error. On Windows, Go's permissions have no meaning.
func exposure(path string) (Warning, bool) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || runtime.GOOS == "windows" || info.Mode().Perm()&forOthers == 0 {
		return Warning{}, false
	}
	verb := "read"
	if info.Mode()&0o004 == 0 {
		verb = "change"
	}
	return Warning{
		fmt.Sprintf("every user of this machine can %s %s, which holds a secret (mode %04o)", verb, path, info.Mode().Perm()),
		fmt.Sprintf("chmod o-rw %s; of a Kubernetes Secret, set defaultMode: 0440", path),
	}, true
}

// secretFiles returns the files with secrets that logins use.
func (s *session) secretFiles() []string {
	var files []string
	if s.client.config.TLS.KeyFile != "" {
		files = append(files, s.client.config.TLS.KeyFile)
	}
	if s.client.config.Credentials.ClientID == "" && s.client.config.Credentials.PasswordFile != "" {
		files = append(files, s.client.config.Credentials.PasswordFile)
	}
	if proxy := s.client.config.Proxy; proxy.File != "" && proxy.password() != "" {
		files = append(files, proxy.File)
	}
	return files
}

// warnExposed logs the files with secrets that have become exposed since the last call. Files that are
// exposed from the start are returned by Client.Warnings and not logged here. Logins call it one after
// another.
func (s *session) warnExposed() {
	for _, path := range s.secretFiles() {
		warning, exposed := exposure(path)
		if exposed && !s.exposed[path] {
			level.Warn(s.client.config.Logger).Log("during", "login", "hint", warning.Hint, "msg", warning.Text)
		}
		s.exposed[path] = exposed
	}
}
