package config

import (
	"cmp"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v4"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/syncjob"
)

// keyTargets is the file's only key.
const keyTargets = "targets"

// reader reads a file and collects its mistakes.
type reader struct {
	file     string
	defaults Target
	// targetKeys and tlsKeys are the keys of a target and of its tls_config.
	targetKeys, tlsKeys []key
	// mistakes are those of each line, and found is their number.
	mistakes map[int][]error
	found    int
	// target is the one that is being read.
	target Target
	// given are the places of its keys, also of those whose value could not be read. The keys of
	// tls_config have that as a prefix.
	given map[string]place
}

func newReader(path string, defaults Target) *reader {
	return &reader{file: path, defaults: defaults, targetKeys: targetKeys(), tlsKeys: tlsKeys(), mistakes: map[int][]error{}}
}

// read returns the targets of a file.
func (r *reader) read(content []byte) ([]Target, error) {
	root := r.parse(content)
	if root == nil {
		return nil, r.err()
	}
	items := r.items(root)
	targets := make([]Target, 0, len(items))
	named := make(map[string]place, len(items))
	for i, item := range items {
		if r.full() {
			break
		}
		at := place{line: item.Line, key: place{key: keyTargets}.item(i)}
		r.readTarget(item, at)
		if name := r.target.Name; name != "" {
			if first, twice := named[name]; twice {
				r.addf(r.given["name"], "%s is the name of %s (line %d) already; give each target a name of its own",
					name, first.key, first.line)
			} else {
				named[name] = at
			}
		}
		targets = append(targets, r.target)
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return targets, nil
}

// items returns the nodes of the targets.
func (r *reader) items(root *yaml.Node) []*yaml.Node {
	at := place{line: root.Line}
	entries, ok := r.entries(root, at, "a mapping: "+firstLines)
	if !ok {
		return nil
	}
	var list *yaml.Node
	for _, e := range entries {
		below := place{}.below(e)
		if e.key == keyTargets || r.unknown(below, e.key, []string{keyTargets}, r.belongsAtTop) != "" {
			list, at = e.value, below
		}
	}
	if list == nil {
		r.addf(at, "the key targets is missing: %s", firstLines)
		return nil
	}
	items := r.list(list, at, "a list of mappings with name and url")
	if len(items) > maxTargets {
		r.addf(at, "has %d items: give at most %d, and the others to another exporter", len(items), maxTargets)
		return nil
	}
	return items
}

// belongsAtTop returns where a key belongs that is unknown at the top of the file.
func (r *reader) belongsAtTop(key string) (todo, meant string) {
	if slices.Contains(names(r.targetKeys), key) {
		return "it belongs to a target, in an item of the list targets", ""
	}
	return "", ""
}

// readTarget reads a target and validates it.
func (r *reader) readTarget(node *yaml.Node, at place) {
	r.given = map[string]place{}
	r.target = Target{
		Lists: slices.Clone(r.defaults.Lists), Reading: r.defaults.Reading,
		Source: r.file + ":" + strconv.Itoa(at.line),
	}
	if !r.readKeys(node, at, "", r.targetKeys, r.belongsInTarget) {
		return
	}
	if _, ok := r.given["name"]; !ok {
		r.addf(place{line: at.line, key: at.key + ".name"}, "is missing: give the target a name, by which it is probed")
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
			r.addf(place{line: at.line, key: at.key + "." + problem.Key}, "%s", withKeys(problem.Text))
		}
	}
}

// readKeys reads a mapping by a table of its keys. It reports whether the node is a mapping.
func (r *reader) readKeys(node *yaml.Node, at place, within string, keys []key, belongs func(string) (todo, meant string)) bool {
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

// belongsInTarget returns what to do about a key that a target does not have, or "".
func (r *reader) belongsInTarget(key string) (todo, meant string) {
	switch {
	case Closest(key, append([]string{"password"}, names(r.targetKeys)...)) == "password":
		return "a password must not be in this file: put it into its own file, and give that as password_file", "password"
	case slices.Contains(names(r.tlsKeys), key):
		return "it belongs under tls_config", ""
	default:
		return "", ""
	}
}

// belongsInTLS is belongsInTarget for the keys of tls_config.
func (r *reader) belongsInTLS(key string) (todo, meant string) {
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
func (r *reader) readName(node *yaml.Node, at place) {
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
func (r *reader) readURL(node *yaml.Node, at place) {
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

// The names of what is read beside the lists, in collectors and, after "collector.", of their flags.
const (
	SourceSchedules = "schedules"
	SourceInventory = "inventory"
)

// readProxy reads the address of the proxy, which may have a password.
func (r *reader) readProxy(node *yaml.Node, at place) {
	if address, ok := r.optionalText(node, at); ok {
		r.target.Proxy.URL, r.target.Proxy.File = ciphertrust.Secret(address), r.file
	}
}

// readCollectors reads the names of the lists, and whether schedules and the inventory are read.
func (r *reader) readCollectors(node *yaml.Node, at place) {
	all := syncjob.Lists()
	known := make([]string, 0, len(all)+2)
	for i := range all {
		known = append(known, all[i].Name)
	}
	known = append(known, SourceSchedules, SourceInventory)
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
	r.target.Schedules, r.target.Inventory = lines[SourceSchedules] > 0, lines[SourceInventory] > 0
	if len(r.target.Lists) == 0 && (r.target.Schedules || r.target.Inventory) {
		r.addf(at, "has no list of jobs: give at least one of %s, too", enumerate(known[:len(all)]))
	}
}

// readLabels reads the labels that /sd adds to the target's series.
func (r *reader) readLabels(node *yaml.Node, at place) {
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
func (r *reader) readTLS(node *yaml.Node, at place) {
	r.readKeys(node, at, "tls_config.", r.tlsKeys, r.belongsInTLS)
}
