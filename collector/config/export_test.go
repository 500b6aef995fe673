package config

import "slices"

// Bounds, for the schema.
const (
	MaxTargets   = maxTargets
	MaxLabels    = maxLabels
	MaxTextBytes = maxTextBytes
)

// RefusedLabels returns the names of labels that a target cannot have, although they are valid.
func RefusedLabels() []string {
	return slices.Sorted(slices.Values(slices.Concat([]string{"instance", "job", "target"}, metricLabels(), ruleLabels())))
}

// Values returns the names of a target's keys and of those of tls_config, each with the zero value of its
// type. It is nil for a key that has a form of its own.
func Values() (target, tls map[string]any) {
	values := func(keys []key) map[string]any {
		all := map[string]any{}
		for _, k := range keys {
			all[k.name] = k.value
		}
		return all
	}
	return values(targetKeys()), values(tlsKeys())
}
