package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"

	"cckm_sync_exporter/collector/config"
)

// TestAutoReload replaces the configuration file in every way that a user or Kubernetes does.
func TestAutoReload(t *testing.T) {
	f := newTargetsFile(t)
	one, two := f.entry("one", ""), f.entry("two", "")
	// A mounted ConfigMap: the file is a link through another link, which an update replaces.
	mount := func(t *testing.T, version string, entries ...string) {
		t.Helper()
		publishDir(t, filepath.Join(f.dir, version), map[string]string{"targets.yml": "targets:\n" + strings.Join(entries, "")})
		link(t, filepath.Join(f.dir, "..data"), version)
	}
	mount(t, "..1", one)
	link(t, f.path, filepath.Join("..data", "targets.yml"))
	_, s, err := parse([]string{"--config.file=" + f.path, "--config.enable-auto-reload"})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var logged strings.Builder
	logger := log.LoggerFunc(func(keyvals ...any) error {
		mu.Lock()
		defer mu.Unlock()
		return log.NewLogfmtLogger(&logged).Log(keyvals...)
	})
	steps := []struct {
		name   string
		change func()
		// names are those of the targets after the change. log is how the log begins, which has nothing
		// else above the level debug; "" means that nothing is logged.
		names, log string
		failed     bool
	}{
		{"nothing", func() {}, "one", "", false},
		{"an update of the ConfigMap", func() { mount(t, "..2", one, two) }, "one two", "level=info", false},
		{"an atomic replacement", func() { f.set(t, two) }, "two", "level=info", false},
		{"a comment", func() { f.set(t, two, "# a comment\n") }, "two", "level=debug", false},
		{"an invalid file", func() { replace(t, f.path, []byte("targets:\n"+one[:20])) }, "two", "level=error", true},
		{"a valid file that is being written", func() {
			f.set(t, one)
			<-time.After(autoReloadInterval * 3 / 2)
			f.set(t, one, two)
		}, "one two", "level=info", false},
		{"the same content as before", func() { f.set(t, two, "# a comment\n") }, "two", "level=info", false},
		{"another mistake", func() { f.set(t, f.entry("one", ", nonsense: 1")) }, "two", "level=error", true},
		{"a mistake after a mistake", func() { f.set(t, f.entry("one", ", nonsense: 1"), one) }, "two", "level=error", true},
		{"no file", func() { remove(t, f.path) }, "two", "level=error", true},
		{"a file again", func() { f.set(t, one) }, "one", "level=info", false},
		{"a password file that is not there yet", func() { remove(t, f.password); f.set(t, two) }, "one", "level=error", true},
		{"the password file", func() { f.write(t, "password", "x") }, "two", "level=info", false},
	}
	synctest.Test(t, func(t *testing.T) {
		loaded, err := config.Checksum(f.path)
		if err != nil {
			t.Fatal(err)
		}
		configs, err := s.targets()
		if err != nil {
			t.Fatal(err)
		}
		e, err := newExporter(configs, log.NewNopLogger(), false)
		if err != nil {
			t.Fatal(err)
		}
		defer e.closeAfter(t.Context())
		reloads := &reloader{settings: s, exporter: e, logger: logger}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go reloads.watch(ctx, loaded)
		for _, step := range steps {
			mu.Lock()
			logged.Reset()
			mu.Unlock()
			step.change()
			<-time.After(10 * autoReloadInterval)
			synctest.Wait()
			names := make([]string, 0, 2)
			for _, target := range e.targets.All() {
				names = append(names, target.Config.Name)
			}
			if got := strings.Join(names, " "); got != step.names {
				t.Errorf("%s: the targets are %s, want %s", step.name, got, step.names)
			}
			if first, rest, _ := strings.Cut(logged.String(), "\n"); !strings.HasPrefix(first, step.log) || step.log == "" && first != "" ||
				strings.Contains(rest, "level=error") || strings.Contains(rest, "level=info") {
				t.Errorf("%s: the log is\n%s", step.name, logged.String())
			}
			if failed := !strings.Contains(reloadMetric(t, e), "value:1"); failed != step.failed {
				t.Errorf("%s: the metric says that the reload failed: %t", step.name, failed)
			}
		}
	})
}

// reloadMetric returns the metric about the last reload's success.
func reloadMetric(t *testing.T, e *exporter) string {
	t.Helper()
	families, err := e.process.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "cckm_sync_exporter_config_last_reload_successful" {
			return family.String()
		}
	}
	t.Fatal("the metric is missing")
	return ""
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}
