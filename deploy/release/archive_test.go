package release_test

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// testArchives checks each archive, the program in it, and the program's SBOM.
func testArchives(t *testing.T, dist, revision string) {
	t.Helper()
	documents := []string{"CHANGELOG.md", "LICENSE", "README.md", "THIRD_PARTY_NOTICES.txt"}
	for _, dir := range []string{"config", "docs", "runbooks"} {
		for _, name := range namesIn(t, "../"+dir) {
			if dir == "config" || strings.HasSuffix(name, ".md") {
				documents = append(documents, "deploy/"+dir+"/"+name)
			}
		}
	}
	helps := []string{"completions/_cckm_sync_exporter", "completions/cckm_sync_exporter.bash", "man/cckm_sync_exporter.1"}
	units := []string{"systemd/README.md", "systemd/cckm_sync_exporter.service", "systemd/cckm_sync_exporter.socket"}
	for platform, files := range map[string][][]string{
		"linux-amd64":   {documents, {"cckm_sync_exporter"}, helps, units},
		"linux-arm64":   {documents, {"cckm_sync_exporter"}, helps, units},
		"linux-armv7":   {documents, {"cckm_sync_exporter"}, helps, units},
		"linux-ppc64le": {documents, {"cckm_sync_exporter"}, helps, units},
		"linux-riscv64": {documents, {"cckm_sync_exporter"}, helps, units},
		"linux-s390x":   {documents, {"cckm_sync_exporter"}, helps, units},
		"darwin-arm64":  {documents, {"cckm_sync_exporter"}, helps},
		"freebsd-amd64": {documents, {"cckm_sync_exporter"}, helps},
		"windows-amd64": {documents, {"cckm_sync_exporter.exe"}},
	} {
		t.Run(platform, func(t *testing.T) {
			program := files[1][0]
			var want strings.Builder
			for _, name := range slices.Sorted(slices.Values(slices.Concat(files...))) {
				mode := "-rw-r--r-- "
				if name == program {
					mode = "-rwxr-xr-x "
				}
				want.WriteString(mode + "2026-11-22 12:34:56 cckm_sync_exporter-" + version + "." + platform + "/" + name + "\n")
			}
			dir, listing := unpack(t, dist, platform)
			if diff := cmp.Diff(want.String(), listing); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			testProgram(t, filepath.Join(dir, program), platform, revision)
			testSBOM(t, dist, dir, program, platform)
		})
	}
}

// unpack unpacks a release's archive. It returns the directory and a line for each
// file with its mode, time and name. A file of a user other than root, or without
// content, has another form of line.
func unpack(t *testing.T, dist, platform string) (dir, listing string) {
	t.Helper()
	root, name := t.TempDir(), "cckm_sync_exporter-"+version+"."+platform
	dir = filepath.Join(root, name)
	if platform != "windows-amd64" {
		path := filepath.Join(dist, name+".tar.gz")
		livetest.Run(t, root, "tar", "-xf", path)
		list := livetest.Run(t, "", "env", "TZ=UTC", "tar", "--list", "--verbose", "--numeric-owner", "--full-time", "--file="+path)
		list = regexp.MustCompile(`(?m)^d.*\n`).ReplaceAllString(list, "")
		return dir, regexp.MustCompile(`(?m)^(\S+) 0/0 +[1-9]\d* `).ReplaceAllString(list, "$1 ")
	}
	archive, err := zip.OpenReader(filepath.Join(dist, name+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = archive.Close() }()
	var lines strings.Builder
	for _, file := range archive.File {
		fmt.Fprintf(&lines, "%s %s %s%s\n", file.Mode(), file.Modified.Format(time.DateTime), file.Name, file.Extra)
	}
	if err := os.CopyFS(root, archive); err != nil {
		t.Fatal(err)
	}
	return dir, lines.String()
}

// testProgram checks how a program was built and, if it runs here, its version.
func testProgram(t *testing.T, program, platform, revision string) {
	t.Helper()
	info := livetest.Run(t, "", "go", "version", "-m", program)
	system, arch, _ := strings.Cut(platform, "-")
	arch, _ = strings.CutSuffix(arch, "v7")
	for _, setting := range []string{"GOOS=" + system, "GOARCH=" + arch, "CGO_ENABLED=0", "-trimpath=true"} {
		if !strings.Contains(info, "\tbuild\t"+setting+"\n") {
			t.Errorf("not built with %s:\n%s", setting, info)
		}
	}
	if platform != runtime.GOOS+"-"+runtime.GOARCH {
		return
	}
	want := "cckm_sync_exporter, version " + version + " (branch: HEAD, revision: " + revision + ")\n" +
		"  build user:       release\n  build date:       2026-11-22T12:34:56Z\n"
	if got := livetest.Run(t, "", program, "--version"); !strings.HasPrefix(got, want) {
		t.Errorf("--version prints\n%s, want\n%s", got, want)
	}
}

// component is a module of an SBOM.
type component struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	PURL     string `json:"purl"`
	Licenses []any  `json:"licenses"`
}

// testSBOM checks that an SBOM lists exactly the modules that the go command finds
// in the program, and that their licenses are distributed with it.
func testSBOM(t *testing.T, dist, dir, program, platform string) {
	t.Helper()
	var sbom struct {
		Metadata struct {
			Timestamp string    `json:"timestamp"`
			Component component `json:"component"`
		} `json:"metadata"`
		Components []component `json:"components"`
	}
	if err := json.Unmarshal([]byte(livetest.ReadFile(t, dist, "cckm_sync_exporter-"+version+"."+platform+".cdx.json")), &sbom); err != nil {
		t.Fatal(err)
	}
	if main := sbom.Metadata.Component; main.Name != "cckm_sync_exporter" || main.Version != version || len(main.Licenses) != 1 ||
		sbom.Metadata.Timestamp != "2026-11-22T12:34:56Z" {
		t.Errorf("the SBOM is about %+v", sbom.Metadata)
	}
	notices := "\n" + livetest.ReadFile(t, dir, "THIRD_PARTY_NOTICES.txt")
	if !strings.Contains(notices, "\n== go: LICENSE\n\nCopyright 2009 The Go Authors.") {
		t.Error("Go's own license is missing")
	}
	// A package in this module is of others.
	if !regexp.MustCompile(`(?m)^== github\.com/prometheus/client_golang: internal/.+/LICENSE$`).MatchString(notices) {
		t.Error("the license in the directory of a package is missing")
	}
	first, rest, _ := strings.Cut(livetest.Run(t, "", "go", "version", "-m", filepath.Join(dir, program)), "\n")
	words := strings.Fields(first)
	want := map[string]string{"std": words[len(words)-1]}
	for line := range strings.Lines(rest) {
		if fields := strings.Fields(line); fields[0] == "dep" {
			want[fields[1]] = fields[2]
			if !strings.Contains(notices, "\n== "+fields[1]+": ") {
				t.Errorf("the license of %s is missing", fields[1])
			}
		}
	}
	if len(want) < 10 {
		t.Errorf("go version -m lists few modules:\n%s", rest)
	}
	got := make(map[string]string)
	system, arch, _ := strings.Cut(strings.TrimSuffix(platform, "v7"), "-")
	for _, c := range append(sbom.Components, sbom.Metadata.Component) {
		if !strings.Contains(c.PURL, "?goarch="+arch+"&goos="+system+"&") {
			t.Errorf("the SBOM has a component of another platform: %s", c.PURL)
		}
	}
	for _, c := range sbom.Components {
		got[c.Name] = c.Version
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("modules (-want +got):\n%s", diff)
	}
}
