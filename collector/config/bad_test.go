package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"cckm_sync_exporter/collector/config"
)

var update = flag.Bool("update", false, "rewrite the messages in testdata")

// TestBadFiles checks the exact messages of bad files. In the archive, each file is followed by its
// messages.
func TestBadFiles(t *testing.T) {
	path := filepath.Join("testdata", "bad.txtar")
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	path, err = filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	fill(t, dir)
	// The messages name files by the paths that they are given by.
	t.Chdir(dir)
	const least = 90
	if n := len(archive.Files) / 2; n < least {
		t.Errorf("%d files, want %d or more", n, least)
	}
	for i := 0; i+1 < len(archive.Files); i += 2 {
		bad, want := &archive.Files[i], &archive.Files[i+1]
		if bad.Name+": messages" != want.Name {
			t.Fatalf("%s is followed by %s", bad.Name, want.Name)
		}
		t.Run(bad.Name, func(t *testing.T) {
			write(t, "config.yml", bad.Data)
			targets, err := config.Load("config.yml", defaults())
			if err == nil {
				t.Fatal("no error")
			}
			if targets != nil {
				t.Error("there are targets in spite of the error")
			}
			got := err.Error() + "\n"
			if strings.Contains(got, secret) {
				t.Errorf("the messages show a secret:\n%s", got)
			}
			if *update {
				want.Data = []byte(got)
			} else if diff := cmp.Diff(string(want.Data), got); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
		})
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(archive), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
