package web

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"

	"cckm_sync_exporter/collector/targets"
)

// discovery responds to Prometheus' HTTP service discovery with a group for each target. Prometheus
// scrapes the target through this exporter, at the external URL, or else at the address at which it
// reached the exporter. The target's name is the instance label instead of that address, so that rules and boards can tell
// targets apart by the label that they use for other exporters.
func discovery(set *targets.Set, external *url.URL) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			methodNotAllowed(w, http.MethodGet, http.MethodHead)
			return
		}
		at := url.URL{Host: r.Host}
		switch {
		case external != nil:
			at = *external
		case r.TLS != nil:
			at.Scheme = "https"
		}
		// Prometheus rejects null; an empty list is valid.
		groups := []map[string]any{}
		for _, t := range set.All() {
			name := t.Config.Name
			if name == "" {
				continue
			}
			labels := map[string]string{"__metrics_path__": at.EscapedPath() + PathProbe, "__param_target": name, "instance": name}
			if at.Scheme != "" {
				labels["__scheme__"] = at.Scheme
			}
			maps.Copy(labels, t.Config.Labels)
			groups = append(groups, map[string]any{"targets": []string{at.Host}, "labels": labels})
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(groups) // If the client has hung up, nobody needs the error.
	}
}
