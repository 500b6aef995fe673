package config

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/prometheus/common/config"
	"github.com/xhit/go-str2duration/v2"
	"go.yaml.in/yaml/v4"
)

// orNone is appended to the advice for an optional key. An empty value is a mistake, because it may
// come from a template whose value is missing.
const orNone = ", or omit the key"

// text reads a text. A number or boolean is accepted as it is written.
func (r *reader) text(node *yaml.Node, at place, wanted string) (string, bool) {
	node = resolve(node)
	if !isText(node) {
		r.addf(at, "is %s: give %s", kind(node), wanted)
		return "", false
	}
	switch value := node.Value; {
	case value == "":
		r.addf(at, "is empty: give %s", wanted)
	case len(value) > maxTextBytes:
		r.addf(at, "is longer than %d bytes: give %s", maxTextBytes, wanted)
	case strings.ContainsFunc(value, unicode.IsControl):
		r.addf(at, "has a line break or another control character: give %s", wanted)
	default:
		return value, true
	}
	return "", false
}

// optionalText reads a text that may be omitted.
func (r *reader) optionalText(node *yaml.Node, at place) (string, bool) {
	return r.text(node, at, "a text"+orNone)
}

// hosts reads hosts in the form of the variable NO_PROXY.
func (r *reader) hosts(node *yaml.Node, at place) (string, bool) {
	const wanted = "hosts, domains such as .example.com, addresses or networks such as 10.0.0.0/8, separated by commas"
	value, ok := r.text(node, at, wanted+orNone)
	if !ok {
		return "", false
	}
	for host := range strings.SplitSeq(value, ",") {
		if host = strings.TrimSpace(host); host == "" || strings.Contains(host, "://") || strings.ContainsAny(host, " ;@") {
			// It may be the proxy's URL, with a password.
			r.addf(at, "has an entry that is not a host: give %s%s", wanted, orNone)
			return "", false
		}
	}
	return value, true
}

// version reads a TLS version by Prometheus' name for it.
func (r *reader) version(node *yaml.Node, at place) (version config.TLSVersion, ok bool) {
	wanted := "one of " + strings.Join(slices.Sorted(maps.Keys(config.TLSVersions)), ", ")
	text, ok := r.text(node, at, wanted)
	if !ok {
		return 0, false
	}
	if version, ok = config.TLSVersions[text]; !ok {
		r.addf(at, "is %s: give %s", quoted(text), wanted)
	}
	return version, ok
}

// isText reports whether a value can be read as a text.
func isText(node *yaml.Node) bool {
	return slices.Contains([]string{"!!str", "!!int", "!!float", "!!bool", "!!timestamp"}, node.ShortTag())
}

// number reads a whole number.
func (r *reader) number(node *yaml.Node, at place) (int, bool) {
	node = resolve(node)
	value := 0
	if node.ShortTag() != "!!int" || node.Decode(&value) != nil {
		r.addf(at, "is %s: give a whole number such as 100, without quotes", described(node))
		return 0, false
	}
	return value, true
}

// truth reads a boolean.
func (r *reader) truth(node *yaml.Node, at place) (value, ok bool) {
	node = resolve(node)
	if node.ShortTag() != "!!bool" || node.Decode(&value) != nil {
		r.addf(at, "is %s: give true or false, without quotes", described(node))
		return false, false
	}
	return value, true
}

// duration reads a duration with the parser that kingpin uses for flags.
func (r *reader) duration(node *yaml.Node, at place) (time.Duration, bool) {
	node = resolve(node)
	value, err := str2duration.ParseDuration(node.Value)
	if !isText(node) || err != nil {
		r.addf(at, "is %s: give a number with a unit, such as 500ms, 30s, 10m, 2h30m or 90d", described(node))
		return 0, false
	}
	return value, true
}

// described returns a value, which must not be a secret, for a message.
func described(node *yaml.Node) string {
	if isText(node) {
		return quoted(node.Value)
	}
	return kind(node)
}

// filename reads the path of a file, relative to the configuration's directory as in Prometheus.
func (r *reader) filename(node *yaml.Node, at place) (string, bool) {
	name, ok := r.text(node, at, "the name of a file"+orNone)
	if ok && !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(r.file), name)
	}
	return name, ok
}
