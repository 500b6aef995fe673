package release_test

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// bashTab completes the words that it is given as bash would at a <TAB>.
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

// testCompletions holds that shells complete commands, flags and values from what
// the program itself has.
func testCompletions(t *testing.T, dist string) {
	t.Helper()
	dir := unpack(t, dist, "linux-"+runtime.GOARCH)
	for _, shell := range []struct {
		name, tab, file string
		args            []string
	}{
		{"bash", bashTab, "cckm_sync_exporter.bash", []string{"--norc", "--noprofile"}},
		{"zsh", zshTab, "_cckm_sync_exporter", []string{"-f"}},
	} {
		t.Run(shell.name, func(t *testing.T) {
			path := livetest.Program(t, shell.name)
			for typed, want := range map[string][]string{
				"--ciphertrust.us": {"--ciphertrust.username"},
				"--log.format js":  {"json"},
				"check --off":      {"--offline"},
			} {
				words := strings.Split(typed, " ")
				args := append(slices.Clone(shell.args), "-c", shell.tab, shell.name, filepath.Join(dir, "completions", shell.file), "cckm_sync_exporter")
				command := exec.CommandContext(t.Context(), path, append(args, words...)...)
				command.Env = []string{"PATH=" + dir + ":/usr/bin:/bin"}
				output, err := command.CombinedOutput()
				if err != nil {
					t.Fatalf("%s: %v\n%s", typed, err, output)
				}
				// zsh chooses among what it is given, bash is given what it chose.
				got := slices.DeleteFunc(strings.Fields(string(output)), func(word string) bool { return !strings.HasPrefix(word, words[len(words)-1]) })
				if !slices.Equal(got, want) {
					t.Errorf("%q is completed to %q, want %q:\n%s", typed, got, want, output)
				}
			}
		})
	}
}
