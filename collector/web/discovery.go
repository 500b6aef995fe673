package web

import (
	"encoding/json"
	"maps"
	"net/http"

	"cckm_sync_exporter/collector/targets"
)

// group is a target group of Prometheus' HTTP service discovery.
type group struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// discovery answers Prometheus' HTTP service discovery with a group for each
// target, so that it scrapes the target through this exporter, by the address
// that Prometheus has reached it by. The target's name takes the place of the
// exporter's address as instance, so that the series, alerts and boards of one
// target are told from another's by the same label as those of exporters.
func discovery(targets Targets) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			methodNotAllowed(w, http.MethodGet, http.MethodHead)
			return
		}
		// Prometheus refuses null, and takes an empty list for what it is.
		groups := []group{}
		for _, t := range targets.All() {
			if name := t.Config.Name; name != "" {
				groups = append(groups, group{Targets: []string{r.Host}, Labels: discovered(t, r)})
			}
		}
		w.Header().Set("Content-Type", "application/json")
		// Where the answer cannot be sent, there is nobody to tell.
		_ = json.NewEncoder(w).Encode(groups)
	}
}

// discovered returns the labels of a target, and what Prometheus has to know to
// scrape it.
func discovered(t *targets.Target, r *http.Request) map[string]string {
	labels := maps.Clone(t.Config.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels["__metrics_path__"] = PathProbe
	labels["__param_target"] = t.Config.Name
	labels["instance"] = t.Config.Name
	if r.TLS != nil {
		labels["__scheme__"] = "https"
	}
	return labels
}
