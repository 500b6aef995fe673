// Package deploy_test holds the quickstart's compose file.
package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestCompose holds that every file that the quickstart mounts is there and is
// mounted read-only, that every rule file which prometheus.yml loads is mounted,
// and that images are pinned. What the files hold is held by the tests beside
// them.
func TestCompose(t *testing.T) {
	content, err := os.ReadFile("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	compose := string(content)
	mounts := regexp.MustCompile(`(?m)^\s+- (\./\S+?):(/\S+?)(:ro)?$`).FindAllStringSubmatch(compose, -1)
	if len(mounts) == 0 {
		t.Fatal("nothing is mounted")
	}
	mounted := map[string]bool{}
	for _, mount := range mounts {
		if _, err := os.Stat(mount[1]); err != nil { //nolint:gosec // The paths are those of a file of ours.
			t.Errorf("%v", err)
		}
		if mount[3] == "" {
			t.Errorf("%s is not mounted read-only", mount[1])
		}
		mounted[filepath.Clean(mount[1])] = true
	}
	rules, err := filepath.Glob("prometheus/cckm_sync_*.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range rules {
		if !mounted[rule] {
			t.Errorf("%s is loaded by prometheus.yml and not mounted", rule)
		}
	}
	// The exporter's own container can write nothing and has no right of root's.
	_, exporter, _ := strings.Cut(compose, "\n  exporter:\n")
	exporter, _, _ = strings.Cut(exporter, "\n  prometheus:\n")
	for _, setting := range []string{"read_only: true", "cap_drop: [ALL]", `security_opt: ["no-new-privileges:true"]`} {
		if !strings.Contains(exporter, "\n    "+setting+"\n") {
			t.Errorf("the exporter lacks %s", setting)
		}
	}
	images := regexp.MustCompile(`(?m)^\s+image: (\S+)$`).FindAllStringSubmatch(compose, -1)
	for _, image := range images {
		if _, tag, _ := strings.Cut(image[1], ":"); tag == "" || tag == "latest" {
			t.Errorf("the image %s is not pinned", image[1])
		}
	}
	// Everything is on localhost in the configuration files.
	if shared := strings.Count(compose, `network_mode: "service:exporter"`); shared != len(images) {
		t.Errorf("%d of %d images share the exporter's network", shared, len(images))
	}
}
