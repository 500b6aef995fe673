package config_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	promconfig "github.com/prometheus/common/config"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"cckm_sync_exporter/collector/config"
	"cckm_sync_exporter/collector/syncjob"
)

type object = map[string]any

// schema returns the JSON schema of the file, for editors. It is made from the table of keys.
func schema(t *testing.T) object {
	t.Helper()
	text := object{"type": []string{"string", "number", "boolean"}, "minLength": 1, "maxLength": config.MaxTextBytes, "pattern": `^[^\x00-\x1f\x7f]*$`}
	lists := make([]string, 0, len(syncjob.Lists())+2)
	for _, list := range syncjob.Lists() {
		lists = append(lists, list.Name)
	}
	lists = append(lists, config.SourceSchedules, config.SourceInventory)
	// special are the keys whose values have more rules than their type.
	special := object{
		"name":       object{"type": []string{"string", "integer"}, "pattern": `^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$`},
		"url":        object{"type": "string", "maxLength": config.MaxTextBytes, "pattern": `^([Hh][Tt][Tt][Pp][Ss]?://)?(\[[0-9A-Fa-f:.]+(%25[^/?#@\s\[\]]+)?\]|[^/:?#@\s\[\]]+)(:[0-9]{1,5})?(/[^?#@\s]*)?$`},
		"proxy_url":  text,
		"no_proxy":   object{"type": "string", "pattern": `^[^\s;@]+(,\s*[^\s;@]+)*$`, "not": object{"pattern": "://"}},
		"collectors": object{"type": "array", "minItems": 1, "uniqueItems": true, "items": object{"enum": lists}},
		"labels": object{
			"type": "object", "maxProperties": config.MaxLabels, "additionalProperties": text,
			"propertyNames": object{
				"pattern": "^([a-zA-Z][a-zA-Z0-9_]*|_([a-zA-Z0-9][a-zA-Z0-9_]*)?)$", "maxLength": config.MaxTextBytes,
				"not": object{"enum": config.RefusedLabels()},
			},
		},
		"page_size":   object{"type": "integer", "minimum": 2},
		"concurrency": object{"type": "integer", "minimum": 1, "maximum": 64},
	}
	types := map[reflect.Type]any{
		reflect.TypeFor[string](): text,
		reflect.TypeFor[bool]():   object{"type": "boolean"},
		reflect.TypeFor[time.Duration](): object{
			"type": []string{"string", "integer"}, "pattern": `^(0|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h|d|w))+)$`, "minimum": 0, "maximum": 0,
		},
		reflect.TypeFor[promconfig.TLSVersion](): object{"enum": slices.Sorted(maps.Keys(promconfig.TLSVersions))},
	}
	mapping := func(values map[string]any) object {
		properties := object{}
		for name, value := range values {
			form, ok := special[name]
			if !ok {
				form, ok = types[reflect.TypeOf(value)]
			}
			if !ok {
				t.Fatalf("the schema has no form of the key %s", name)
			}
			properties[name] = form
		}
		return object{"type": "object", "additionalProperties": false, "properties": properties}
	}
	ofTarget, ofTLS := config.Values()
	tls := mapping(ofTLS)
	tls["dependencies"] = object{"cert_file": []string{"key_file"}, "key_file": []string{"cert_file"}}
	special["tls_config"] = tls
	target := mapping(ofTarget)
	target["required"] = []string{"name", "url"}
	target["oneOf"] = []object{{"required": []string{"username", "password_file"}}, {"required": []string{"client_id", "tls_config"}}}
	return object{
		"$schema": "http://json-schema.org/draft-07/schema#",
		"title":   "Targets of cckm_sync_exporter, for --config.file",
		"type":    "object", "additionalProperties": false, "required": []string{"targets"},
		"properties": object{"targets": object{"type": "array", "minItems": 1, "maxItems": config.MaxTargets, "items": target}},
	}
}

// compiled returns the schema, ready to validate with.
func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := json.Marshal(schema(t))
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	return compiler.MustCompile("schema.json")
}

// validate validates a file as an editor does.
func validate(s *jsonschema.Schema, content []byte) error {
	var parsed any
	if err := yaml.Unmarshal(content, &parsed); err != nil {
		return err
	}
	text, err := json.Marshal(parsed)
	if err != nil {
		return err
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return s.Validate(document)
}

// TestSchemaFile checks that the schema that is shipped is made from the table of keys, and that the example
// names it: go test ./collector/config -run TestSchemaFile -update.
func TestSchemaFile(t *testing.T) {
	path := filepath.Join("..", "..", "deploy", "config", "cckm_sync_exporter.schema.json")
	want, err := json.MarshalIndent(schema(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile(path, want, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("the schema (-want +file); run go test ./collector/config -run TestSchemaFile -update:\n%s", diff)
	}
	example, err := os.ReadFile(filepath.Join(filepath.Dir(path), "cckm_sync_exporter.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(example, []byte("# yaml-language-server: $schema="+filepath.Base(path)+"\n")) {
		t.Error("the example does not begin with the name of the schema")
	}
	for name, content := range map[string][]byte{
		"the example": example, "everything": []byte(everything),
		"the zone of an address": []byte("targets: [{name: a, url: 'HTTPS://[fe80::1%25eth0]:443', username: u, password_file: p}]"),
	} {
		if err := validate(compiled(t), content); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSchemaRefuses checks that the schema refuses the bad files, except for those whose mistake a schema
// cannot know.
func TestSchemaRefuses(t *testing.T) {
	archive, err := txtar.ParseFile(filepath.Join("testdata", "bad.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	unknown := unknownToSchema()
	s := compiled(t)
	for i := 0; i < len(archive.Files); i += 2 {
		bad := archive.Files[i]
		refused := validate(s, bad.Data) != nil
		excused := slices.Contains(unknown, bad.Name)
		if refused == excused {
			t.Errorf("%s: refused: %t, in the list of exceptions: %t", bad.Name, refused, excused)
		}
	}
}

// unknownToSchema are the bad files that the schema accepts. check --offline reports them.
func unknownToSchema() []string {
	return slices.Concat(
		// It does not read the files that are named.
		[]string{
			"password file not there", "password file a directory", "password file empty", "password file in Latin-1", "password file in UTF-16",
			"password instead of its file", "key instead of its file", "certificate not there", "key not there", "key of another certificate",
			"ca not there", "ca a directory", "ca a device", "ca too large", "ca no certificate",
		},
		// It does not compare targets or keys with each other.
		[]string{"name taken", "merged name", "tls versions crossed", "url in clear text", "url in clear text with another TLS setting", "proxy in clear text", "user of a vault"},
		// A pattern for these would be hard to read.
		[]string{"collectors without a list", "url with a port that is none", "url with port 0", "timeout", "page size beyond measure"},
		// It does not see how YAML was written.
		[]string{"two documents", "page size with a point", "timeout with a tag"},
	)
}
