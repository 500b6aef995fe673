package web

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// The parameters of a scrape that choose lists. They are node_exporter's, which refuses both at once, too.
const (
	paramCollect = "collect[]"
	paramExclude = "exclude[]"
)

// chosenLists returns the names of the enabled lists that a scrape asks for: all of them, only those of
// collect[], or all except those of exclude[]. An unknown or disabled name is refused, because a typing
// error must not hide a list. The refusal is a text for the client; it is empty if there is none.
func chosenLists(query url.Values, enabled []string) (lists []string, refusal string) {
	collect, exclude := query[paramCollect], query[paramExclude]
	named := slices.Concat(collect, exclude)
	switch {
	case len(named) == 0:
		return enabled, ""
	case len(enabled) == 0:
		return nil, "This path has only the exporter's own metrics. " + paramCollect + " and " + paramExclude + " choose lists of a target: " +
			PathProbe + "?target=NAME."
	case len(collect) > 0 && len(exclude) > 0:
		return nil, paramCollect + " and " + paramExclude + " cannot be combined."
	}
	for _, name := range named {
		if !slices.Contains(enabled, name) {
			return nil, fmt.Sprintf("%q is not an enabled list. The enabled lists are: %s.", name, strings.Join(enabled, ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(enabled), func(name string) bool {
		return slices.Contains(exclude, name) || len(collect) > 0 && !slices.Contains(collect, name)
	}), ""
}
