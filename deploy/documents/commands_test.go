package documents_test

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// TestCommands runs what the documents have their readers type in, against a
// simulated appliance, and holds that what it does not run is run by something else.
func TestCommands(t *testing.T) {
	known := ways()
	told := map[string]bool{}
	b := newBench(t)
	b.writeChecksums(t)
	for _, d := range documents(t) {
		// What stands in one block is typed into one shell.
		blocks := map[int][]string{}
		for _, c := range d.commands() {
			told[c.text] = true
			w, ok := known[c.text]
			switch {
			case !ok:
				t.Errorf("%s: nothing is known to run %q; give it an entry in ways_test.go", d.name, c.text)
			case w.wants != "" && c.block > 0:
				blocks[c.block] = append(blocks[c.block], c.text)
			case w.wants != "" && !b.ran[c.text]:
				t.Run(c.text, func(t *testing.T) { b.try(t, known, c.text) })
			case w.serves != nil && !b.ran[c.text]:
				t.Run(c.text, func(t *testing.T) { w.serves(t, b, b.serve(t, c.text)) })
			}
		}
		for _, number := range slices.Sorted(maps.Keys(blocks)) {
			t.Run(d.name, func(t *testing.T) { b.try(t, known, blocks[number]...) })
		}
	}
	for text, w := range known {
		if !told[text] {
			t.Errorf("no document has %q any more", text)
		}
		if !strings.HasPrefix(w.within, "Test") && (w.wants != "" || w.serves != nil || w.within != "") && !b.ran[text] {
			t.Errorf("%q did not run", text)
		}
	}
}

// try runs commands in one shell, and looks at what they wrote and left.
func (b *bench) try(t *testing.T, known map[string]way, commands ...string) {
	t.Helper()
	scripts := slices.Clone(commands)
	for i, command := range commands {
		b.ran[command] = true
		// In a sentence the program goes without saying.
		if regexp.MustCompile(`^(once|check) `).MatchString(command) {
			scripts[i] = "./cckm_sync_exporter " + command
		}
	}
	if strings.HasPrefix(commands[0], "promtool ") {
		livetest.Program(t, "promtool")
	}
	output := b.shell(t, known[commands[0]].dir, scripts...)
	for _, command := range commands {
		w := known[command]
		if w.wants != quiet || len(commands) == 1 {
			if !regexp.MustCompile(w.wants).MatchString(output) {
				t.Errorf("%s wrote, and not %s:\n%s", command, w.wants, output)
			}
		}
		if w.left != nil {
			w.left(t, b)
		}
	}
}

// TestElsewhere holds that what is said to run a command is there, and has to do
// with it.
func TestElsewhere(t *testing.T) {
	for text, w := range ways() {
		given := 0
		for _, is := range []bool{w.wants != "", w.serves != nil, w.within != "", w.by != "", w.cannot != ""} {
			if is {
				given++
			}
		}
		if given != 1 {
			t.Errorf("%q is known to work in %d ways", text, given)
		}
		if w.by == "" {
			continue
		}
		where, name, _ := strings.Cut(w.by, " ")
		want := "\nfunc " + name + "(t *testing.T)"
		if where == ".ci/run" {
			want = "\nstep_" + name + "() {"
		}
		source := sources(t, where)
		if !strings.Contains(source, want) || w.mentions == "" || !strings.Contains(source, w.mentions) {
			t.Errorf("%q: %s is not there, or has nothing of %q", text, w.by, w.mentions)
		}
	}
}

// TestLongerWindows runs the sed command that README of the rules gives for longer
// scrape intervals, over the two files that its sentence names.
func TestLongerWindows(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(top, "deploy", "prometheus"))); err != nil {
		t.Fatal(err)
	}
	command := `sed -i 's/\[20m\]/[80m]/; s/\[10m\]/[40m]/'`
	if readme := read(t, "deploy/prometheus/README.md"); !strings.Contains(readme, "`"+command+"` in the recording and the alert file") {
		t.Fatal("the README no longer says it so")
	}
	b := &bench{dir: dir, here: strings.NewReplacer(), ran: map[string]bool{}}
	b.shell(t, "", command+" cckm_sync_recording.yml cckm_sync_alerts.yml")
	for _, name := range []string{"cckm_sync_recording.yml", "cckm_sync_alerts.yml"} {
		text := read(t, "deploy/prometheus/"+name)
		changed, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for old, longer := range map[string]string{"[20m]": "[80m]", "[10m]": "[40m]"} {
			if strings.Contains(string(changed), old) || strings.Count(string(changed), longer) != strings.Count(text, old) {
				t.Errorf("%s: %d of %s became %d of %s", name, strings.Count(text, old), old, strings.Count(string(changed), longer), longer)
			}
		}
	}
	livetest.Program(t, "promtool")
	b.shell(t, "", "promtool check rules cckm_sync_*.yml")
}

// sources returns the Go files of a directory, or the script .ci/run.
func sources(t *testing.T, where string) string {
	t.Helper()
	if where == ".ci/run" {
		return read(t, where)
	}
	return sourcesOf(t, where+"/*.go")
}

// writeChecksums writes what a release has of a file that was downloaded, and of one
// that was not.
func (b *bench) writeChecksums(t *testing.T) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(b.dir, "targets.yml"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	b.write(t, "sha256sums.txt", hex.EncodeToString(sum[:])+"  targets.yml\n"+strings.Repeat("0", 64)+"  not-downloaded\n")
}

// textfile looks at what node_exporter would read.
func textfile(t *testing.T, b *bench) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(b.dir, "cckm_sync.prom"))
	if err != nil {
		t.Fatal(err)
	}
	has(t, "cckm_sync.prom", string(content), `cckm_sync_up{cloud="google",item="key"} 1`)
}

// replaced returns a look at whether a text in a file has taken another's place.
func replaced(name, before, after string) func(*testing.T, *bench) {
	return func(t *testing.T, b *bench) {
		t.Helper()
		content, err := os.ReadFile(filepath.Join(b.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(content), before) || !strings.Contains(string(content), after) {
			t.Errorf("%s still has %s, or no %s", name, before, after)
		}
	}
}

// settingsOfService starts what was installed by hand with the settings that were
// written for it, as systemd would.
func settingsOfService(t *testing.T, b *bench) {
	t.Helper()
	unit, err := os.ReadFile(filepath.Join(b.root, "etc", "systemd", "system", "cckm_sync_exporter.service"))
	if err != nil {
		t.Fatal(err)
	}
	has(t, "the unit", string(unit), "EnvironmentFile=-/etc/default/cckm_sync_exporter\n",
		"LoadCredential=password:/etc/cckm_sync_exporter/password\n", "ExecStart=/usr/bin/cckm_sync_exporter")
	bare := *b
	bare.env = nil
	output := bare.shell(t, "", "set -a; . "+b.root+"/etc/default/cckm_sync_exporter; "+
		"CM_PASSWORD_FILE="+b.root+"/etc/cckm_sync_exporter/password "+b.root+"/usr/bin/cckm_sync_exporter check")
	if !regexp.MustCompile(allIsWell).MatchString(output) {
		t.Errorf("check with the settings of the service:\n%s", output)
	}
}
