// Package deploy_test checks the quickstart's compose file.
package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// TestCompose checks that the mounted files exist, that every rule file is mounted, that
// mounts are read-only, and that images are pinned.
func TestCompose(t *testing.T) {
	compose := livetest.ReadFile(t, "compose.yaml")
	mounts := regexp.MustCompile(`(?m)^\s+- (\./\S+?):(/\S+?)(:ro)?$`).FindAllStringSubmatch(compose, -1)
	if len(mounts) == 0 {
		t.Fatal("nothing is mounted")
	}
	mounted := map[string]bool{}
	for _, mount := range mounts {
		if _, err := os.Stat(mount[1]); err != nil {
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
			t.Errorf("%s is not mounted", rule)
		}
	}
	_, exporter, _ := strings.Cut(compose, "\n  exporter:\n")
	exporter, _, _ = strings.Cut(exporter, "\n  prometheus:\n")
	for _, setting := range []string{
		"read_only: true", "cap_drop: [ALL]", `security_opt: ["no-new-privileges:true"]`,
		"healthcheck:\n      test: [CMD, /bin/cckm_sync_exporter, healthy]",
	} {
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
	// The configuration files name every address as localhost.
	if shared := strings.Count(compose, `network_mode: "service:exporter"`); shared != len(images) {
		t.Errorf("%d of %d images share the exporter's network", shared, len(images))
	}
}
