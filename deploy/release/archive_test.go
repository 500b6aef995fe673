package release_test

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"debug/buildinfo"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// entry is a file of an archive.
type entry struct {
	name     string
	mode     fs.FileMode
	modified time.Time
	owner    string
	content  []byte
}

// testArchives holds what is in each archive, that nothing in it tells of the
// machine that made it, and that each program is for its platform.
func testArchives(t *testing.T, dist, revision string) {
	t.Helper()
	documents := []string{
		"CHANGELOG.md", "LICENSE", "README.md", "THIRD_PARTY_NOTICES.txt",
		"deploy/docs/configuration.md", "deploy/docs/development.md", "deploy/docs/lists.md", "deploy/docs/metrics.md",
		"deploy/docs/performance.md", "deploy/docs/reading.md", "deploy/docs/security.md", "deploy/docs/troubleshooting.md",
	}
	helps := []string{"completions/_cckm_sync_exporter", "completions/cckm_sync_exporter.bash", "man/cckm_sync_exporter.1"}
	units := []string{"systemd/README.md", "systemd/cckm_sync_exporter.service", "systemd/cckm_sync_exporter.socket"}
	for platform, want := range map[string][][]string{
		"linux-amd64":   {documents, {"cckm_sync_exporter"}, helps, units},
		"linux-arm64":   {documents, {"cckm_sync_exporter"}, helps, units},
		"darwin-arm64":  {documents, {"cckm_sync_exporter"}, helps},
		"windows-amd64": {documents, {"cckm_sync_exporter.exe"}},
	} {
		t.Run(platform, func(t *testing.T) {
			name := "cckm_sync_exporter-" + version + "." + platform
			read := readTar
			if platform == "windows-amd64" {
				read = readZip
			}
			var wanted, got []string
			for _, names := range want {
				for _, file := range names {
					wanted = append(wanted, name+"/"+file)
				}
			}
			for _, file := range read(t, filepath.Join(dist, name)) {
				program := strings.Contains(filepath.Base(file.name), "cckm_sync_exporter") && filepath.Dir(file.name) == name
				if mode := file.mode.Perm(); mode != 0o644 && (!program || mode != 0o755) {
					t.Errorf("%s has the mode %o", file.name, mode)
				}
				if !file.modified.Equal(committed()) || file.owner != "" {
					t.Errorf("%s is of %s and %q", file.name, file.modified, file.owner)
				}
				if len(file.content) == 0 {
					t.Errorf("%s is empty", file.name)
				}
				got = append(got, file.name)
			}
			if diff := cmp.Diff(wanted, got); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			testProgram(t, filepath.Join(unpack(t, dist, platform), filepath.Base(want[1][0])), platform, revision)
		})
	}
}

// testProgram holds that a program is for its platform, and what it says of
// itself where it runs here.
func testProgram(t *testing.T, program, platform, revision string) {
	t.Helper()
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{}
	for _, setting := range info.Settings {
		settings[setting.Key] = setting.Value
	}
	if settings["GOOS"]+"-"+settings["GOARCH"] != platform || settings["CGO_ENABLED"] != "0" || settings["-trimpath"] != "true" {
		t.Errorf("built with %q", settings)
	}
	if platform != runtime.GOOS+"-"+runtime.GOARCH {
		return
	}
	for _, want := range []string{
		"cckm_sync_exporter, version " + version + " (branch: HEAD, revision: " + revision + ")\n",
		"build date:       20261122-12:34:56\n", "build user:       release\n",
	} {
		if got := run(t, "", program, "--version"); !strings.Contains(got, want) {
			t.Errorf("--version does not have %q:\n%s", want, got)
		}
	}
}

// readTar returns the files of a .tar.gz, and fails where they are out of order.
func readTar(t *testing.T, path string) []entry {
	t.Helper()
	file, err := os.Open(path + ".tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var entries []entry
	for archive := tar.NewReader(unzipped); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return entries
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag == tar.TypeDir {
			continue
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		owner := header.Uname + header.Gname
		if header.Uid != 0 || header.Gid != 0 {
			owner += "not root"
		}
		entries = append(entries, entry{header.Name, header.FileInfo().Mode(), header.ModTime, owner, content})
	}
}

// readZip returns the files of a .zip.
func readZip(t *testing.T, path string) []entry {
	t.Helper()
	archive, err := zip.OpenReader(path + ".zip")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = archive.Close() }()
	entries := make([]entry, 0, len(archive.File))
	for _, file := range archive.File {
		reader, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, entry{file.Name, file.Mode(), file.Modified, string(file.Extra), content})
	}
	return entries
}

// unzip writes the files of a .zip, as Windows' own tools would.
func unzip(t *testing.T, path, dir string) {
	t.Helper()
	for _, file := range readZip(t, strings.TrimSuffix(path, ".zip")) {
		target := filepath.Join(dir, filepath.FromSlash(file.name))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(target, file.content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
