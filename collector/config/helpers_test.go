package config_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"cckm_sync_exporter/collector/config"
	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/collector/syncjob"
)

// secret is in each place where a password or a key may be.
const secret = "SECRET"

// defaults are those of the flags, with another list.
func defaults() config.Target {
	return config.Target{
		Lists: syncjob.Lists()[1:2],
		Reading: config.Reading{
			PageSize: 1000, Concurrency: 4, Timeout: 30 * time.Second, TimeoutOffset: 500 * time.Millisecond,
			FullReadInterval: 10 * time.Minute, FullReadTimeout: 2 * time.Minute,
		},
	}
}

// fill writes the files that a configuration may name.
func fill(tb testing.TB, dir string) {
	tb.Helper()
	server, err := simulator.New(simulator.Options{}).StartTLS()
	if err != nil {
		tb.Fatal(err)
	}
	defer server.Close()
	cert, key, err := server.ClientCertificate("client")
	if err != nil {
		tb.Fatal(err)
	}
	_, otherKey, err := server.ClientCertificate("other")
	if err != nil {
		tb.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"password":     []byte(secret + "\n"),
		"empty":        []byte("\n"),
		"latin1":       []byte(secret + "-\xe4\n"),
		"utf16":        []byte("\xff\xfeS\x00\n\x00"),
		"ca.pem":       server.CAPEM,
		"cert.pem":     cert,
		"key.pem":      key,
		"otherkey.pem": otherKey,
		"garbage.pem":  []byte(secret),
		"large.pem":    make([]byte, 1<<20+1),
	} {
		write(tb, filepath.Join(dir, name), content)
	}
}

func write(tb testing.TB, path string, content []byte) {
	tb.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil { //nolint:gosec // The path is within the test's own directory.
		tb.Fatal(err)
	}
}
