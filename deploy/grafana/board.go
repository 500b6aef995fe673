package grafana

import (
	"strconv"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

const (
	tag      = "cckm-sync"
	fleetUID = "cckm-sync-fleet"
	scopeUID = "cckm-sync-scope"
	selfUID  = "cckm-sync-exporter"
)

// newBoard returns a board with what all have in common. Its rows are placed one
// below the other. statusQuery is the search of the link to the status page.
func newBoard(uid, title, description, from, statusQuery string, variables []dashboard.VariableModel, rows ...[]dashboard.Panel) Dashboard {
	boards := dataLink("Synchronization boards", "")
	boards.Type, boards.Tags, boards.Icon = dashboard.DashboardLinkTypeDashboards, []string{tag}, "external link"
	boards.IncludeVars, boards.KeepTime = true, true
	page := statusLink("Status page", statusQuery)
	page.Icon, page.Tooltip = "info", "The exporter's own page: the job's id and the appliance's text"
	return Dashboard{
		Uid:           &uid,
		Title:         &title,
		Description:   &description,
		Tags:          []string{tag},
		SchemaVersion: 39,
		Editable:      new(false),
		GraphTooltip:  new(dashboard.DashboardCursorSyncCrosshair),
		Refresh:       new("1m"),
		Timezone:      new("browser"),
		Time:          &dashboard.DashboardDashboardTime{From: from, To: "now"},
		Links:         []dashboard.DashboardLink{boards, page},
		Templating:    dashboard.DashboardDashboardTemplating{List: append(variables, statusPageVariable())},
		Annotations:   dashboard.AnnotationContainer{List: []dashboard.AnnotationQuery{}},
		Panels:        place(rows),
	}
}

// place numbers the panels and places them in rows, from the left.
func place(rows [][]dashboard.Panel) []dashboard.PanelOrRowPanel {
	var placed []dashboard.PanelOrRowPanel
	y := uint32(0)
	for _, row := range rows {
		x, height := uint32(0), uint32(0)
		for i := range row {
			panel := row[i]
			id := uint32(len(placed) + 1) //nolint:gosec // A board has few panels.
			panel.Id = &id
			panel.GridPos.X, panel.GridPos.Y = x, y
			x += panel.GridPos.W
			height = max(height, panel.GridPos.H)
			if panel.Type == "row" {
				placed = append(placed, dashboard.PanelOrRowPanel{RowPanel: &dashboard.RowPanel{
					Type: "row", Title: panel.Title, GridPos: panel.GridPos, Id: id, Panels: []dashboard.Panel{},
				}})
				continue
			}
			placed = append(placed, dashboard.PanelOrRowPanel{Panel: &panel})
		}
		y += height
	}
	return placed
}

// heading is a row that opens a section.
func heading(title string) []dashboard.Panel {
	return []dashboard.Panel{{Type: "row", Title: &title, GridPos: &dashboard.GridPos{H: 1, W: 24}}}
}

func dataSource() *common.DataSourceRef {
	return &common.DataSourceRef{Type: new("prometheus"), Uid: new("${datasource}")}
}

// commonVariables are those of every board. Reporting is the selector of the
// series that name the exporters to choose from.
func commonVariables(reporting string) []dashboard.VariableModel {
	return []dashboard.VariableModel{
		{
			Name: "datasource", Label: new("Data source"), Type: dashboard.VariableTypeDatasource, Query: text("prometheus"),
			Description: new("The Prometheus that scrapes the exporters."), Multi: new(false), IncludeAll: new(false),
		},
		choice("job", "Job", "Scrape jobs of Prometheus.", "label_values("+reporting+", job)"),
		choice("instance", "Instance", "Exporters, and the targets of those that read several appliances.",
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
func choice(name, label, description, query string) dashboard.VariableModel {
	return dashboard.VariableModel{
		Name: name, Label: &label, Description: &description, Type: dashboard.VariableTypeQuery, Datasource: dataSource(),
		Definition: &query, Query: &dashboard.StringOrMap{Map: map[string]any{"query": query, "refId": name}},
		Refresh: new(dashboard.VariableRefreshOnTimeRangeChanged), Sort: new(dashboard.VariableSortAlphabeticalAsc),
		Multi: new(true), IncludeAll: new(true), AllValue: new(".+"),
		Current: &dashboard.VariableOption{
			Selected: new(true), Text: dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}},
			Value: dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}},
		},
	}
}

func text(value string) *dashboard.StringOrMap { return &dashboard.StringOrMap{String: &value} }

// option is a value that a user can choose.
func option(value string, selected bool) dashboard.VariableOption {
	is := dashboard.StringOrArrayOfString{String: &value}
	return dashboard.VariableOption{Selected: &selected, Text: is, Value: is}
}

// scopeVariable chooses one key ring or vault.
func scopeVariable() dashboard.VariableModel {
	v := choice("scope", "Key ring or vault", "The key ring or vault that the board shows.",
		"label_values(cckm_sync_scope_info{"+ofList+"}, scope)")
	v.Multi, v.IncludeAll, v.AllValue, v.Current = new(false), new(false), nil, nil
	return v
}

// targetVariable chooses among the targets of exporters that have several. For an
// exporter without targets, "all" matches the series without that label.
func targetVariable() dashboard.VariableModel {
	v := choice("target", "Target", "Targets of exporters that read several appliances, for the metrics that such an exporter has about each of them.",
		"label_values(cckm_sync_exporter_logins_total{"+ofExporter+"}, target)")
	v.AllValue = new(".*")
	return v
}

// statusPageVariable is the exporter's address for people. Prometheus knows only
// the address that it scrapes, or the name of a target instead of it.
func statusPageVariable() dashboard.VariableModel {
	const address = "http://localhost:10458"
	return dashboard.VariableModel{
		Name: "status_page", Label: new("Status page"), Type: dashboard.VariableTypeTextbox, Query: text(address),
		Description: new("Address of the exporter's status page, which links lead to."),
		Current:     new(option(address, true)), Options: []dashboard.VariableOption{option(address, true)},
	}
}

// hours is a limit that the user can change.
func hours(name, label, description string, chosen int, values ...int) dashboard.VariableModel {
	v := dashboard.VariableModel{
		Name: name, Label: &label, Description: &description, Type: dashboard.VariableTypeCustom,
		Multi: new(false), IncludeAll: new(false), Current: new(option(strconv.Itoa(chosen), true)),
	}
	list := make([]string, 0, len(values))
	for _, value := range values {
		list = append(list, strconv.Itoa(value))
		v.Options = append(v.Options, option(strconv.Itoa(value), value == chosen))
	}
	v.Query = text(strings.Join(list, ","))
	return v
}

// limits are the variables that ages are compared with.
func limits() []dashboard.VariableModel {
	return []dashboard.VariableModel{
		hours("overdue", "Overdue after (h)", "Hours since the last success after which a key ring or vault is overdue.",
			48, 1, 2, 6, 12, 24, 36, 48, 72, 168, 336),
		hours("stuck", "Stuck after (h)", "Hours after which a job that is still in progress is stuck.",
			2, 1, 2, 4, 8, 12, 24),
	}
}
