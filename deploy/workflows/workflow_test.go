// Package workflows_test checks in GitHub's workflows what actionlint cannot know:
// pinned actions, permissions, and that they run the repository's own scripts.
package workflows_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"
)

const top = "../.."

type job struct {
	Uses        string            `yaml:"uses"`
	Timeout     int               `yaml:"timeout-minutes"`
	Permissions map[string]string `yaml:"permissions"`
	Strategy    struct {
		Matrix struct {
			Steps []string `yaml:"steps"`
		} `yaml:"matrix"`
	} `yaml:"strategy"`
	Steps []struct {
		Uses string `yaml:"uses"`
		Run  string `yaml:"run"`
		With struct {
			Credentials string `yaml:"persist-credentials"`
			GoVersion   string `yaml:"go-version"`
		} `yaml:"with"`
	} `yaml:"steps"`
}

func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(top, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// find returns the first group of each match of a pattern in a file, which must have one.
func find(t *testing.T, file, pattern string) []string {
	t.Helper()
	matches := regexp.MustCompile(pattern).FindAllStringSubmatch(read(t, file), -1)
	found := make([]string, 0, len(matches))
	for _, match := range matches {
		found = append(found, match[1])
	}
	if len(found) == 0 {
		t.Fatalf("%s has no %s", file, pattern)
	}
	return found
}

func TestWorkflows(t *testing.T) {
	permissions := map[string]map[string]string{
		"ci.yml/checks":        {"contents": "read"},
		"release.yml/checks":   {"contents": "read"},
		"release.yml/packages": {"contents": "read"},
		"release.yml/image":    {"contents": "read", "attestations": "write", "id-token": "write"},
		"release.yml/publish":  {"contents": "write", "attestations": "write", "id-token": "write"},
		"nightly.yml/nightly":  {"contents": "read"},
		// They upload alerts of code scanning.
		"codeql.yml/codeql":       {"contents": "read", "security-events": "write"},
		"scorecard.yml/scorecard": {"contents": "read", "security-events": "write"},
	}
	script := regexp.MustCompile(`^bash (\.ci/run( [a-z]+)* ?(\$\{\{ matrix\.steps \}\})?|deploy/\S+\.sh)$`)
	goVersion := find(t, "Dockerfile", `(?m)^ARG GO_VERSION=(.*)$`)[0]
	ran := map[string][]string{}
	// pins are the commits of actions, by the repository.
	pins := map[string]string{}
	files, err := filepath.Glob(top + "/.github/workflows/*")
	if err != nil || len(files) < 2 {
		t.Fatalf("workflows: %q, %v", files, err)
	}
	for _, path := range files {
		file := filepath.Base(path)
		var workflow struct {
			Permissions map[string]string `yaml:"permissions"`
			Jobs        map[string]job    `yaml:"jobs"`
		}
		if err := yaml.Unmarshal([]byte(read(t, ".github/workflows/"+file)), &workflow); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if workflow.Permissions == nil || len(workflow.Permissions) > 0 {
			t.Errorf("%s: the default permissions are %v, want {}", file, workflow.Permissions)
		}
		for id, job := range workflow.Jobs {
			name := file + "/" + id
			if diff := cmp.Diff(permissions[name], job.Permissions); diff != "" {
				t.Errorf("%s: permissions (-want +got):\n%s", name, diff)
			}
			if job.Uses == "" && job.Timeout == 0 {
				t.Errorf("%s has no timeout", name)
			}
			ran[file] = append(ran[file], strings.Fields(strings.Join(job.Strategy.Matrix.Steps, " "))...)
			for _, step := range job.Steps {
				if step.Run != "" && !script.MatchString(step.Run) {
					t.Errorf("%s: %q is not a script of the repository", name, step.Run)
				}
				if strings.HasPrefix(step.Uses, "actions/checkout@") && step.With.Credentials != "false" {
					t.Errorf("%s: the token stays in the clone", name)
				}
				if strings.HasPrefix(step.Uses, "actions/setup-go@") && step.With.GoVersion != goVersion {
					t.Errorf("%s: Go %s, and the Dockerfile has %s", name, step.With.GoVersion, goVersion)
				}
			}
		}
		pinned := regexp.MustCompile(`^(\./|[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$)`)
		for _, used := range find(t, ".github/workflows/"+file, `(?m)^.*\buses: (.*)$`) {
			if !pinned.MatchString(used) {
				t.Errorf("%s: %s is not pinned as OWNER/NAME@COMMIT # vX.Y.Z", file, used)
			}
			if action, pin, ok := strings.Cut(used, "@"); ok {
				repository := strings.Join(strings.Split(action, "/")[:2], "/")
				if other := pins[repository]; other != "" && other != pin {
					t.Errorf("%s: %s is at %s here, and at %s elsewhere", file, repository, pin, other)
				}
				pins[repository] = pin
			}
		}
	}
	steps := strings.Fields(find(t, ".ci/run", `(?m)^steps=\(install (.*)\)$`)[0])
	slices.Sort(steps)
	slices.Sort(ran["ci.yml"])
	if diff := cmp.Diff(steps, ran["ci.yml"]); diff != "" {
		t.Errorf("the steps of .ci/run, and those of ci.yml's matrix (-want +got):\n%s", diff)
	}
	nightly := []string{"vulnerabilities", "fuzz", "platforms"}
	if diff := cmp.Diff(nightly, ran["nightly.yml"]); diff != "" {
		t.Errorf("what is not among the steps of .ci/run, and nightly.yml's matrix (-want +got):\n%s", diff)
	}
}

// TestIssueForms checks that each form for issues has what GitHub requires, and asks for what is needed.
func TestIssueForms(t *testing.T) {
	required := map[string][]string{"problem.yml": {"check", "version", "what"}, "feature.yml": {"need"}}
	for name, want := range required {
		var form struct {
			Name, Description string
			Body              []struct {
				Type, ID    string
				Attributes  map[string]string
				Validations struct{ Required bool }
			}
		}
		if err := yaml.Unmarshal([]byte(read(t, ".github/ISSUE_TEMPLATE/"+name)), &form); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got []string
		for _, field := range form.Body {
			if field.Type != "markdown" && (field.ID == "" || field.Attributes["label"] == "") {
				t.Errorf("%s: a field has no id or label: %+v", name, field)
			}
			if field.Validations.Required {
				got = append(got, field.ID)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" || form.Name == "" || form.Description == "" {
			t.Errorf("%s (%q, %q): required fields (-want +got):\n%s", name, form.Name, form.Description, diff)
		}
	}
}
