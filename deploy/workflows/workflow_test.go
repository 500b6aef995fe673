// Package workflows_test holds GitHub's workflows to the repository's own scripts:
// what a workflow runs by itself is nothing that a developer could run as well.
package workflows_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"
)

// top is the repository.
const top = "../.."

// workflow is what is looked at of a workflow.
type workflow struct {
	Permissions map[string]string `yaml:"permissions"`
	Concurrency map[string]any    `yaml:"concurrency"`
	Jobs        map[string]job    `yaml:"jobs"`
}

type job struct {
	Uses        string            `yaml:"uses"`
	RunsOn      string            `yaml:"runs-on"`
	Timeout     int               `yaml:"timeout-minutes"`
	Permissions map[string]string `yaml:"permissions"`
	Strategy    struct {
		Matrix struct {
			Steps []string `yaml:"steps"`
		} `yaml:"matrix"`
	} `yaml:"strategy"`
	Steps []step `yaml:"steps"`
}

type step struct {
	Uses string         `yaml:"uses"`
	Run  string         `yaml:"run"`
	With map[string]any `yaml:"with"`
}

func read(t *testing.T, name ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(append([]string{top}, name...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// workflows returns all of them by the names of their files.
func workflows(t *testing.T) map[string]workflow {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(top, ".github", "workflows", "*"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("there are no workflows: %v", err)
	}
	all := map[string]workflow{}
	for _, path := range paths {
		var w workflow
		name := filepath.Base(path)
		if err := yaml.Unmarshal([]byte(read(t, ".github", "workflows", name)), &w); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[name] = w
	}
	return all
}

// TestRunsScripts holds that each command of a workflow is one script of the
// repository, and that it is there.
func TestRunsScripts(t *testing.T) {
	script := regexp.MustCompile(`^bash (\S+)((?: [a-z]+)*)( \$\{\{ matrix\.steps \}\})?$`)
	ciSteps := regexp.MustCompile(`(?m)^step_(\w+)\(\)`)
	known := map[string]bool{}
	for _, found := range ciSteps.FindAllStringSubmatch(read(t, ".ci", "run"), -1) {
		known[found[1]] = true
	}
	for name, w := range workflows(t) {
		for id, j := range w.Jobs {
			for _, s := range j.Steps {
				if s.Run == "" {
					continue
				}
				found := script.FindStringSubmatch(s.Run)
				if found == nil {
					t.Errorf("%s, job %s: %q is not one script of the repository", name, id, s.Run)
					continue
				}
				if _, err := os.Stat(filepath.Join(top, found[1])); err != nil {
					t.Errorf("%s, job %s: %v", name, id, err)
				}
				if strings.TrimSpace(found[2]) != "" && found[1] != ".ci/run" {
					t.Errorf("%s, job %s: %q has arguments", name, id, s.Run)
				}
				for word := range strings.FieldsSeq(found[2]) {
					if !known[word] {
						t.Errorf("%s, job %s: .ci/run has no step %s", name, id, word)
					}
				}
			}
		}
	}
}

// TestRunsEveryStep holds that CI leaves out no step of .ci/run, and runs each once.
func TestRunsEveryStep(t *testing.T) {
	found := regexp.MustCompile(`(?m)^steps=\(install (.*)\)$`).FindStringSubmatch(read(t, ".ci", "run"))
	if found == nil {
		t.Fatal(".ci/run names no steps")
	}
	want := strings.Fields(found[1])
	got := strings.Fields(strings.Join(workflows(t)["ci.yml"].Jobs["checks"].Strategy.Matrix.Steps, " "))
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the steps of .ci/run, and those of ci.yml's matrix (-want +got):\n%s", diff)
	}
}

// TestLeastRights holds what keeps a workflow that goes wrong from doing more than
// it has to.
func TestLeastRights(t *testing.T) {
	may := map[string][]string{
		"ci.yml/checks":        {"contents: read"},
		"release.yml/checks":   {"contents: read"},
		"release.yml/packages": {"contents: read"},
		"release.yml/image":    {"attestations: write", "contents: read", "id-token: write"},
		"release.yml/publish":  {"attestations: write", "contents: write", "id-token: write"},
	}
	for name, w := range workflows(t) {
		if w.Permissions == nil || len(w.Permissions) > 0 {
			t.Errorf("%s: all jobs have the permissions %v, want {}", name, w.Permissions)
		}
		if w.Concurrency["group"] == nil {
			t.Errorf("%s runs beside itself", name)
		}
		for id, j := range w.Jobs {
			got := make([]string, 0, len(j.Permissions))
			for scope, access := range j.Permissions {
				got = append(got, scope+": "+access)
			}
			slices.Sort(got)
			if diff := cmp.Diff(may[name+"/"+id], got); diff != "" {
				t.Errorf("%s, job %s: permissions (-want +got):\n%s", name, id, diff)
			}
			if j.Uses == "" && (j.Timeout == 0 || !regexp.MustCompile(`-\d+\.\d+$`).MatchString(j.RunsOn)) {
				t.Errorf("%s, job %s: no time-out, or a runner that changes by itself: %d, %s", name, id, j.Timeout, j.RunsOn)
			}
			for _, s := range j.Steps {
				if strings.HasPrefix(s.Uses, "actions/checkout@") && fmt.Sprint(s.With["persist-credentials"]) != "false" {
					t.Errorf("%s, job %s: the token is left in the clone", name, id)
				}
			}
		}
	}
}

// TestPinned holds that an action is the commit that somebody looked at, the same
// one everywhere, with its version beside it for the reader and for Dependabot.
func TestPinned(t *testing.T) {
	use := regexp.MustCompile(`(?m)^.*\buses:\s*(\S+)(.*)$`)
	pinned := regexp.MustCompile(`^([\w-]+/[\w/-]+)@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	first := map[string]string{}
	for name := range workflows(t) {
		for _, found := range use.FindAllStringSubmatch(read(t, ".github", "workflows", name), -1) {
			if strings.HasPrefix(found[1], "./") {
				continue
			}
			text := found[1] + found[2]
			parts := pinned.FindStringSubmatch(text)
			if parts == nil {
				t.Errorf("%s: %s is not pinned as OWNER/NAME@COMMIT # vX.Y.Z", name, text)
				continue
			}
			if before, ok := first[parts[1]]; ok && before != text {
				t.Errorf("%s and %s are of the same action", before, text)
			}
			first[parts[1]] = text
		}
	}
}

// TestGoVersion holds that workflows and image build with one version of Go.
func TestGoVersion(t *testing.T) {
	want := regexp.MustCompile(`(?m)^ARG GO_VERSION=(.*)$`).FindStringSubmatch(read(t, "Dockerfile"))[1]
	for name, w := range workflows(t) {
		for id, j := range w.Jobs {
			for _, s := range j.Steps {
				if strings.HasPrefix(s.Uses, "actions/setup-go@") && s.With["go-version"] != want {
					t.Errorf("%s, job %s: Go %v, and the Dockerfile has %s", name, id, s.With["go-version"], want)
				}
			}
		}
	}
}
