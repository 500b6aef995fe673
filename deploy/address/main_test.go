package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// top is the repository.
const top = "../.."

// published returns the address that the repository has.
func published(t *testing.T) *address {
	t.Helper()
	values := map[string]string{}
	for _, found := range regexp.MustCompile(`(?m)^(\w+)='(.*)'$`).FindAllStringSubmatch(livetest.ReadFile(t, top, file), -1) {
		values[found[1]] = found[2]
	}
	return &address{Repository: values["REPOSITORY"], Image: values["IMAGE"], Charts: values["CHARTS"], Maintainer: values["MAINTAINER"]}
}

// clone skips a test of the source of a release, which lacks the list of its files.
func clone(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(top, ".git")); err != nil {
		t.Skip("this is not a clone of the repository: ", err)
	}
}

// files returns the text of each file of the repository.
func files(t *testing.T) map[string]string {
	t.Helper()
	clone(t)
	all := map[string]string{}
	for name := range strings.SplitSeq(livetest.Run(t, top, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"), "\x00") {
		if info, err := os.Lstat(filepath.Join(top, name)); err == nil && info.Mode().IsRegular() {
			all[name] = livetest.ReadFile(t, top, name)
		}
	}
	if len(all) < 300 {
		t.Fatalf("only %d files", len(all))
	}
	return all
}

// copied writes the files of the repository, and its links, to a directory of the test.
func copied(t *testing.T) string {
	t.Helper()
	clone(t)
	dir := filepath.Join(t.TempDir(), "clone")
	livetest.Run(t, top, "bash", "-c",
		`git ls-files -z --cached --others --exclude-standard | tar --create --null --files-from=- --ignore-failed-read | tar --extract --one-top-level="$0"`, dir)
	return dir
}

// TestConsistent checks that every file has the address that is set.
func TestConsistent(t *testing.T) {
	dir := copied(t)
	if changed, err := published(t).apply(dir); err != nil || len(changed) > 0 {
		t.Errorf("not of the address in %s: %q, %v", file, changed, err)
	}
}

// TestNoOtherAddress checks that no file refers to an address of the project that is not set, or to anything
// else on the internet, except for the modules that are used and the names that are known here.
func TestNoOtherAddress(t *testing.T) {
	// Names that nobody can register, and of hosts in a network of one's own.
	ours := regexp.MustCompile(`(?i)(^|\.)(example|invalid|localhost|test|svc|internal)\.?$|(^|\.)example\.(com|org|net)\.?$|^[^.]*$|^[\d.]+$`)
	hosts := []string{
		"token.actions.githubusercontent.com", "json-schema.org", "semver.org", "www.apache.org", "www.contributor-covenant.org", "www.debian.org",
		"github.com", // See below.
	}
	owners := []string{"goreleaser", "CycloneDX", "rhysd", "golangci", "prometheus-operator", "example", "OWNER"}
	modules := livetest.ReadFile(t, top, "go.mod") + livetest.ReadFile(t, top, "go.sum")
	set := published(t)
	for name, text := range files(t) {
		// These name what must not be imported, the addresses of this test, and programs for other tests.
		if name == ".golangci.yml" || name == "deploy/address/main_test.go" || strings.HasPrefix(name, "deploy/e2e/") {
			continue
		}
		for _, part := range []string{set.Repository, set.Image, set.Charts} {
			if part != "" {
				text = strings.ReplaceAll(text, part, "")
			}
		}
		for _, url := range regexp.MustCompile(`https?://(?:[\w.~-]*@)?([\w.-]+)`).FindAllStringSubmatch(text, -1) {
			if !ours.MatchString(url[1]) && !slices.Contains(hosts, url[1]) {
				t.Errorf("%s refers to %s", name, url[1])
			}
		}
		for _, page := range regexp.MustCompile(`\bgithub\.com/([\w-]+)`).FindAllStringSubmatch(text, -1) {
			if !slices.Contains(owners, page[1]) && !strings.Contains(modules, page[0]+"/") {
				t.Errorf("%s refers to %s", name, page[0])
			}
		}
		if found := regexp.MustCompile(`\b(ghcr|gcr|quay|docker)\.io/[\w-]+|\w+@users\.noreply[\w.]*`).FindString(text); found != "" && name != "deploy/address/main.go" {
			t.Errorf("%s refers to %s", name, found)
		}
	}
}

// TestSet sets an address in a copy of the repository, where the checks must still pass, and forgets it.
func TestSet(t *testing.T) {
	dir := copied(t)
	const url, image = "https://github.com/Acme/cckm_sync_exporter", "ghcr.io/acme/cckm_sync_exporter"
	set := func(args ...string) {
		t.Helper()
		if _, err := run(args, dir); err != nil {
			t.Fatal(err)
		}
	}
	set("-maintainer", "Jane Doe <jane@example.com>", url+"/")
	for name, wants := range map[string][]string{
		file:                              {"REPOSITORY='" + url + "'\nIMAGE='" + image + "'\nCHARTS='ghcr.io/acme/charts'\nMAINTAINER='Jane Doe <jane@example.com>'\n"},
		".github/SECURITY.md":             {"--certificate-identity=" + url + "/.github/workflows/release.yml@", "--repo Acme/cckm_sync_exporter\n"},
		"deploy/kubernetes/exporter.yaml": {`image: "` + image + `:`},
		"deploy/prometheus/cckm_sync_thresholds.yml": {`runbooks: "` + url + `/blob/main/deploy/runbooks"}`},
		"deploy/helm/cckm-sync-exporter/Chart.yaml":  {"\nhome: " + url + "\nsources: [" + url + "]\n"},
		"deploy/helm/cckm-sync-exporter/values.yaml": {"\n  registry: ghcr.io\n", "\n  repository: acme/cckm_sync_exporter\n"},
	} {
		text := livetest.ReadFile(t, dir, name)
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s has no %q:\n%s", name, want, text)
			}
		}
	}
	t.Run("checks", func(t *testing.T) {
		livetest.All(t)
		livetest.Run(t, dir, "git", "init", "--quiet")
		// Of each package those that read what was changed.
		const affected = "Consistent|NoOtherAddress|Version|Links|Elsewhere|PlainManifests|Readme|Rules$|RuleValues|CheckFiles|Conventions|Workflows|Refusals/no_registry"
		cmd := exec.CommandContext(t.Context(), "go", "test", "-run="+affected, "-skip=TestPromtoolTestRules", "./deploy", "./deploy/address",
			"./deploy/documents", "./deploy/helm", "./deploy/prometheus", "./deploy/workflows")
		cmd.Dir = dir
		if output, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, output)
		}
	})

	set("-image", "registry.example.com:5000/team/exporter", "https://git.example.com/team/exporter")
	if manifests := livetest.ReadFile(t, dir, "deploy/kubernetes/exporter.yaml"); !strings.Contains(manifests, `image: "registry.example.com:5000/team/exporter:`) {
		t.Errorf("the second address is not in the manifests:\n%s", manifests)
	}

	before, err := published(t).apply(dir)
	if err != nil || len(before) < 5 {
		t.Errorf("restoring the address changed %q, %v", before, err)
	}
	for name, want := range files(t) {
		if diff := cmp.Diff(want, livetest.ReadFile(t, dir, name)); diff != "" {
			t.Errorf("%s is not as before (-want +got):\n%s", name, diff)
		}
	}
}

// TestRejected checks that nothing is changed by arguments that are not an address.
func TestRejected(t *testing.T) {
	for why, args := range map[string][]string{
		"exactly one argument":             {},
		"or -none alone":                   {"-none", "https://github.com/acme/exporter"},
		"is not the URL of a repository":   {"http://github.com/acme/exporter"},
		`"https://github.com/acme" is not`: {"https://github.com/acme"},
		"-image is required":               {"https://git.example.com/acme/exporter"},
		"without a tag":                    {"-image", "registry.example.com/acme/exporter:1.2.3", "https://git.example.com/acme/exporter"},
		"is not of the form":               {"-maintainer", "jane@example.com", "https://github.com/acme/exporter"},
		"at the top of the repository":     {"https://github.com/acme/exporter"},
	} {
		if _, err := run(args, t.TempDir()); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, want %q", args, err, why)
		}
	}
}
