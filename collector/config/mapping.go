package config

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// The tags by which YAML tells kinds of values.
const (
	tagNull  = "!!null"
	tagMap   = "!!map"
	tagSeq   = "!!seq"
	tagMerge = "!!merge"
)

// entry is a key of a mapping with its value.
type entry struct {
	key   string
	line  int
	value *yaml.Node
}

// resolve returns what an alias stands for.
func resolve(node *yaml.Node) *yaml.Node {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}

// spend counts what is read. Aliases let a short file stand for an endless one.
func (d *document) spend(at place) bool {
	d.left--
	if d.left == 0 {
		d.addf(at, "the aliases up to here stand for more than %d values; write a shorter file", maxEntries)
	}
	return d.left > 0 && !d.full()
}

// entries returns a mapping's entries, those that are merged into it ("<<")
// included. Where a key is merged that is there already, the first one counts,
// as the library has it. What is no mapping is a mistake, and not ok.
func (d *document) entries(node *yaml.Node, at place, wanted string) (all []entry, ok bool) {
	node = resolve(node)
	if node.ShortTag() != tagMap {
		d.addf(at, "is %s: give %s", kind(node), wanted)
		return nil, false
	}
	m := merging{document: d, at: at, merged: map[*yaml.Node]bool{}, known: map[string]bool{}}
	m.merge(node)
	return m.entries, true
}

// merging is a mapping whose entries are gathered.
type merging struct {
	*document
	at      place
	entries []entry
	// known are the keys of the entries.
	known map[string]bool
	// merged are the mappings that were met: true as long as their entries are
	// being gathered, false from then on.
	merged map[*yaml.Node]bool
}

// merge gathers the entries of a mapping, and then those of what it merges.
func (m *merging) merge(mapping *yaml.Node) {
	if within, met := m.merged[mapping]; met {
		// Once more, it would bring nothing new, unless it contains itself.
		if within {
			m.addf(m.at, "a mapping is merged into itself; take the alias out of <<")
		}
		return
	}
	m.merged[mapping] = true
	defer func() { m.merged[mapping] = false }()

	lines := make(map[string]int, len(mapping.Content)/2)
	var merged *yaml.Node
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := resolve(mapping.Content[i]), mapping.Content[i+1]
		e := entry{key: key.Value, line: mapping.Content[i].Line, value: value}
		if !m.spend(m.at) {
			return
		}
		if key.Kind != yaml.ScalarNode {
			m.addf(place{line: e.line, key: m.at.key}, "a key is %s: give a word", kind(key))
			continue
		}
		if first, twice := lines[e.key]; twice {
			m.addf(m.at.below(e), "stands twice, first in line %d; take one out", first)
			continue
		}
		lines[e.key] = e.line
		if key.ShortTag() == tagMerge {
			merged = value
			continue
		}
		if !m.known[e.key] {
			m.known[e.key] = true
			m.entries = append(m.entries, e)
		}
	}
	if merged != nil {
		m.mergeAll(merged)
	}
}

// mergeAll gathers the entries of what stands behind "<<".
func (m *merging) mergeAll(value *yaml.Node) {
	sources := []*yaml.Node{value}
	if node := resolve(value); node.Kind == yaml.SequenceNode {
		sources = node.Content
	}
	for _, source := range sources {
		if !m.spend(m.at) {
			return
		}
		node := resolve(source)
		if node.Kind != yaml.MappingNode {
			m.addf(m.at.below(entry{key: "<<", line: source.Line}), "is %s: give an alias of a mapping, or a list of such", kind(node))
			continue
		}
		m.merge(node)
	}
}

// list returns the items of a list. What is no list is a mistake.
func (d *document) list(node *yaml.Node, at place, wanted string) []*yaml.Node {
	node = resolve(node)
	if node.ShortTag() != tagSeq {
		d.addf(at, "is %s: give %s", kind(node), wanted)
		return nil
	}
	if len(node.Content) == 0 {
		d.addf(at, "is empty: give %s", wanted)
	}
	return node.Content
}

// kind says what a value is, without saying the value.
func kind(node *yaml.Node) string {
	switch tag := node.ShortTag(); {
	case tag == tagNull:
		return "without a value"
	case tag == tagMap:
		return "a mapping"
	case tag == tagSeq:
		return "a list"
	case node.Kind == yaml.ScalarNode && strings.HasPrefix(tag, "!!"):
		return "a single value"
	default:
		return "a value with a tag (!) of its own"
	}
}
