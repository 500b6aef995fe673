package config

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/joblist"
)

// Problem is a setting that is wrong or missing.
type Problem struct {
	// Key is the setting's key in the file; FlagOfKey returns its flag.
	Key string
	// Text continues a sentence that begins with the key or flag. It says what is wrong and
	// what may be given, and names other settings by their flags.
	Text string
	// Missing is true if the setting is required and has no value.
	Missing bool
}

// problems are those found so far.
type problems []Problem

func (p *problems) addf(key, format string, args ...any) {
	*p = append(*p, Problem{Key: key, Text: fmt.Sprintf(format, args...)})
}

func (p *problems) missing(key, todo string) {
	*p = append(*p, Problem{Key: key, Text: "is missing: " + todo, Missing: true})
}

// Problems returns what is wrong with a target, from flags or from a file.
// It reads the files that the target names, and connects to nothing.
func (t *Target) Problems() []Problem {
	all := problems(t.Reading.Problems())
	t.checkURL(&all)
	t.checkLogin(&all)
	t.checkTLS(&all)
	return all
}

func (t *Target) checkURL(all *problems) {
	if t.URL == "" {
		all.missing("url", "give the appliance's address, for example https://cm.example.com")
		return
	}
	address, err := ciphertrust.ParseURL(t.URL)
	if err != nil {
		all.addf("url", "is wrong: %v; give an address such as https://cm.example.com", err)
		return
	}
	if err := ciphertrust.CheckScheme(address, t.TLS.InsecureSkipVerify); err != nil {
		all.addf("url", "is refused: %v", err)
	}
}

func (t *Target) checkLogin(all *problems) {
	c := &t.Credentials
	byPassword := c.Username != "" || c.PasswordFile != ""
	switch {
	// Beside flags, variables such as CM_USERNAME may be set for other programs.
	case c.ClientID != "" && byPassword && t.Source != "":
		all.addf("client_id", "is a login by client certificate, and username with password_file a login by password: give one of the two")
	case c.ClientID != "":
		if t.TLS.CertFile == "" && t.TLS.KeyFile == "" && t.TLS.Cert == "" {
			all.addf("client_id", "needs a certificate: give --ciphertrust.cert-file and --ciphertrust.key-file")
		}
	case c.Username == "":
		all.missing("username", "give the name of the user that reads, or log in by certificate with --ciphertrust.client-id")
	case c.PasswordFile == "" && c.Password == "":
		all.missing("password_file", "give a file with the user's password")
	case t.checkFile(all, "password_file", c.PasswordFile):
		t.checkPassword(all)
	}
}

func (t *Target) checkPassword(all *problems) {
	err := t.Credentials.Check()
	switch {
	case err == nil:
	case t.Credentials.PasswordFile == "":
		all.addf("password", "cannot be used: %v; set it to the password, or give --ciphertrust.password-file", err)
	default:
		all.addf("password_file", "cannot be used: %v; give a file that holds the password and that this user may read", err)
	}
}

// The keys of the TLS settings.
const (
	caFile     = "tls_config.ca_file"
	certFile   = "tls_config.cert_file"
	keyFile    = "tls_config.key_file"
	maxVersion = "tls_config.max_version"
)

func (t *Target) checkTLS(all *problems) {
	before := len(*all)
	t.checkFile(all, caFile, t.TLS.CAFile)
	t.checkFile(all, certFile, t.TLS.CertFile)
	t.checkFile(all, keyFile, t.TLS.KeyFile)
	if len(*all) > before {
		return
	}
	switch cert, key := t.TLS.CertFile != "", t.TLS.KeyFile != ""; {
	case cert && !key:
		all.addf(certFile, "needs --ciphertrust.key-file: give both or none")
	case key && !cert:
		all.addf(keyFile, "needs --ciphertrust.cert-file: give both or none")
	case t.TLS.MaxVersion != 0 && t.TLS.MaxVersion < cmp.Or(t.TLS.MinVersion, tls.VersionTLS12):
		all.addf(maxVersion, "is below min_version (default TLS12): give the same or a later one%s", orNone)
	default:
		_, err := ciphertrust.New(ciphertrust.Config{URL: "https://cm.example.com", TLS: t.TLS})
		if err == nil {
			return
		}
		at := caFile
		if cert && t.TLS.CAFile == "" {
			at = certFile
		}
		all.addf(at, "cannot be used: %s; give files in PEM form, and the key that belongs to the certificate",
			strings.TrimPrefix(err.Error(), "TLS settings: "))
	}
}

// checkFile reports whether a file, if it is given, can be read. The path is not repeated: it may
// be the secret that belongs into the file.
func (t *Target) checkFile(all *problems, key, path string) bool {
	if path == "" {
		return true
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
	// A reload must not block at the opening of a pipe.
	case !info.Mode().IsRegular() && t.Source != "":
		err = errors.New("it is not a regular file")
	case info.Size() > maxFileBytes:
		err = fmt.Errorf("it has more than %d MiB", maxFileBytes>>20)
	case info.Mode().IsRegular():
		var file *os.File
		if file, err = os.Open(path); err == nil {
			err = file.Close()
		}
	}
	if err != nil {
		all.addf(key, "cannot be read: %v; give a file that exists and that this user may read", withoutPath(err))
	}
	return err == nil
}

// Problems returns what is wrong with the settings, in the order of the fields.
func (r Reading) Problems() []Problem {
	var all problems
	if r.PageSize < joblist.MinPageSize {
		all.addf("page_size", "is %d: give at least %d, because adjacent pages overlap by one job", r.PageSize, joblist.MinPageSize)
	}
	if r.Concurrency < 1 || r.Concurrency > ciphertrust.MaxConcurrency {
		all.addf("concurrency", "is %d: give 1 to %d", r.Concurrency, ciphertrust.MaxConcurrency)
	}
	if r.Timeout <= 0 {
		all.addf("timeout", "is %s: give more than 0s", r.Timeout)
	}
	if r.FullReadTimeout <= 0 {
		all.addf("full_read_timeout", "is %s: give more than 0s", r.FullReadTimeout)
	}
	for _, setting := range []struct {
		key   string
		value time.Duration
	}{
		{"timeout_offset", r.TimeoutOffset},
		{"min_interval", r.MinInterval},
		{"full_read_interval", r.FullReadInterval},
		{"forget_scopes_after", r.ForgetScopesAfter},
	} {
		if setting.value < 0 {
			all.addf(setting.key, "is %s: give 0s or more", setting.value)
		}
	}
	return all
}
