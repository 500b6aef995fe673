package ciphertrust

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// Credentials say who logs in: a user by password, or a client by certificate.
// Their secrets never leave this package but in a login's body.
type Credentials struct {
	Username string
	// PasswordFile is read anew at every login, so that a password can be
	// changed without a restart. It wins over Password.
	PasswordFile string
	// Password is the password itself. It is parsed as the content of a file is.
	Password Secret

	// ClientID, where it is set, means a login by the client certificate of the
	// TLS settings, in place of a password.
	ClientID string

	// Domain is the domain whose jobs are read; empty means the user's own.
	Domain string
	// AuthDomain is the domain that the user logs in to. One that begins with
	// "/" is sent as auth_domain_path.
	AuthDomain string
	// Connection is the name of the user's identity provider; empty means local.
	Connection string
}

// Secret is a string that no printing function shows.
type Secret string

const hidden = "<secret>"

// String implements fmt.Stringer.
func (Secret) String() string { return hidden }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return hidden }

// Format implements fmt.Formatter, so that no verb whatever shows the secret.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// MarshalText implements encoding.TextMarshaler.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// maxSecretBytes bounds a password file: a larger one is a mistake in the path.
const maxSecretBytes = 64 << 10

// Check finds what is missing or unreadable in the credentials.
func (c *Credentials) Check() error {
	if c.ClientID != "" {
		return nil
	}
	if c.Username == "" {
		return errors.New("the user name is missing")
	}
	_, err := c.password()
	return err
}

// password returns the password, of a file as it is now.
func (c *Credentials) password() (Secret, error) {
	if c.PasswordFile == "" && c.Password == "" {
		return "", errors.New("the password is missing")
	}
	if c.PasswordFile == "" {
		password, err := parsePassword(string(c.Password))
		if err != nil {
			return "", fmt.Errorf("the password %w", err)
		}
		return password, nil
	}
	file, err := os.Open(c.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, maxSecretBytes+1))
	if err != nil {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	if len(content) > maxSecretBytes {
		return "", fmt.Errorf("the password file %s has more than %d bytes, which no password has",
			c.PasswordFile, maxSecretBytes)
	}
	password, err := parsePassword(string(content))
	if err != nil {
		return "", fmt.Errorf("the password file %s %w", c.PasswordFile, err)
	}
	return password, nil
}

// byteOrderMark begins a text file that some editors save as UTF-8.
const byteOrderMark = "\uFEFF"

// parsePassword returns the password in a text as editors save it, without a byte
// order mark and newlines at the end. JSON can carry no other encoding than UTF-8:
// the bytes of another one would be replaced, and a wrong password be sent. The
// error continues a sentence, and shows nothing of the text.
func parsePassword(text string) (Secret, error) {
	switch {
	case strings.HasPrefix(text, "\xff\xfe"), strings.HasPrefix(text, "\xfe\xff"):
		return "", errors.New("is encoded in UTF-16: save it as UTF-8")
	case !utf8.ValidString(text):
		return "", errors.New("is not encoded in UTF-8 (but in Latin-1, for example): save it as UTF-8")
	case strings.Contains(text, "\x00"):
		return "", errors.New("has NUL bytes, as text in UTF-16 has: save it as UTF-8")
	}
	password := strings.TrimRight(strings.TrimPrefix(text, byteOrderMark), "\r\n")
	if password == "" {
		return "", errors.New("is empty")
	}
	return Secret(password), nil
}

// fingerprint tells one secret from another without keeping either.
type fingerprint uint64

func fingerprintOf(seed maphash.Seed, parts ...string) fingerprint {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, part := range parts {
		// A hash's Write never fails.
		_, _ = h.WriteString(part)
		_ = h.WriteByte(0)
	}
	return fingerprint(h.Sum64())
}
