package ciphertrust

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Credentials are those of a user with a password, or of a client with a certificate. This package
// sends their secrets to the appliance only.
type Credentials struct {
	Username string
	// PasswordFile is read again at every login, so that a password can be changed without a restart.
	// It takes precedence over Password.
	PasswordFile string
	// Password is the password itself. It is parsed like the content of a file.
	Password Secret

	// ClientID, if it is not empty, selects a login with the client certificate of the TLS settings
	// instead of a password.
	ClientID string

	// Domain is the domain whose jobs are read; empty means the user's own.
	Domain string
	// AuthDomain is the domain that the user logs in to. If it begins with "/", it is sent as
	// auth_domain_path.
	AuthDomain string
	// Connection is the name of the user's identity provider; empty means local.
	Connection string
}

// Secret is a string that fmt and the encoders do not print.
type Secret string

const redacted = "<secret>"

// String implements fmt.Stringer.
func (Secret) String() string { return redacted }

// Format implements fmt.Formatter, so that no verb prints the secret.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText implements encoding.TextMarshaler.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// maxPasswordBytes bounds a password file. If a file is larger, the path is wrong.
const maxPasswordBytes = 64 << 10

// CheckPassword returns an error if the password is missing, cannot be read or cannot be one.
func (c *Credentials) CheckPassword() error {
	_, err := c.password(context.Background(), new(files))
	return err
}

// password returns the password, read from its file if there is one.
func (c *Credentials) password(ctx context.Context, files *files) (Secret, error) {
	text, name := string(c.Password), "the password"
	if c.PasswordFile != "" {
		content, err := files.read(ctx, c.PasswordFile)
		if err != nil {
			return "", fmt.Errorf("reading the password: %w", err)
		}
		text, name = string(content), "the password file "+c.PasswordFile
	} else if text == "" {
		return "", errors.New("the password is missing")
	}
	password, err := parsePassword(text)
	if err != nil {
		return "", fmt.Errorf("%s %w", name, err)
	}
	return password, nil
}

// byteOrderMark begins a text file that some editors save as UTF-8.
const byteOrderMark = "\uFEFF"

// parsePassword returns the password in a text without a byte order mark and trailing newlines, which
// editors add. The text must be UTF-8, because encoding/json replaces other bytes and would send a
// wrong password. The error continues a sentence ("the password …") and shows nothing of the text.
func parsePassword(text string) (Secret, error) {
	switch {
	case len(text) > maxPasswordBytes:
		return "", fmt.Errorf("has more than %d bytes, the maximum for a password", maxPasswordBytes)
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
