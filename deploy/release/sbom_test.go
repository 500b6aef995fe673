package release_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// component is what the test reads of a module in an SBOM.
type component struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Purl     string `json:"purl"`
	Licenses []any  `json:"licenses"`
	Hashes   []struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	} `json:"hashes"`
	Evidence struct {
		Licenses []any `json:"licenses"`
	} `json:"evidence"`
}

// testBills checks that each SBOM lists exactly the modules that the go command
// finds in the program, with a hash and a license, and that the license's text is
// distributed with the program.
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
				t.Errorf("the SBOM is %+v", bill)
			}
			if main := bill.Metadata.Component; main.Name != "cckm_sync_exporter" || main.Version != version || len(main.Licenses) != 1 {
				t.Errorf("the SBOM's subject is %+v", main)
			}
			dir := unpack(t, dist, platform)
			notices := string(read(t, filepath.Join(dir, "THIRD_PARTY_NOTICES.txt")))
			if !strings.Contains(notices, "== go: LICENSE\n\nCopyright 2009 The Go Authors.") {
				t.Error("Go's own license is missing")
			}
			first, rest, _ := strings.Cut(run(t, "", "go", "version", "-m", filepath.Join(dir, program)), "\n")
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
				t.Errorf("go version -m names few modules:\n%s", rest)
			}
			got := make(map[string]string)
			for _, c := range bill.Components {
				got[c.Name] = c.Version
				if !strings.HasPrefix(c.Purl, "pkg:golang/"+c.Name+"@"+c.Version) {
					t.Errorf("%s has the purl %s", c.Name, c.Purl)
				}
				if c.Name == "std" {
					continue // It is no module, so Go records no hash of it.
				}
				if len(c.Hashes) != 1 || c.Hashes[0].Algorithm != "SHA-256" || len(c.Hashes[0].Content) != 64 || len(c.Evidence.Licenses) == 0 {
					t.Errorf("%s has no SHA-256 or no license: %+v", c.Name, c)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("modules (-want +got):\n%s", diff)
			}
		})
	}
}
