// Package config validates the settings of targets, and reads the file that names several of them:
// appliances or domains, each with its own credentials, lists and labels. It is strict: an unknown
// key or a bad value is an error with the file, the line, the key and what is allowed. All mistakes
// of a file are reported at once.
package config

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/syncjob"
)

// Bounds of the file, far above what a fleet needs. The YAML library can need 200 bytes of memory
// for a byte of a hostile file.
const (
	maxFileBytes = 1 << 20
	maxTargets   = 10_000
	maxLabels    = 64
	maxTextBytes = 1024
)

// Target is one appliance, or one domain of it, with credentials of its own.
// Two targets with the same settings and source are equal by reflect.DeepEqual.
type Target struct { //nolint:recvcheck // Format has to hide what a copy holds as well.
	// Name is unique in a file: 1 to 64 letters, digits, "-", "_" and ".", of
	// which the first is a letter or a digit.
	Name string
	// URL is the appliance's address in the form of ciphertrust.ParseURL.
	URL string
	// Credentials hold a user with a password file, or a client's id.
	Credentials ciphertrust.Credentials
	TLS         ciphertrust.TLSConfig
	// Proxy is the proxy for connections to the appliance.
	Proxy ciphertrust.Proxy
	// Lists are never empty, in the order of syncjob.Lists.
	Lists []syncjob.List
	// Labels are added to the target's series by /sd; nil if there are none.
	Labels map[string]string
	// Source is the place of the target in its file, as FILE:LINE; empty for the target of the
	// flags.
	Source string
	Reading
}

// Format implements fmt.Formatter, so that no verb prints the credentials.
func (t Target) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "target %s at %s", t.Name, t.URL) }

// Reading are the settings of how a target's lists are read. The help of the flags with the same
// names describes them.
type Reading struct {
	// PageSize is the requested number of jobs in a page.
	PageSize int
	// Concurrency is the maximum number of concurrent page requests.
	Concurrency int
	// Timeout is the longest duration of one scrape's read.
	Timeout time.Duration
	// TimeoutOffset is subtracted from Prometheus' scrape timeout.
	TimeoutOffset time.Duration
	// MinInterval is how long after a read scrapes return that read.
	MinInterval time.Duration
	// FullReadInterval is the time between full reads of a known list; 0 means every scrape.
	FullReadInterval time.Duration
	// FullReadTimeout ends a full read if no new page arrives for this long.
	FullReadTimeout time.Duration
	// Schedules and Inventory are whether the appliance's schedules and registered containers are read, too.
	Schedules, Inventory bool
	// ForgetScopesAfter is the age of a scope's newest job above which the scope is omitted; 0
	// means never.
	ForgetScopesAfter time.Duration
}

// Load reads the file. A target that does not set its lists, or how they are read, has those of defaults.
// Relative paths in the file are relative to its directory. The error lists all mistakes, one a line, in
// the order of the file's lines. It contains no secret.
func Load(path string, defaults Target) ([]Target, error) {
	content, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return newReader(path, defaults).read(content)
}

// Checksum returns a checksum of the file's content.
func Checksum(path string) (sum [sha256.Size]byte, err error) {
	content, err := readFile(path)
	return sha256.Sum256(content), err
}

// readFile returns the file's content.
func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err != nil {
		return nil, unreadable(path, err)
	}
	if len(content) > maxFileBytes {
		return nil, fmt.Errorf("%s: is larger than %d MiB: give a file with a list of targets",
			path, maxFileBytes>>20)
	}
	return content, nil
}

func unreadable(path string, err error) error {
	return fmt.Errorf("%s: cannot be read: %w; give a file that exists and that this user may read", path, withoutPath(err))
}

// withoutPath removes the path from an error, because the message names the file already or must not
// repeat it.
func withoutPath(err error) error {
	if failure, ok := errors.AsType[*os.PathError](err); ok {
		return failure.Err
	}
	return err
}
