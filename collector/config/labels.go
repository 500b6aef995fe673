package config

import (
	"slices"
	"strings"

	"github.com/prometheus/common/model"
)

// metricLabels returns the labels of the exporter's metrics.
func metricLabels() []string {
	return []string{
		"cloud", "code", "endpoint", "grant", "item", "kind", "le", "location", "name", "project", "quantile", "reason",
		"result", "run_at", "schedule", "scope", "source", "status", "subscription",
	}
}

// ruleLabels returns the labels that the alerts and recording rules set.
func ruleLabels() []string {
	return []string{"alertname", "certificate", "finished", "grafana", "runbooks", "severity", "state", "status_page"}
}

// refused returns why a target cannot have a label, or "" if it can.
func refused(label string) string {
	switch {
	case label == "instance" || label == "target":
		return "is set by the exporter to the target's name; give the label another name"
	case label == "job":
		return "is set by Prometheus to the name of the scrape job, by which alerts and boards know the exporter; give the label another name"
	case slices.Contains(metricLabels(), label):
		return "is a label of the exporter's metrics: Prometheus would rename theirs to exported_" + label +
			", and alerts and boards would miss it; give the label another name"
	case slices.Contains(ruleLabels(), label):
		return "is a label that the alerts and recording rules set; give the label another name"
	case strings.HasPrefix(label, model.ReservedLabelPrefix):
		return "begins with __, which Prometheus reserves; give the label another name"
	case !model.LegacyValidation.IsValidLabelName(label):
		return `is not a label name: give letters (a-z, A-Z), digits and "_", and begin with a letter or "_"`
	case len(label) > maxTextBytes:
		return "is too long for a label name: give a shorter one"
	default:
		return ""
	}
}
