package config

import (
	"slices"

	"go.yaml.in/yaml/v4"
)

// keyTargets is the file's only key.
const keyTargets = "targets"

// document is the state of reading a file.
type document struct {
	*mistakes
	// dir is the file's directory.
	dir      string
	defaults Defaults
	// targetKeys and tlsKeys are the keys of a target and of its tls_config.
	targetKeys, tlsKeys []key
}

// newDocument returns a document of which nothing has been read.
func newDocument(found *mistakes, dir string, defaults Defaults) *document {
	return &document{
		mistakes: found, dir: dir, defaults: defaults,
		targetKeys: targetKeys(), tlsKeys: tlsKeys(),
	}
}

// targets reads the whole file.
func (d *document) targets(root *yaml.Node) []Target {
	items := d.items(root)
	targets := make([]Target, 0, len(items))
	named := make(map[string]place, len(items))
	for i, item := range items {
		if d.full() {
			break
		}
		at := place{line: item.Line, key: place{key: keyTargets}.item(i)}
		r := newTargetReader(d, at)
		r.read(item)
		if name := r.target.Name; name != "" {
			if first, twice := named[name]; twice {
				d.addf(r.given["name"], "%s is the name of %s (line %d) already; give each target a name of its own",
					name, first.key, first.line)
			} else {
				named[name] = at
			}
		}
		targets = append(targets, r.target)
	}
	return targets
}

// items returns the nodes of the targets.
func (d *document) items(root *yaml.Node) []*yaml.Node {
	at := place{line: root.Line}
	entries, ok := d.entries(root, at, "a mapping: "+firstLines)
	if !ok {
		return nil
	}
	var list *yaml.Node
	for _, e := range entries {
		if e.key == keyTargets {
			list, at = e.value, place{}.below(e)
			continue
		}
		if d.unknown(place{}.below(e), e.key, []string{keyTargets}, d.belongs) != "" {
			list = e.value
		}
	}
	if list == nil {
		d.addf(at, "the key targets is missing: %s", firstLines)
		return nil
	}
	items := d.list(list, at, "a list of mappings with name and url")
	if len(items) > maxTargets {
		d.addf(at, "has %d items: give at most %d, and the others to another exporter", len(items), maxTargets)
		return nil
	}
	return items
}

// belongs returns where a key belongs that is unknown at the top of the file.
func (d *document) belongs(key string) (todo, meant string) {
	if slices.Contains(names(d.targetKeys), key) {
		return "it belongs to a target, in an item of the list targets", ""
	}
	return "", ""
}
