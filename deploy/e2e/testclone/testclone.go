// Package testclone makes copies of the repository that tests may commit to, tag and release.
package testclone

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// Clone is a repository in Dir.
type Clone struct{ Dir string }

// New returns a repository with one commit: the files of this one as they are now,
// committed or not.
func New(t *testing.T) Clone {
	t.Helper()
	top := strings.TrimSpace(livetest.Run(t, "", "go", "list", "-m", "-f", "{{.Dir}}"))
	c := Clone{Dir: t.TempDir()}
	c.Git(t, "init", "--quiet")
	c.Git(t, "--git-dir="+c.Dir+"/.git", "--work-tree="+top, "-C", top, "add", "--all")
	c.Git(t, "commit", "--quiet", "--message", "commit")
	c.Git(t, "reset", "--quiet", "--hard")
	return c
}

// Checkout returns another clone, of a tag alone.
func (c Clone) Checkout(t *testing.T, tag string) Clone {
	t.Helper()
	other := Clone{Dir: filepath.Join(t.TempDir(), "elsewhere")}
	c.Git(t, "clone", "--quiet", "--depth=1", "--branch="+tag, "file://"+c.Dir, other.Dir)
	return other
}

// Git runs git without the user's configuration and returns its output. Every commit
// has the same time.
func (c Clone) Git(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...) //nolint:gosec // Tests give the arguments.
	const stamp = "2026-11-22T12:34:56Z"
	cmd.Dir = c.Dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@example.com", "GIT_AUTHOR_DATE="+stamp,
		"GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@example.com", "GIT_COMMITTER_DATE="+stamp)
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %q: %v\n%s", args, err, output)
	}
	return strings.TrimSpace(string(output))
}

// Changelog replaces the heading of the newest section of CHANGELOG.md.
func (c Clone) Changelog(t *testing.T, heading string) {
	t.Helper()
	text := livetest.ReadFile(t, c.Dir, "CHANGELOG.md")
	first := regexp.MustCompile(`(?m)^## .*$`).FindString(text)
	c.Write(t, "CHANGELOG.md", strings.Replace(text, first, "## "+heading, 1))
}

// Write writes a file.
func (c Clone) Write(t *testing.T, name, content string) {
	t.Helper()
	//nolint:gosec // As git writes it.
	if err := os.WriteFile(filepath.Join(c.Dir, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Tag commits every change with a heading of CHANGELOG.md, and tags it.
func (c Clone) Tag(t *testing.T, tag, heading string) {
	t.Helper()
	c.Changelog(t, heading)
	c.Git(t, "commit", "--quiet", "--all", "--allow-empty", "--message", "commit")
	c.Git(t, "tag", tag)
}

// Release runs the release script from another directory and returns its output.
func (c Clone) Release(t *testing.T, env []string, args ...string) (string, error) {
	t.Helper()
	//nolint:gosec // The script of this repository.
	cmd := exec.CommandContext(t.Context(), filepath.Join(c.Dir, "deploy", "release", "release.sh"), args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(append(os.Environ(), "PLATFORMS="), env...)
	output, err := cmd.CombinedOutput()
	return string(output), err
}

// MustRelease makes a release. It returns the directory with its files and the
// script's output.
func (c Clone) MustRelease(t *testing.T, env []string, args ...string) (dist, output string) {
	t.Helper()
	output, err := c.Release(t, env, args...)
	if err != nil {
		t.Fatalf("release.sh %q: %v\n%s", args, err, output)
	}
	return filepath.Join(c.Dir, "dist"), output
}
