package config

import (
	"slices"
	"strings"

	"github.com/prometheus/common/model"
)

// metricLabels returns the labels that the exporter's metrics have of their own.
func metricLabels() []string {
	return []string{
		"cloud", "code", "endpoint", "grant", "item", "kind", "le", "location", "name", "project", "quantile", "reason",
		"result", "scope", "status", "subscription",
	}
}

// refused says why a target cannot have a label, and is empty where it can.
func refused(label string) string {
	switch {
	case label == "instance" || label == "target":
		return "is set by the exporter to the target's name; give the label another name"
	case label == "job":
		return "is set by Prometheus to the name of the scrape job, by which alerts and boards know the exporter; give the label another name"
	case slices.Contains(metricLabels(), label):
		return "is a label that the metrics have of their own: Prometheus would rename theirs to exported_" + label +
			", and alerts and boards would miss it; give the label another name"
	case slices.Contains([]string{"alertname", "certificate", "finished", "severity"}, label):
		return "is a label that the alerts and recording rules set; give the label another name"
	case strings.HasPrefix(label, model.ReservedLabelPrefix):
		return "begins with __, which Prometheus keeps to itself; give the label another name"
	case !model.LegacyValidation.IsValidLabelName(label):
		return `is no name of a label: give letters (a-z, A-Z), digits and "_", of which the first is no digit`
	case len(label) > maxTextBytes:
		return "is too long a name of a label: give a shorter one"
	default:
		return ""
	}
}
