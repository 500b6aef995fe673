package ciphertrust

import (
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"sync"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
)

// forOthers are the permissions that give a file's content to everybody on the
// machine, or let everybody change it. Those for a group are sensible: so a
// Kubernetes Secret or a systemd credential reaches a user that is not root.
const forOthers fs.FileMode = 0o006

// Exposed is a file with a secret that everybody on the machine can read or
// change.
type Exposed struct {
	Path string
	Mode fs.FileMode
}

// String says what is wrong.
func (e Exposed) String() string {
	verb := "read"
	if e.Mode&0o004 == 0 {
		verb = "change"
	}
	return fmt.Sprintf("every user of this machine can %s %s, which holds a secret (mode %04o)", verb, e.Path, e.Mode.Perm())
}

// Remedy says what to do about it.
func (e Exposed) Remedy() string {
	return fmt.Sprintf("chmod o-rw %s; of a Kubernetes Secret, set defaultMode: 0440", e.Path)
}

// Exposed returns the files with secrets that everybody can read or change, as
// they are now.
func (c *Client) Exposed() []Exposed {
	var exposed []Exposed
	for _, path := range c.session.secretFiles() {
		if e, ok := exposure(path); ok {
			exposed = append(exposed, e)
		}
	}
	return exposed
}

// ShortPassword reports whether the password, as it is now, is so short that it is
// not redacted reliably if the appliance repeats it. It reports false if the
// password cannot be read, or only by waiting for it.
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
	password, err := credentials.password()
	return err == nil && isShort(string(password))
}

// What to say of a short password, and what to do about it.
const (
	ShortPasswordText   = "the password has fewer than 8 characters, too few to redact it reliably in what the appliance answers"
	ShortPasswordRemedy = "give the user a longer password"
)

// exposure looks at the permissions of a file; of a symbolic link, at those of
// the file that it leads to. A file that cannot be looked at cannot be read
// either, which is told elsewhere. On Windows the permissions that Go gives say
// nothing.
func exposure(path string) (Exposed, bool) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || runtime.GOOS == "windows" {
		return Exposed{}, false
	}
	return Exposed{Path: path, Mode: info.Mode()}, info.Mode().Perm()&forOthers != 0
}

// secretFiles returns the files with secrets that a login uses.
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

// exposureWatch tells when a file with a secret becomes one that everybody can
// read. What it was like at first is told by who starts the client.
type exposureWatch struct {
	logger log.Logger

	mu      sync.Mutex
	exposed map[string]bool
}

func newExposureWatch(logger log.Logger, files []string) *exposureWatch {
	w := &exposureWatch{logger: logger, exposed: make(map[string]bool, len(files))}
	for _, path := range files {
		_, w.exposed[path] = exposure(path)
	}
	return w
}

func (w *exposureWatch) look(files []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, path := range files {
		found, exposed := exposure(path)
		if exposed && !w.exposed[path] {
			level.Warn(w.logger).Log("during", "login", "hint", found.Remedy(), "msg", found.String())
		}
		w.exposed[path] = exposed
	}
}
