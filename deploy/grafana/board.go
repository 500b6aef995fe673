package grafana

import (
	"strconv"
	"strings"
)

const (
	tag      = "cckm-sync"
	fleetUID = "cckm-sync-fleet"
	scopeUID = "cckm-sync-scope"
	selfUID  = "cckm-sync-exporter"
)

// newBoard returns a board with what all have in common. Its rows are placed
// one below the other. Query is what the link to the status page asks it for.
func newBoard(uid, title, description, from, query string, variables []Variable, rows ...[]Panel) Dashboard {
	return Dashboard{
		UID:           uid,
		Title:         title,
		Description:   description,
		Tags:          []string{tag},
		SchemaVersion: 39,
		GraphTooltip:  1, // The pointer shows the same time on every panel.
		Refresh:       "1m",
		Timezone:      "browser",
		Time:          TimeRange{From: from, To: "now"},
		Links: []BoardLink{
			{
				Title: "Synchronization boards", Type: "dashboards", Tags: []string{tag},
				IncludeVars: true, KeepTime: true, Icon: "external link",
			},
			{
				Title: "Status page", Type: "link", Tags: []string{}, URL: statusPage + query, TargetBlank: true, Icon: "info",
				Tooltip: "The exporter's own page: the job's id and the appliance's own words",
			},
		},
		Templating: Templating{List: append(variables, statusPageVariable())},
		Panels:     place(rows),
	}
}

// place numbers the panels and sets them in rows, from the left.
func place(rows [][]Panel) []Panel {
	var placed []Panel
	y := 0
	for _, row := range rows {
		x, height := 0, 0
		for i := range row {
			panel := row[i]
			panel.ID = len(placed) + 1
			panel.GridPos.X, panel.GridPos.Y = x, y
			x += panel.GridPos.W
			height = max(height, panel.GridPos.H)
			placed = append(placed, panel)
		}
		y += height
	}
	return placed
}

// heading is a row that opens a section.
func heading(title string) []Panel {
	open := false
	return []Panel{{Type: "row", Title: title, GridPos: GridPos{H: 1, W: 24}, Collapsed: &open}}
}

func prometheus() *Datasource { return &Datasource{Type: "prometheus", UID: "${datasource}"} }

// commonVariables are those of every board. Reporting is the selector of the
// series that name the exporters to choose from.
func commonVariables(reporting string) []Variable {
	return []Variable{
		{
			Name: "datasource", Label: "Data source", Type: "datasource", Query: "prometheus",
			Description: "The Prometheus that scrapes the exporters.",
			Current:     map[string]any{}, Options: []Option{},
		},
		choice("job", "Job", "Scrape jobs of Prometheus.", "label_values("+reporting+", job)"),
		choice("instance", "Instance", "Exporters; of those that read several appliances, the appliances too.",
			"label_values("+withLabels(reporting, `job=~"$job"`)+", instance)"),
		choice("cloud", "Cloud", "Clouds whose lists are read.",
			`label_values(cckm_sync_up{job=~"$job", instance=~"$instance"}, cloud)`),
		choice("item", "Item", "What is synchronized: keys, certificates, secrets.",
			`label_values(cckm_sync_up{job=~"$job", instance=~"$instance", cloud=~"$cloud"}, item)`),
	}
}

// withLabels adds label matchers to a selector that may have some.
func withLabels(selector, labels string) string {
	if selector[len(selector)-1] == '}' {
		return selector[:len(selector)-1] + ", " + labels + "}"
	}
	return selector + "{" + labels + "}"
}

// choice is a variable whose values Prometheus knows, of which several or all can
// be chosen.
func choice(name, label, description, query string) Variable {
	return Variable{
		Name: name, Label: label, Description: description, Type: "query", Datasource: prometheus(),
		Definition: query, Query: VariableQuery{Query: query, RefID: name},
		Refresh: 2, Sort: 1, Multi: true, IncludeAll: true, AllValue: ".+",
		Current: map[string]any{"selected": true, "text": []string{"All"}, "value": []string{"$__all"}},
		Options: []Option{},
	}
}

// scopeVariable chooses one key ring or vault.
func scopeVariable() Variable {
	v := choice("scope", "Key ring or vault", "The key ring or vault that the board shows.",
		"label_values(cckm_sync_scope_info{"+ofList+"}, scope)")
	v.Multi, v.IncludeAll, v.AllValue, v.Current = false, false, "", map[string]any{}
	return v
}

// targetVariable chooses among the targets of exporters that have several. Of
// one that has none, all is what has no label.
func targetVariable() Variable {
	v := choice("target", "Target", "Targets of exporters that read several appliances, for what the exporters tell of each. There are none otherwise.",
		"label_values(cckm_sync_exporter_logins_total{"+ofExporter+"}, target)")
	v.AllValue = ".*"
	return v
}

// statusPageVariable is the exporter's address for people. Prometheus knows only
// the one that it scrapes, and in place of that the name of a target.
func statusPageVariable() Variable {
	const address = "http://localhost:10458"
	return Variable{
		Name: "status_page", Label: "Status page", Type: "textbox", Query: address,
		Description: "Address of the exporter's status page, to which links lead.",
		Current:     map[string]any{"selected": true, "text": address, "value": address},
		Options:     []Option{{Text: address, Value: address, Selected: true}},
	}
}

// hours is a limit that the user can change.
func hours(name, label, description string, chosen int, values ...int) Variable {
	v := Variable{Name: name, Label: label, Description: description, Type: "custom", Options: []Option{}}
	list := make([]string, 0, len(values))
	for _, value := range values {
		text := strconv.Itoa(value)
		list = append(list, text)
		v.Options = append(v.Options, Option{Text: text, Value: text, Selected: value == chosen})
	}
	v.Query = strings.Join(list, ",")
	v.Current = map[string]any{"selected": true, "text": strconv.Itoa(chosen), "value": strconv.Itoa(chosen)}
	return v
}

// limits are the variables against which ages are held.
func limits() []Variable {
	return []Variable{
		hours("overdue", "Overdue after (h)", "Hours since the last success after which a key ring or vault is overdue.",
			48, 1, 2, 6, 12, 24, 36, 48, 72, 168, 336),
		hours("stuck", "Stuck after (h)", "Hours after which a job that is still in progress is stuck.",
			2, 1, 2, 4, 8, 12, 24),
	}
}
