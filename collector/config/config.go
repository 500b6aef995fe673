// Package config reads the file that names several appliances or domains, each
// with credentials, lists and labels of its own. It is strict: what it does not
// know, or cannot be, is told with the file, the line, the key and what is
// allowed, and all of it in one go.
package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/syncjob"
)

// Bounds of the file. They are far above what a fleet needs. The library takes up
// to 200 bytes of memory for each byte of a file that means harm.
const (
	maxFileBytes = 1 << 20
	maxTargets   = 10_000
	maxLabels    = 64
	maxTextBytes = 1024
	// maxEntries bounds what aliases and merges may expand to.
	maxEntries = 2_000_000
)

// Target is one appliance, or one domain of it, with credentials of its own.
// Two targets of the same settings and source are equal by reflect.DeepEqual.
type Target struct { //nolint:recvcheck // Format has to hide what a copy holds as well.
	// Name is unique in a file: 1 to 64 letters, digits, "-", "_" and ".", of
	// which the first is a letter or a digit.
	Name string
	// URL is the appliance's address in the form of ciphertrust.ParseURL.
	URL string
	// Credentials hold a user with a password file, or a client's id.
	Credentials ciphertrust.Credentials
	TLS         ciphertrust.TLSConfig
	// Lists are never empty, and stand in the order of syncjob.Lists.
	Lists []syncjob.List
	// Labels are those that the target's series carry besides the metrics' own;
	// nil without any.
	Labels map[string]string
	// Source is the place of the target in its file, as FILE:LINE; empty for the
	// target of the flags. It is none of the settings.
	Source string
	Reading
}

// Format implements fmt.Formatter: no verb shows the parts, of which some are
// better not in a log.
func (t Target) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "target %s at %s", t.Name, t.URL) }

// Defaults are what a target has that the file does not say.
type Defaults struct {
	Lists []syncjob.List
	Reading
}

// Reading says how a target's lists are read. The flags of the same names say
// more of each.
type Reading struct {
	// PageSize is how many jobs are asked for in a page.
	PageSize int
	// Concurrency is how many pages are in flight at once.
	Concurrency int
	// Timeout is the longest read of one scrape.
	Timeout time.Duration
	// TimeoutOffset is what is left of Prometheus' scrape timeout.
	TimeoutOffset time.Duration
	// MinInterval is how long a scrape is answered from the last read.
	MinInterval time.Duration
	// FullReadInterval is how often the whole of a list is read.
	FullReadInterval time.Duration
	// FullReadTimeout ends a full read for which no page has arrived for so long.
	FullReadTimeout time.Duration
	// ForgetScopesAfter is the age of a scope's newest job from which on the
	// scope is left out; 0 means never.
	ForgetScopesAfter time.Duration
}

// Load reads the file. Files that it names by a relative path are relative to
// its own directory. An error holds every mistake that was found, in the order
// of the lines, one on a line of its own; no secret is among what it repeats.
func Load(path string, defaults Defaults) ([]Target, error) {
	content, err := read(path)
	if err != nil {
		return nil, err
	}
	found := &mistakes{file: path}
	root := parse(content, found)
	if root == nil {
		return nil, found.err()
	}
	targets := newDocument(found, filepath.Dir(path), defaults).targets(root)
	if err := found.err(); err != nil {
		return nil, err
	}
	return targets, nil
}

// read returns what is in the file.
func read(path string) ([]byte, error) {
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
		return nil, fmt.Errorf("%s: is larger than %d MiB, which no list of targets is; give another file",
			path, maxFileBytes>>20)
	}
	return content, nil
}

func unreadable(path string, err error) error {
	return fmt.Errorf("%s: cannot be read: %w; give a file that exists and that this user may read", path, withoutPath(err))
}

// withoutPath leaves the path out of an error that is told with the path anyway.
func withoutPath(err error) error {
	if failure, ok := errors.AsType[*os.PathError](err); ok {
		return failure.Err
	}
	return err
}
