package config

import (
	"cmp"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v4"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/syncjob"
)

// targetReader reads one target.
type targetReader struct {
	*document
	at     place
	target Target
	// given are the places of the keys in the file, also of those whose value could not be read.
	// The keys of tls_config have that as a prefix.
	given map[string]place
}

func newTargetReader(d *document, at place) *targetReader {
	return &targetReader{
		document: d,
		at:       at,
		target: Target{
			Lists: slices.Clone(d.defaults.Lists), Reading: d.defaults.Reading,
			Source: d.file + ":" + strconv.Itoa(at.line),
		},
		given: map[string]place{},
	}
}

// read reads the target and validates it.
func (r *targetReader) read(node *yaml.Node) {
	if !r.readKeys(node, r.at, "", r.targetKeys, r.belongs) {
		return
	}
	if _, ok := r.given["name"]; !ok {
		r.addf(place{line: r.at.line, key: r.at.key + ".name"}, "is missing: give the target a name, by which it is probed")
	}
	for _, problem := range r.target.Problems() {
		given, ok := r.given[problem.Key]
		_, byPassword := r.given["password"]
		switch {
		case problem.Missing && (ok || problem.Key == "password_file" && byPassword):
			// A value that cannot be read is reported already.
		case ok:
			r.addf(given, "%s", withKeys(problem.Text))
		default:
			r.addf(place{line: r.at.line, key: r.at.key + "." + problem.Key}, "%s", withKeys(problem.Text))
		}
	}
}

// readKeys reads a mapping by a table of its keys. It reports whether the node is a mapping.
func (r *targetReader) readKeys(node *yaml.Node, at place, within string, keys []key, belongs func(string) (todo, meant string)) bool {
	entries, ok := r.entries(node, at, "a mapping with some of the keys "+enumerate(names(keys)))
	for _, e := range entries {
		at := at.below(e)
		i := slices.IndexFunc(keys, func(k key) bool { return k.name == e.key })
		if i < 0 {
			// The key that was meant is not reported as missing, too.
			meant := r.unknown(at, e.key, names(keys), belongs)
			r.given[within+cmp.Or(meant, e.key)] = at
			continue
		}
		r.given[within+e.key] = at
		keys[i].read(r, e.value, at)
	}
	return ok
}

// belongs returns what to do about a key that a target does not have, or "".
func (r *targetReader) belongs(key string) (todo, meant string) {
	switch {
	case closest(key, append([]string{"password"}, names(r.targetKeys)...)) == "password":
		return "a password must not be in this file: put it into its own file, and give that as password_file", "password"
	case slices.Contains(names(r.tlsKeys), key):
		return "it belongs under tls_config", ""
	default:
		return "", ""
	}
}

// belongsInTLS is belongs for the keys of tls_config.
func (r *targetReader) belongsInTLS(key string) (todo, meant string) {
	switch {
	case slices.Contains([]string{"ca", "cert", "key"}, key):
		return "put it into a file, and give that file as " + key + "_file", ""
	case slices.Contains(names(r.targetKeys), key):
		return "it belongs to the target itself, beside tls_config", ""
	default:
		return "", ""
	}
}

// readName reads the name of the target.
func (r *targetReader) readName(node *yaml.Node, at place) {
	const (
		longest = 64
		wanted  = `1 to 64 letters (a-z, A-Z), digits, "-", "_" or ".", of which the first is a letter or a digit`
	)
	name, ok := r.text(node, at, wanted)
	if !ok {
		return
	}
	if len(name) > longest || !isAlphanumeric(name[0]) || !only(name, isWord) {
		r.addf(at, "is %s: give %s", quoted(name), wanted)
		return
	}
	r.target.Name = name
}

// readURL reads the address of the appliance.
func (r *targetReader) readURL(node *yaml.Node, at place) {
	const wanted = "an address such as https://cm.example.com"
	address, ok := r.text(node, at, wanted)
	if !ok {
		return
	}
	// Problems reports an address that cannot be parsed.
	r.target.URL = address
	if url, err := ciphertrust.ParseURL(address); err == nil {
		r.target.URL = url.String()
	}
}

// readCollectors reads the names of the lists.
func (r *targetReader) readCollectors(node *yaml.Node, at place) {
	all := syncjob.Lists()
	known := make([]string, 0, len(all))
	for i := range all {
		known = append(known, all[i].Name)
	}
	lines := map[string]int{}
	for i, item := range r.list(node, at, "a list with some of "+enumerate(known)) {
		at := place{line: item.Line, key: at.item(i)}
		name, ok := r.text(item, at, "the name of a list")
		if !ok {
			continue
		}
		if first, twice := lines[name]; twice {
			r.addf(at, "%s occurs twice, first in line %d; remove one", shown(name), first)
			continue
		}
		lines[name] = item.Line
		if !slices.Contains(known, name) {
			r.addf(at, "is %s, which is not a list: %s", quoted(name), advise(name, known))
		}
	}
	r.target.Lists = slices.DeleteFunc(all, func(list syncjob.List) bool { return lines[list.Name] == 0 })
}

// readLabels reads the labels that /sd adds to the target's series.
func (r *targetReader) readLabels(node *yaml.Node, at place) {
	entries, _ := r.entries(node, at, "a mapping such as {region: eu}")
	if len(entries) > maxLabels {
		r.addf(at, "has %d labels: give at most %d", len(entries), maxLabels)
		return
	}
	labels := map[string]string{}
	for _, e := range entries {
		at := at.below(e)
		if why := refused(e.key); why != "" {
			r.addf(at, "%s", why)
			continue
		}
		if value, ok := r.text(e.value, at, "a text, or omit the label"); ok {
			labels[e.key] = value
		}
	}
	if len(labels) > 0 {
		r.target.Labels = labels
	}
}

// readTLS reads how the appliance is verified and the client certificate.
func (r *targetReader) readTLS(node *yaml.Node, at place) {
	r.readKeys(node, at, "tls_config.", r.tlsKeys, r.belongsInTLS)
}
