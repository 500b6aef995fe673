package release_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// run runs a program in a directory, and returns its standard output. A failure
// ends the test.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	var mistakes bytes.Buffer
	command.Dir, command.Stderr = dir, &mistakes
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s%s", name, args, err, output, &mistakes)
	}
	return string(output)
}

// namesIn returns the names in a directory, sorted.
func namesIn(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// unpack unpacks a release's archive, and returns the directory that it holds.
func unpack(t *testing.T, dist, platform string) string {
	t.Helper()
	dir, name := t.TempDir(), "cckm_sync_exporter-"+version+"."+platform
	if platform == "windows-amd64" {
		unzip(t, filepath.Join(dist, name+".zip"), dir)
	} else {
		run(t, dir, "tar", "-xzf", filepath.Join(dist, name+".tar.gz"))
	}
	return filepath.Join(dir, name)
}

// tree returns the files below a directory, and the directories that hold none,
// each with its permissions and content.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content := ""
		switch {
		case entry.IsDir():
			within, err := os.ReadDir(path)
			if err != nil || len(within) > 0 {
				return err
			}
		case entry.Type()&fs.ModeSymlink != 0:
			content, err = os.Readlink(path)
			if err != nil {
				return err
			}
		default:
			content = string(read(t, path))
		}
		files[strings.TrimPrefix(path, root)] = info.Mode().String() + "\n" + content
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
