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

// Exposed is a file with a secret that every user of the machine can read or change.
type Exposed struct {
	Path string
	Mode fs.FileMode
}

// String describes the problem.
func (e Exposed) String() string {
	verb := "read"
	if e.Mode&0o004 == 0 {
		verb = "change"
	}
	return fmt.Sprintf("every user of this machine can %s %s, which holds a secret (mode %04o)", verb, e.Path, e.Mode.Perm())
}

// Remedy returns the hint for the problem.
func (e Exposed) Remedy() string {
	return fmt.Sprintf("chmod o-rw %s; of a Kubernetes Secret, set defaultMode: 0440", e.Path)
}

// Exposed returns the files with secrets that every user can read or change now.
func (c *Client) Exposed() []Exposed {
	var exposed []Exposed
	for _, path := range c.session.secretFiles() {
		if e, ok := exposure(path); ok {
			exposed = append(exposed, e)
		}
	}
	return exposed
}

// ShortPassword reports whether the current password is too short to be redacted reliably if the
// appliance repeats it. It returns false if the password cannot be read, or is not in a regular file,
// which may have its content only once.
func (c *Client) ShortPassword() bool {
	credentials := &c.session.credentials
	if credentials.ClientID != "" {
		return false
	}
	if path := credentials.PasswordFile; path != "" {
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			return false
		}
	}
	password, err := credentials.password(context.Background(), &c.files)
	return err == nil && isShort(string(password))
}

// The warning about a short password, and its hint.
const (
	ShortPasswordText   = "the password has fewer than 8 characters, too few to redact it reliably in what the appliance answers"
	ShortPasswordRemedy = "give the user a longer password"
)

// exposure reports whether a file is exposed. Of a symbolic link, the permissions of its target count.
// A file that is missing is not exposed; reading it returns the error. On Windows, Go's permissions
// have no meaning.
func exposure(path string) (Exposed, bool) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || runtime.GOOS == "windows" {
		return Exposed{}, false
	}
	return Exposed{Path: path, Mode: info.Mode()}, info.Mode().Perm()&forOthers != 0
}

// secretFiles returns the files with secrets that logins read.
func (s *session) secretFiles() []string {
	var files []string
	if s.tls.KeyFile != "" {
		files = append(files, s.tls.KeyFile)
	}
	if s.credentials.ClientID == "" && s.credentials.PasswordFile != "" {
		files = append(files, s.credentials.PasswordFile)
	}
	return files
}

// warnExposed logs the files with secrets that have become exposed since the last call. Files that are
// exposed from the start are returned by Client.Exposed and not logged here. Logins call it one after
// another.
func (s *session) warnExposed() {
	for _, path := range s.secretFiles() {
		found, exposed := exposure(path)
		if exposed && !s.exposed[path] {
			level.Warn(s.client.logger).Log("during", "login", "hint", found.Remedy(), "msg", found.String())
		}
		s.exposed[path] = exposed
	}
}
