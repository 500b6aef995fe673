package release_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// testManPage checks that mandoc and man have no warning about the page, and that it
// shows the version and each flag of --help-long.
func testManPage(t *testing.T, dist string) {
	t.Helper()
	dir, _ := unpack(t, dist, "linux-"+runtime.GOARCH)
	page := filepath.Join(dir, "man", "cckm_sync_exporter.1")
	// Below a warning, mandoc wants short lines in the source.
	livetest.Run(t, "", livetest.Program(t, "mandoc"), "-T", "lint", "-W", "warning,stop", page)
	cmd := exec.CommandContext(t.Context(), livetest.Program(t, "man"), "--warnings", "--encoding=ascii", "--no-hyphenation", "--local-file", page)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "MANWIDTH=200", "LC_ALL=C"}
	var warnings strings.Builder
	cmd.Stderr = &warnings
	output, err := cmd.Output()
	shown := string(output)
	if err != nil || warnings.Len() > 0 || !strings.Contains(shown, "cckm_sync_exporter "+version) || !strings.Contains(shown, "2026-11-22") {
		t.Errorf("man: %v\n%s%s", err, &warnings, shown)
	}
	flags := regexp.MustCompile(`(?m)^ {2,6}(?:-\w, )?(--[^ ]+)`).FindAllStringSubmatch(livetest.Run(t, dir, "./cckm_sync_exporter", "--help-long"), -1)
	if len(flags) < 20 {
		t.Fatalf("--help-long has %d flags", len(flags))
	}
	for _, flag := range flags {
		if !strings.Contains(shown, " "+flag[1]+"\n") && !strings.Contains(shown, " "+flag[1]+" ...\n") {
			t.Errorf("the man page does not have %s:\n%s", flag[1], shown)
		}
	}
}

// bashTab completes its arguments as bash does at a <TAB>.
const bashTab = `source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
complete -p "$1" >/dev/null || exit
$(complete -p "$1" | sed 's/.*-F \([^ ]*\).*/\1/')
printf '%s\n' "${COMPREPLY[@]}"`

// zshTab loads the completion as zsh does at the first <TAB>, with the words that
// zsh would set, and a compadd that prints: zsh's own works only within its editor.
const zshTab = `fpath=("$1:h" $fpath); shift
compadd() { print -rl -- "${(@P)2}" }
typeset -A compstate=(nmatches 1)
words=("$@") CURRENT=$#
autoload -Uz _cckm_sync_exporter && _cckm_sync_exporter`

// testCompletions checks that shells complete flags, their values, and the flags of a command.
func testCompletions(t *testing.T, dist string) {
	t.Helper()
	dir, _ := unpack(t, dist, "linux-"+runtime.GOARCH)
	for shell, start := range map[string][]string{
		"bash": {"--norc", "--noprofile", "-c", bashTab, "bash", dir + "/completions/cckm_sync_exporter.bash"},
		"zsh":  {"-f", "-c", zshTab, "zsh", dir + "/completions/_cckm_sync_exporter"},
	} {
		path := livetest.Program(t, shell)
		for typed, want := range map[string]string{
			"--ciphertrust.us": "--ciphertrust.username",
			"--log.format js":  "json",
			"check --off":      "--offline",
		} {
			words := append([]string{"cckm_sync_exporter"}, strings.Fields(typed)...)
			cmd := exec.CommandContext(t.Context(), path, slices.Concat(start, words)...)
			cmd.Env = []string{"PATH=" + dir + ":/usr/bin:/bin"}
			output, err := cmd.CombinedOutput()
			// zsh itself chooses from the words that it is offered; bash expects chosen ones.
			got := slices.DeleteFunc(strings.Fields(string(output)), func(word string) bool { return !strings.HasPrefix(word, words[len(words)-1]) })
			if err != nil || !slices.Equal(got, []string{want}) {
				t.Errorf("%s completes %q to %q, want %q: %v\n%s", shell, typed, got, want, err, output)
			}
		}
	}
}
