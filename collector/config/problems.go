package config

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"slices"
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

func problemf(key, format string, args ...any) []Problem {
	return []Problem{{Key: key, Text: fmt.Sprintf(format, args...)}}
}

func missing(key, todo string) []Problem {
	return []Problem{{Key: key, Text: "is missing: " + todo, Missing: true}}
}

// Problems returns what is wrong with a target, from flags or from a file.
// It reads the files that the target names, and connects to nothing.
func (t *Target) Problems() []Problem {
	return slices.Concat(t.Reading.Problems(), t.checkURL(), t.checkLogin(), t.checkTLS(), t.checkProxy())
}

func (t *Target) checkURL() []Problem {
	if t.URL == "" {
		return missing("url", "give the appliance's address, for example https://cm.example.com")
	}
	address, err := ciphertrust.ParseURL(t.URL)
	if err != nil {
		return problemf("url", "is wrong: %v; give an address such as https://cm.example.com", err)
	}
	if err := ciphertrust.CheckScheme(address, t.TLS.InsecureSkipVerify); err != nil {
		return problemf("url", "is refused: %v", err)
	}
	return nil
}

func (t *Target) checkLogin() []Problem {
	c := &t.Credentials
	byPassword := c.Username != "" || c.PasswordFile != ""
	switch {
	// Beside flags, variables such as CM_USERNAME may be set for other programs.
	case c.ClientID != "" && byPassword && t.Source != "":
		return problemf("client_id", "is a login by client certificate, and username with password_file a login by password: give one of the two")
	case c.ClientID != "" && t.TLS.CertFile == "" && t.TLS.KeyFile == "" && t.TLS.Cert == "":
		return problemf("client_id", "needs a certificate: give --ciphertrust.cert-file and --ciphertrust.key-file")
	case c.ClientID != "":
		return nil
	case c.Username == "":
		return missing("username", "give the name of the user that reads, or log in by certificate with --ciphertrust.client-id")
	case c.PasswordFile == "" && c.Password == "":
		return missing("password_file", "give a file with the user's password")
	}
	return t.checkPassword()
}

func (t *Target) checkPassword() []Problem {
	if problems := t.checkFile("password_file", t.Credentials.PasswordFile); problems != nil {
		return problems
	}
	err := t.Credentials.CheckPassword()
	switch {
	case err == nil:
		return nil
	case t.Credentials.PasswordFile == "":
		return problemf("password", "cannot be used: %v; set it to the password, or give --ciphertrust.password-file", err)
	default:
		return problemf("password_file", "cannot be used: %v; give a file that holds the password and that this user may read", err)
	}
}

// The keys of the TLS settings.
const (
	caFile     = "tls_config.ca_file"
	certFile   = "tls_config.cert_file"
	keyFile    = "tls_config.key_file"
	maxVersion = "tls_config.max_version"
)

func (t *Target) checkTLS() []Problem {
	unreadable := slices.Concat(t.checkFile(caFile, t.TLS.CAFile), t.checkFile(certFile, t.TLS.CertFile), t.checkFile(keyFile, t.TLS.KeyFile))
	if unreadable != nil {
		return unreadable
	}
	switch cert, key := t.TLS.CertFile != "", t.TLS.KeyFile != ""; {
	case cert && !key:
		return problemf(certFile, "needs --ciphertrust.key-file: give both or none")
	case key && !cert:
		return problemf(keyFile, "needs --ciphertrust.cert-file: give both or none")
	case t.TLS.MaxVersion != 0 && t.TLS.MaxVersion < cmp.Or(t.TLS.MinVersion, tls.VersionTLS12):
		return problemf(maxVersion, "is below min_version (default TLS12): give the same or a later one%s", orNone)
	}
	_, err := ciphertrust.New(ciphertrust.Config{URL: "https://cm.example.com", TLS: t.TLS})
	if err == nil {
		return nil
	}
	at := caFile
	if t.TLS.CertFile != "" && t.TLS.CAFile == "" {
		at = certFile
	}
	return problemf(at, "cannot be used: %s; give files in PEM form, and the key that belongs to the certificate",
		strings.TrimPrefix(err.Error(), "TLS settings: "))
}

func (t *Target) checkProxy() []Problem {
	address, _ := ciphertrust.ParseURL(t.URL) // checkURL reports the error.
	if err := t.Proxy.Check(address, t.TLS.InsecureSkipVerify); err != nil {
		return problemf("proxy_url", "cannot be used: %v; give a URL such as http://proxy.example.com:3128%s", err, orNone)
	}
	return nil
}

// checkFile returns a problem if a file is given and cannot be read. The path is not repeated: it may
// be the secret that belongs into the file.
func (t *Target) checkFile(key, path string) []Problem {
	if path == "" {
		return nil
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
		return problemf(key, "cannot be read: %v; give a file that exists and that this user may read", withoutPath(err))
	}
	return nil
}

// Problems returns what is wrong with the settings.
func (r Reading) Problems() (all []Problem) {
	if r.PageSize < joblist.MinPageSize {
		all = problemf("page_size", "is %d: give at least %d, because adjacent pages overlap by one job", r.PageSize, joblist.MinPageSize)
	}
	if r.Concurrency < 1 || r.Concurrency > ciphertrust.MaxConcurrency {
		all = append(all, problemf("concurrency", "is %d: give 1 to %d", r.Concurrency, ciphertrust.MaxConcurrency)...)
	}
	for _, setting := range []struct {
		key          string
		value, least time.Duration
		allowed      string
	}{
		{"timeout", r.Timeout, 1, "more than 0s"},
		{"full_read_timeout", r.FullReadTimeout, 1, "more than 0s"},
		{"timeout_offset", r.TimeoutOffset, 0, "0s or more"},
		{"min_interval", r.MinInterval, 0, "0s or more"},
		{"full_read_interval", r.FullReadInterval, 0, "0s or more"},
		{"forget_scopes_after", r.ForgetScopesAfter, 0, "0s or more"},
	} {
		if setting.value < setting.least {
			all = append(all, problemf(setting.key, "is %s: give %s", setting.value, setting.allowed)...)
		}
	}
	return all
}
