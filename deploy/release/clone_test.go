package release_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// committed returns when every commit of a clone was made, which is the time of all
// that is made of it.
func committed() time.Time { return time.Date(2026, time.November, 22, 12, 34, 56, 0, time.UTC) }

// clone is a repository of its own with the files as they are now, so that tests
// may commit and tag.
type clone struct{ dir string }

// newClone copies the repository's files into one commit.
func newClone(t *testing.T) clone {
	t.Helper()
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	// Whoever owns the files.
	list := exec.CommandContext(t.Context(), "git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = top
	names, err := list.Output()
	if err != nil {
		t.Skipf("there is no repository here: %v", err)
	}
	c := clone{dir: filepath.Join(t.TempDir(), "clone")}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		copyFile(t, filepath.Join(top, name), filepath.Join(c.dir, name))
	}
	c.git(t, "init", "--quiet")
	c.commit(t)
	return c
}

// checkout returns another clone, of a tag alone.
func (c clone) checkout(t *testing.T, tag string) clone {
	t.Helper()
	other := clone{dir: filepath.Join(t.TempDir(), "elsewhere")}
	c.git(t, "clone", "--quiet", "--depth=1", "--branch="+tag, "file://"+c.dir, other.dir)
	return other
}

// copyFile copies a file with its permissions, and a link as a link. One that is
// deleted and not yet committed is left out.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if leads, err := os.Readlink(from); err == nil {
		if err := os.Symlink(leads, to); err != nil {
			t.Fatal(err)
		}
		return
	}
	source, err := os.Open(from)
	if os.IsNotExist(err) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = source.Close() }()
	info, err := source.Stat()
	if err != nil {
		t.Fatal(err)
	}
	target, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(target, source); err != nil {
		t.Fatal(err)
	}
	if err := target.Close(); err != nil {
		t.Fatal(err)
	}
}

// git runs git, unmoved by the user's own configuration, and returns what it
// wrote.
func (c clone) git(t *testing.T, args ...string) string {
	t.Helper()
	git := exec.CommandContext(t.Context(), "git", args...)
	git.Dir = c.dir
	stamp := committed().Format(time.RFC3339)
	git.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@example.com", "GIT_AUTHOR_DATE="+stamp,
		"GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@example.com", "GIT_COMMITTER_DATE="+stamp)
	output, err := git.CombinedOutput()
	if err != nil {
		t.Fatalf("git %q: %v\n%s", args, err, output)
	}
	return strings.TrimSpace(string(output))
}

func (c clone) commit(t *testing.T) {
	t.Helper()
	c.git(t, "add", "--all")
	c.git(t, "commit", "--quiet", "--allow-empty", "--message", "commit")
}

// changelog rewrites the heading of the newest section.
func (c clone) changelog(t *testing.T, heading string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(c.dir, "CHANGELOG.md"))
	if err != nil {
		t.Fatal(err)
	}
	first := regexp.MustCompile(`(?m)^## .*$`).Find(content)
	c.write(t, "CHANGELOG.md", strings.Replace(string(content), string(first), "## "+heading, 1))
}

// write writes a file of the clone.
func (c clone) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(content), 0o644); err != nil { //nolint:gosec // The clone is the test's own.
		t.Fatal(err)
	}
}

// tag makes what is there the release of a version.
func (c clone) tag(t *testing.T, version string) {
	t.Helper()
	c.changelog(t, version+" / 2026-11-22")
	c.commit(t)
	c.git(t, "tag", "v"+version)
}

// release runs the release script, and returns what it wrote.
func (c clone) release(t *testing.T, env []string, args ...string) (string, error) {
	t.Helper()
	script := exec.CommandContext(t.Context(), filepath.Join(c.dir, "deploy", "release", "release.sh"), args...)
	// Found from wherever it is called.
	script.Dir = t.TempDir()
	script.Env = append(append(os.Environ(), "PLATFORMS="), env...)
	output, err := script.CombinedOutput()
	return string(output), err
}

// mustRelease returns the directory with what the release script made.
func (c clone) mustRelease(t *testing.T, env ...string) string {
	t.Helper()
	if output, err := c.release(t, env); err != nil {
		t.Fatalf("release.sh: %v\n%s", err, output)
	}
	return filepath.Join(c.dir, "dist")
}
