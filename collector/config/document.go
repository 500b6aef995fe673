package config

import (
	"slices"

	"go.yaml.in/yaml/v4"
)

// keyTargets is the file's only key.
const keyTargets = "targets"

// document is a file that is being read.
type document struct {
	*mistakes
	// dir is the file's directory.
	dir      string
	defaults Defaults
	// left is how many values may still be read.
	left int
	// targetKeys and tlsKeys are the keys of a target and of its tls_config.
	targetKeys, tlsKeys []key
}

// newDocument returns a document none of which has been read.
func newDocument(found *mistakes, dir string, defaults Defaults) *document {
	return &document{
		mistakes: found, dir: dir, defaults: defaults, left: maxEntries,
		targetKeys: targetKeys(), tlsKeys: tlsKeys(),
	}
}

// targets reads the whole file.
func (d *document) targets(root *yaml.Node) []Target {
	items := d.items(root)
	targets := make([]Target, 0, len(items))
	named := make(map[string]place, len(items))
	for i, item := range items {
		at := place{line: item.Line, key: place{key: keyTargets}.item(i)}
		if !d.spend(at) {
			break
		}
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

// items returns the list of the targets.
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
		d.addf(at, "has %d items: give %d at most, and the others to another exporter", len(items), maxTargets)
		return nil
	}
	return items
}

// belongs says where a key that the file itself has not would be right.
func (d *document) belongs(key string) (todo, meant string) {
	if slices.Contains(names(d.targetKeys), key) {
		return "it belongs to a target, in an item of the list targets", ""
	}
	return "", ""
}
