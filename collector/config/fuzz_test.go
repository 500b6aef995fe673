package config_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/rogpeppe/go-internal/txtar"
	"go.yaml.in/yaml/v4"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/config"
)

// FuzzLoad reads any bytes: either the errors name the file, or its targets are valid.
func FuzzLoad(f *testing.F) {
	dir := f.TempDir()
	fill(f, dir)
	path := filepath.Join(dir, "config.yml")
	archive, err := txtar.ParseFile(filepath.Join("testdata", "bad.txtar"))
	if err != nil {
		f.Fatal(err)
	}
	for i := 0; i < len(archive.Files); i += 2 {
		f.Add(archive.Files[i].Data)
	}
	f.Add([]byte(everything))
	example, err := os.ReadFile(filepath.Join("..", "..", "deploy", "config", "cckm_sync_exporter.yml"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)

	f.Fuzz(func(t *testing.T, content []byte) {
		if namesTheKernel(content) {
			t.Skip("the file may name one without an end")
		}
		write(t, path, content)
		targets, err := config.Load(path, defaults())
		if err != nil {
			if targets != nil {
				t.Error("there are targets in spite of the error")
			}
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(line, path+":") {
					t.Errorf("the line %q does not name the file", line)
				}
			}
			return
		}
		if len(targets) == 0 {
			t.Error("neither targets nor an error")
		}
		names := map[string]bool{}
		for i := range targets {
			checkTarget(t, &targets[i])
			names[targets[i].Name] = true
		}
		if len(names) != len(targets) {
			t.Errorf("%d names for %d targets", len(names), len(targets))
		}
		again, err := config.Load(path, defaults())
		if err != nil || !reflect.DeepEqual(targets, again) {
			t.Errorf("read again: %v", err)
		}
		// The library merges and repeats in the same way.
		var whole struct {
			Targets []map[string]any `yaml:"targets"`
		}
		if err := yaml.Load(content, &whole); err != nil {
			t.Fatalf("the library refuses the file: %v", err)
		}
		for i, target := range whole.Targets {
			given := slices.Sorted(maps.Keys(target))
			if !slices.Contains(given, "name") || !slices.Contains(given, "url") {
				t.Errorf("the library finds no name and url in target %d, but %q", i, given)
			}
			if name, ok := target["name"].(string); ok && name != targets[i].Name {
				t.Errorf("target %d is called %s, not %s", i, name, targets[i].Name)
			}
			if domain, ok := target["domain"].(string); ok && domain != targets[i].Credentials.Domain {
				t.Errorf("target %d has the domain %s, not %s", i, domain, targets[i].Credentials.Domain)
			}
		}
	})
}

// namesTheKernel reports whether a file may name files of the kernel, of which some have no end.
func namesTheKernel(content []byte) bool {
	return bytes.Contains(content, []byte("proc")) || bytes.Contains(content, []byte("sys"))
}

// checkTarget checks a target that was loaded.
func checkTarget(t *testing.T, target *config.Target) {
	t.Helper()
	if target.Name == "" || len(target.Name) > 64 || strings.ContainsAny(target.Name, " /?&=%\"\n") {
		t.Errorf("the name is %q", target.Name)
	}
	if url, err := ciphertrust.ParseURL(target.URL); err != nil || url.String() != target.URL {
		t.Errorf("the URL is %q: %v", target.URL, err)
	}
	if len(target.Lists) == 0 {
		t.Error("no list")
	}
	if problems := target.Problems(); len(problems) > 0 {
		t.Errorf("problems: %v", problems)
	}
	for name, value := range target.Labels {
		if !model.LegacyValidation.IsValidLabelName(name) || !model.LabelValue(value).IsValid() || value == "" {
			t.Errorf("the label %q is %q", name, value)
		}
	}
	if byPassword := target.Credentials.Username != ""; byPassword == (target.Credentials.ClientID != "") {
		t.Errorf("two logins, or none: %+v", target.Credentials)
	}
	if _, err := ciphertrust.New(ciphertrust.Config{URL: target.URL, Credentials: target.Credentials, TLS: target.TLS}); err != nil {
		t.Errorf("no client: %v", err)
	}
}
