package config_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"cckm_sync_exporter/collector/config"
)

// login is what a target needs besides its name.
const login = "url: cm, username: u, password_file: password"

// TestAliasBombs checks that a short file with aliases that expand without end is an error, within
// bounded memory.
func TestAliasBombs(t *testing.T) {
	t.Chdir(t.TempDir())
	fill(t, ".")
	// Each target merges the one before it, and with it all of them.
	var chain strings.Builder
	chain.WriteString("targets:\n  - &a0 {name: a, " + login + "}\n")
	for i := 1; i <= 5_000; i++ {
		fmt.Fprintf(&chain, "  - &a%d {<<: [*a%d, *a%d], name: n%d}\n", i, i-1, i-1, i)
	}
	labels := make([]string, 60)
	for i := range labels {
		labels[i] = "l" + strconv.Itoa(i) + ": x"
	}
	for name, test := range map[string]struct{ content, want string }{
		"a chain of merges": {chain.String(), "cannot be merged"},
		"a wide mapping merged often": {
			"targets:\n  - &a {name: a, " + login + ", labels: &l {" + strings.Join(labels, ", ") + "}}\n" +
				"  - {name: b, " + login + ", labels: {cloud: x, <<: [" + strings.Repeat("*l,", 50_000) + "]}}\n",
			"targets[1].labels.\"<<\": cannot be merged",
		},
		"a target many times": {
			"targets:\n  - &a {name: a, " + login + ", labels: {" + strings.Join(labels, ", ") + "}}\n" +
				strings.Repeat("  - *a\n", 9_000),
			"has 100 mistakes or more; only these are shown",
		},
		"lists of lists": {
			"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" +
				"d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\ntargets: [*e, *e]\n",
			"targets[0]: is a list",
		},
		"a list of itself": {"targets: &a [*a]\n", "targets[0]: is a list"},
		"too many targets": {"targets:\n" + strings.Repeat("  - x\n", 10_001), "targets: has 10001 items: give at most 10000"},
		"too deep":         {"targets: " + strings.Repeat("[", 20_000), "exceeded max depth"},
		"too deep a value": {"targets:\n  - domain: " + strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000) + "\n", "targets[0].domain: is a list"},
		"many mistakes":    {"targets:\n" + strings.Repeat("  - {}\n", 9_000), "has 100 mistakes or more; only these are shown"},
		"a long alias":     {"targets:\n  - name: &a " + strings.Repeat("x", 900<<10) + "\n" + strings.Repeat("  - name: *a\n", 9_000), "is longer than 1024 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, "config.yml", []byte(test.content))
			library := allocated(func() {
				var documents []yaml.Node
				// Not all of it is YAML.
				_ = yaml.Load([]byte(test.content), &documents, yaml.WithAllDocuments())
			})
			var err error
			n := allocated(func() { _, err = config.Load("config.yml", defaults()) })
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %.300v, want %s", err, test.want)
			}
			const most = 64 << 10
			if n := len(err.Error()); n > most {
				t.Errorf("the message has %d bytes", n)
			}
			// The file costs what the library needs; what it expands to must not cost much more.
			const mostMemory = 64 << 20
			if n > library+mostMemory {
				t.Errorf("%d MiB were allocated for %d kB, %d MiB of it by the library", n>>20, len(test.content)>>10, library>>20)
			}
		})
	}
}

// allocated returns how many bytes a function allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestManyTargets reads the largest allowed number of targets.
func TestManyTargets(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir)
	var content strings.Builder
	content.WriteString("targets:\n  - &a {name: n0, " + login + ", labels: {region: eu, tier: x}}\n")
	const most = 10_000
	for i := 1; i < most; i++ {
		fmt.Fprintf(&content, "  - {<<: *a, name: n%d}\n", i)
	}
	targets := load(t, filepath.Join(dir, "config.yml"), content.String())
	if len(targets) != most {
		t.Fatalf("%d targets", len(targets))
	}
	if last := targets[most-1]; last.Name != "n9999" || last.URL != "https://cm" || last.Labels["tier"] != "x" {
		t.Errorf("the last is %v with %v", last, last.Labels)
	}
}
