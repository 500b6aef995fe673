package grafana

import (
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"

	"cckm_sync_exporter/collector/state"
)

const (
	tag      = "cckm-sync"
	fleetUID = "cckm-sync-fleet"
	scopeUID = "cckm-sync-scope"
	selfUID  = "cckm-sync-exporter"
)

// newBoard returns a board with what all have in common. Its sections are placed one
// below the other. statusQuery is the search of the link to the status page.
func newBoard(uid, title, description, from, statusQuery string, variables []dashboard.VariableModel, sections ...section) Dashboard {
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
		Annotations: dashboard.AnnotationContainer{List: []dashboard.AnnotationQuery{
			annotation("Critical alerts", "critical", red, true), annotation("Warnings", "warning", brown, false),
		}},
		Panels: place(sections),
	}
}

// annotation marks the times at which alerts of a severity fired.
func annotation(name, severity, color string, enabled bool) dashboard.AnnotationQuery {
	return dashboard.AnnotationQuery{
		Name: name, Datasource: dataSource(), Enable: enabled, IconColor: color, Step: new("60s"),
		Expr:        new("count by (alertname, instance, cloud, item) (" + firing(`, severity="`+severity+`"`) + ")"),
		TitleFormat: new("{{alertname}}"), TextFormat: new("{{instance}} {{cloud}} {{item}}"),
	}
}

// section is a row with a title, and the panels below it.
type section struct {
	title string
	// folded hides the panels, and does not run their queries, until the user opens the row.
	folded bool
	rows   [][]dashboard.Panel
}

func open(title string, rows ...[]dashboard.Panel) section { return section{title: title, rows: rows} }

func folded(title string, rows ...[]dashboard.Panel) section {
	return section{title: title, folded: true, rows: rows}
}

// place numbers the panels and places them in rows, from the left.
func place(sections []section) []dashboard.PanelOrRowPanel {
	var placed []dashboard.PanelOrRowPanel
	y, id := uint32(0), uint32(0)
	for _, s := range sections {
		id++
		row := &dashboard.RowPanel{
			Type: "row", Title: &s.title, GridPos: &dashboard.GridPos{H: 1, W: 24, Y: y}, Id: id, Collapsed: s.folded, Panels: []dashboard.Panel{},
		}
		placed = append(placed, dashboard.PanelOrRowPanel{RowPanel: row})
		below := y + 1
		for _, panels := range s.rows {
			x, height := uint32(0), uint32(0)
			for i := range panels {
				panel := panels[i]
				id++
				panel.Id = new(id)
				panel.GridPos.X, panel.GridPos.Y = x, below
				x += panel.GridPos.W
				height = max(height, panel.GridPos.H)
				if s.folded {
					row.Panels = append(row.Panels, panel)
				} else {
					placed = append(placed, dashboard.PanelOrRowPanel{Panel: &panel})
				}
			}
			below += height
		}
		y++
		if !s.folded {
			y = below
		}
	}
	return placed
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

// option is a value that a user can choose, and its name.
func option(name, value string, selected bool) dashboard.VariableOption {
	return dashboard.VariableOption{
		Selected: &selected, Text: dashboard.StringOrArrayOfString{String: &name}, Value: dashboard.StringOrArrayOfString{String: &value},
	}
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
		Current:     new(option(address, address, true)), Options: []dashboard.VariableOption{option(address, address, true)},
	}
}

// stateVariable chooses states by which the table of key rings and vaults is filtered.
func stateVariable() dashboard.VariableModel {
	v := dashboard.VariableModel{
		Name: "state", Label: new("State"), Type: dashboard.VariableTypeCustom,
		Description: new("Which key rings and vaults the table “What is wrong, worst first” shows: those that have one of these states."),
		Multi:       new(true), IncludeAll: new(true), AllValue: new(".+"),
		Options: []dashboard.VariableOption{option("All", "$__all", true)},
		Current: &dashboard.VariableOption{
			Selected: new(true), Text: dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}},
			Value: dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}},
		},
	}
	list := make([]string, 0, state.NumStates)
	for _, s := range state.All() {
		list = append(list, s.Info().Name+" : "+s.Info().Key)
		v.Options = append(v.Options, option(s.Info().Name, s.Info().Key, false))
	}
	v.Query = text(strings.Join(list, ", "))
	return v
}
