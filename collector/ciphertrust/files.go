package ciphertrust

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/prometheus/common/config"
	"golang.org/x/sync/singleflight"
)

const (
	// fileTimeout bounds the reading of a file. It is shorter than Prometheus' default
	// scrape_timeout, so that the error of a scrape names the file.
	fileTimeout = 5 * time.Second
	// maxFileBytes bounds a file. A bundle of CAs has less than 1 MiB.
	maxFileBytes = 16 << 20
)

// files reads files. A FIFO or a file on a dead mount can block forever. The zero value is ready to
// use. It is safe for concurrent use.
type files struct {
	// reads has one blocked goroutine at most for each file.
	reads singleflight.Group
}

// read returns the content of a file. It returns an error after fileTimeout, or when ctx ends.
func (f *files) read(ctx context.Context, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, fileTimeout, fmt.Errorf("no content after %s: %w", fileTimeout, context.DeadlineExceeded))
	defer cancel()
	// A file that replaces one whose reading blocks must not wait for that. No path contains a zero byte.
	key := path + "\x00"
	if info, err := f.await(ctx, path, path, func() (any, error) { return os.Stat(path) }); err == nil {
		info, _ := info.(fs.FileInfo)
		key += fmt.Sprint(info.Mode(), info.ModTime())
	}
	content, err := f.await(ctx, path, key, func() (any, error) {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }()
		return io.ReadAll(io.LimitReader(file, maxFileBytes))
	})
	if err != nil {
		return nil, err
	}
	text, _ := content.([]byte)
	return text, nil
}

// await returns the result of do, which it shares with other calls that have the key, or an error when ctx ends.
func (f *files) await(ctx context.Context, path, key string, do func() (any, error)) (any, error) {
	select {
	case r := <-f.reads.DoChan(key, do):
		return r.Val, r.Err
	case <-ctx.Done():
		return nil, &fs.PathError{Op: "read", Path: path, Err: context.Cause(ctx)}
	}
}

// secretFile is a config.SecretReader of a file.
type secretFile struct {
	files *files
	path  string
}

// Fetch implements config.SecretReader.
func (s secretFile) Fetch(ctx context.Context) (string, error) {
	content, err := s.files.read(ctx, s.path)
	return string(content), err
}

// Description implements config.SecretReader.
func (s secretFile) Description() string { return s.path }

// Immutable implements config.SecretReader.
func (secretFile) Immutable() bool { return false }

// tlsFiles returns the files of the TLS settings. They are read before each request.
func (f *files) tlsFiles(cfg *TLSConfig) config.TLSRoundTripperSettings {
	secret := func(inline, path string) config.SecretReader {
		switch {
		case path != "":
			return secretFile{files: f, path: path}
		case inline != "":
			return config.NewInlineSecret(inline)
		default:
			return nil
		}
	}
	return config.TLSRoundTripperSettings{
		CA:   secret(cfg.CA, cfg.CAFile),
		Cert: secret(cfg.Cert, cfg.CertFile),
		Key:  secret(string(cfg.Key), cfg.KeyFile),
	}
}

// keyPair returns the client certificate and its key. Each may be in a file or in the settings.
func (f *files) keyPair(ctx context.Context, cfg *TLSConfig) (cert, key string, err error) {
	settings := f.tlsFiles(cfg)
	if settings.Cert != nil {
		if cert, err = settings.Cert.Fetch(ctx); err != nil {
			return "", "", fmt.Errorf("reading the client certificate: %w", err)
		}
	}
	if settings.Key != nil {
		if key, err = settings.Key.Fetch(ctx); err != nil {
			return "", "", fmt.Errorf("reading the client certificate's key: %w", err)
		}
	}
	return cert, key, nil
}
