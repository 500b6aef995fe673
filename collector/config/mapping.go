package config

import (
	"cmp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// YAML's tags of the kinds of values.
const (
	tagNull = "!!null"
	tagMap  = "!!map"
	tagSeq  = "!!seq"
)

// entry is a key of a mapping with its value.
type entry struct {
	key   string
	line  int
	value *yaml.Node
}

// resolve returns the node that an alias refers to.
func resolve(node *yaml.Node) *yaml.Node {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}

// entries returns the entries of a mapping in the order of their lines, including those that are
// merged into it ("<<"). If it is not a mapping, or cannot be merged, it adds a mistake.
func (r *reader) entries(node *yaml.Node, at place, wanted string) (all []entry, ok bool) {
	node = resolve(node)
	if node.ShortTag() != tagMap {
		r.addf(at, "is %s: give %s", kind(node), wanted)
		return nil, false
	}
	lines, ok := r.ownKeys(node, at)
	if !ok {
		return nil, false
	}
	// The library merges, and bounds what aliases expand to.
	values := map[string]yaml.Node{}
	if err := node.Decode(&values); err != nil {
		key := entry{key: "<<", line: cmp.Or(lines["<<"], at.line)}
		r.addf(at.below(key), "cannot be merged: give aliases of other mappings that have each key once")
		return nil, false
	}
	for key, value := range values {
		all = append(all, entry{key: key, line: cmp.Or(lines[key], value.Line), value: &value})
	}
	slices.SortFunc(all, func(a, b entry) int { return cmp.Or(cmp.Compare(a.line, b.line), strings.Compare(a.key, b.key)) })
	return all, true
}

// ownKeys returns the lines of a mapping's keys without those that are merged into it. It reports
// whether each is a word that occurs once.
func (r *reader) ownKeys(mapping *yaml.Node, at place) (lines map[string]int, ok bool) {
	lines, ok = make(map[string]int, len(mapping.Content)/2), true
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key := resolve(mapping.Content[i])
		e := entry{key: key.Value, line: mapping.Content[i].Line}
		switch first, twice := lines[e.key]; {
		case key.Kind != yaml.ScalarNode || key.ShortTag() == tagNull:
			r.addf(place{line: e.line, key: at.key}, "a key is %s: give a word", kind(key))
			ok = false
		case twice:
			r.addf(at.below(e), "occurs twice, first in line %d; remove one", first)
			ok = false
		default:
			lines[e.key] = e.line
		}
	}
	return lines, ok
}

// list returns the items of a list. If it is not a list, or empty, it adds a mistake.
func (r *reader) list(node *yaml.Node, at place, wanted string) []*yaml.Node {
	node = resolve(node)
	if node.ShortTag() != tagSeq {
		r.addf(at, "is %s: give %s", kind(node), wanted)
		return nil
	}
	if len(node.Content) == 0 {
		r.addf(at, "is empty: give %s", wanted)
	}
	return node.Content
}

// kind describes a value without repeating it.
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
