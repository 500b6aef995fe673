package sandbox_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"cckm_sync_exporter/collector/sandbox"
)

// TestWatch holds that a file which takes another one's place is told, once,
// and that one which is changed in its place is not.
func TestWatch(t *testing.T) {
	dir := t.TempDir()
	file, stays := filepath.Join(dir, "resolv.conf"), filepath.Join(dir, "hosts")
	for _, path := range []string{file, stays, file + ".new"} {
		if err := os.WriteFile(path, []byte("1"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	watch := sandbox.NewWatch([]string{file, stays, filepath.Join(dir, "missing")})
	want := func(want ...string) {
		t.Helper()
		if got := watch.Replaced(); !slices.Equal(got, want) {
			t.Errorf("replaced are %q, want %q", got, want)
		}
	}
	want()
	if err := os.WriteFile(stays, []byte("2"), 0o600); err != nil {
		t.Fatal(err)
	}
	want()
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
	want(file)
	want()
}
