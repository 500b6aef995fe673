package release_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testBills holds that a bill of materials lists the modules that the program
// has, as the go command reads them, and no other, and that the license of each
// lies beside the program.
func testBills(t *testing.T, dist string) {
	t.Helper()
	for platform, program := range map[string]string{
		"linux-amd64": "cckm_sync_exporter", "linux-arm64": "cckm_sync_exporter",
		"darwin-arm64": "cckm_sync_exporter", "windows-amd64": "cckm_sync_exporter.exe",
	} {
		t.Run(platform, func(t *testing.T) {
			var bill struct {
				Format   string `json:"bomFormat"`
				Spec     string `json:"specVersion"`
				Metadata struct {
					Timestamp string    `json:"timestamp"`
					Component component `json:"component"`
				} `json:"metadata"`
				Components []component `json:"components"`
			}
			if err := json.Unmarshal(read(t, filepath.Join(dist, "cckm_sync_exporter-"+version+"."+platform+".cdx.json")), &bill); err != nil {
				t.Fatal(err)
			}
			if bill.Format != "CycloneDX" || bill.Spec != "1.6" || bill.Metadata.Timestamp != "2026-11-22T12:34:56Z" {
				t.Errorf("the bill is %+v", bill)
			}
			if diff := cmp.Diff(component{"application", "cckm_sync_exporter", version, "pkg:golang/cckm_sync_exporter@" + version}, bill.Metadata.Component); diff != "" {
				t.Errorf("what the bill is of (-want +got):\n%s", diff)
			}
			dir := unpack(t, dist, platform)
			notices := string(read(t, filepath.Join(dir, "THIRD_PARTY_NOTICES.txt")))
			if !strings.Contains(notices, "== go: LICENSE\n\nCopyright 2009 The Go Authors.") {
				t.Error("Go's own license is missing")
			}
			first, rest, _ := strings.Cut(run(t, "", "go", "version", "-m", filepath.Join(dir, program)), "\n")
			words := strings.Fields(first)
			want := []component{library("std", strings.TrimPrefix(words[len(words)-1], "go"))}
			for line := range strings.Lines(rest) {
				if fields := strings.Fields(line); fields[0] == "dep" {
					want = append(want, library(fields[1], fields[2]))
					if !strings.Contains(notices, "\n== "+fields[1]+": ") {
						t.Errorf("the license of %s is missing", fields[1])
					}
				}
			}
			if len(want) < 10 {
				t.Errorf("go version -m names few modules:\n%s", rest)
			}
			if diff := cmp.Diff(want, bill.Components); diff != "" {
				t.Errorf("components (-want +got):\n%s", diff)
			}
		})
	}
}

// component is what a bill says of a module.
type component struct {
	Type    string `json:"type"`
	Name    string `json:"name"`
	Version string `json:"version"`
	Purl    string `json:"purl"`
}

func library(name, version string) component {
	return component{"library", name, version, "pkg:golang/" + name + "@" + version}
}
