// Package grafana generates the Grafana dashboards of the exporter with the types of
// Grafana's SDK, so that each label, color and threshold is defined once. The
// generated files are in dashboards; the exporter does not import the package.
package grafana

import (
	"bytes"
	"encoding/json"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// Dashboard is the schema that Grafana 11 reads; the one that replaces it needs Grafana 12.
type Dashboard = dashboard.Dashboard //nolint:staticcheck // It is deprecated for that one.

// override changes how some fields of a panel look.
type override = dashboard.DashboardFieldConfigSourceOverrides

// Boards returns all dashboards.
func Boards() []Dashboard {
	return []Dashboard{fleet(), scope(), exporter()}
}

// JSON returns a dashboard as it is in its file.
func JSON(board *Dashboard) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(board)
	return text.Bytes(), err
}
