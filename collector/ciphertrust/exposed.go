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
// which might block.
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

// exposureWatch logs when a file with a secret becomes exposed. Files that are exposed from the start
// are returned by Client.Exposed and not logged here.
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

// check checks the files and logs those that have become exposed since the last call.
func (w *exposureWatch) check(files []string) {
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
