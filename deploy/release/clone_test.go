package release_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// clone is a repository that a test may commit to and tag.
type clone struct{ dir string }

// newClone returns a repository with one commit: the files of this one as they are
// now, committed or not.
func newClone(t *testing.T) clone {
	t.Helper()
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	c := clone{dir: t.TempDir()}
	c.git(t, "init", "--quiet")
	c.git(t, "--git-dir="+c.dir+"/.git", "--work-tree="+top, "-C", top, "add", "--all")
	c.git(t, "commit", "--quiet", "--message", "commit")
	c.git(t, "reset", "--quiet", "--hard")
	return c
}

// checkout returns another clone, of a tag alone.
func (c clone) checkout(t *testing.T, tag string) clone {
	t.Helper()
	other := clone{dir: filepath.Join(t.TempDir(), "elsewhere")}
	c.git(t, "clone", "--quiet", "--depth=1", "--branch="+tag, "file://"+c.dir, other.dir)
	return other
}

// git runs git without the user's configuration and returns its output. Every commit
// has the same time.
func (c clone) git(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	const stamp = "2026-11-22T12:34:56Z"
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@example.com", "GIT_AUTHOR_DATE="+stamp,
		"GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@example.com", "GIT_COMMITTER_DATE="+stamp)
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %q: %v\n%s", args, err, output)
	}
	return strings.TrimSpace(string(output))
}

// changelog replaces the heading of the newest section of CHANGELOG.md.
func (c clone) changelog(t *testing.T, heading string) {
	t.Helper()
	text := livetest.ReadFile(t, c.dir, "CHANGELOG.md")
	first := regexp.MustCompile(`(?m)^## .*$`).FindString(text)
	c.write(t, "CHANGELOG.md", strings.Replace(text, first, "## "+heading, 1))
}

func (c clone) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// tag commits every change with a heading of CHANGELOG.md, and tags it.
func (c clone) tag(t *testing.T, tag, heading string) {
	t.Helper()
	c.changelog(t, heading)
	c.git(t, "commit", "--quiet", "--all", "--allow-empty", "--message", "commit")
	c.git(t, "tag", tag)
}

// release runs the release script from another directory and returns its output.
func (c clone) release(t *testing.T, env []string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(c.dir, "deploy", "release", "release.sh"), args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(append(os.Environ(), "PLATFORMS="), env...)
	output, err := cmd.CombinedOutput()
	return string(output), err
}

// mustRelease makes a release. It returns the directory with its files and the
// script's output.
func (c clone) mustRelease(t *testing.T, env []string, args ...string) (dist, output string) {
	t.Helper()
	output, err := c.release(t, env, args...)
	if err != nil {
		t.Fatalf("release.sh %q: %v\n%s", args, err, output)
	}
	return filepath.Join(c.dir, "dist"), output
}
