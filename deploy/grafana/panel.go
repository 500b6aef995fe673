package grafana

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	grafanatable "github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// field is how a panel's values look.
type field struct {
	unit       string
	decimals   int // -1 lets Grafana choose.
	min, max   *float64
	mappings   []dashboard.ValueMapping
	thresholds *dashboard.ThresholdsConfig
	noValue    string
	links      []dashboard.DashboardLink
}

// query asks for values over the board's time range.
func query(ref, legend, expr string) prometheus.Dataquery {
	return prometheus.Dataquery{
		RefId: &ref, Datasource: dataSource(), EditorMode: new(prometheus.QueryEditorModeCode), Expr: expr,
		Format: new(prometheus.PromQueryFormatTimeSeries), Range: new(true), Instant: new(false), LegendFormat: &legend,
	}
}

// now asks for the current values.
func now(ref, legend, expr string) prometheus.Dataquery {
	q := query(ref, legend, expr)
	q.Range, q.Instant = new(false), new(true)
	return q
}

// rows asks for the current values as rows of a table.
func rows(ref, expr string) prometheus.Dataquery {
	q := now(ref, "", expr)
	q.Format = new(prometheus.PromQueryFormatTable)
	return q
}

// panel returns what all kinds of panels have in common.
func panel(kind, title, description string, width, height uint32, f *field, color dashboard.FieldColor, queries []prometheus.Dataquery) dashboard.Panel {
	p := dashboard.Panel{
		Type: kind, Title: &title, Description: &description, Datasource: dataSource(), GridPos: &dashboard.GridPos{W: width, H: height},
		FieldConfig: &dashboard.FieldConfigSource{
			Defaults: dashboard.FieldConfig{
				Unit: &f.unit, Min: f.min, Max: f.max, Links: f.links, Color: &color, Mappings: f.mappings, Thresholds: f.thresholds,
			},
			Overrides: []override{},
		},
	}
	defaults := &p.FieldConfig.Defaults
	if f.decimals >= 0 {
		defaults.Decimals = new(float64(f.decimals))
	}
	if f.noValue != "" {
		defaults.NoValue = &f.noValue
	}
	if defaults.Thresholds == nil {
		defaults.Thresholds = thresholds(plain)
	}
	for _, q := range queries {
		p.Targets = append(p.Targets, variants.Dataquery(q))
	}
	return p
}

func fixed(color string) dashboard.FieldColor {
	return dashboard.FieldColor{Mode: dashboard.FieldColorModeIdFixed, FixedColor: &color}
}

// stat shows one number or text, or one for each series.
func statPanel(title, description string, width uint32, f field, queries ...prometheus.Dataquery) dashboard.Panel {
	p := panel("stat", title, description, width, 4, &f, dashboard.FieldColor{Mode: dashboard.FieldColorModeIdThresholds}, queries)
	options := stat.NewOptions()
	options.ColorMode, options.GraphMode = common.BigValueColorModeBackgroundSolid, common.BigValueGraphModeNone
	options.JustifyMode, options.Orientation = common.BigValueJustifyModeCenter, common.VizOrientationAuto
	options.ReduceOptions.Calcs = []string{"lastNotNull"}
	p.Options = options
	return p
}

// graph draws lines.
func graph(title, description string, width uint32, f field, overrides []override, queries ...prometheus.Dataquery) dashboard.Panel {
	p := panel("timeseries", title, description, width, 8, &f, dashboard.FieldColor{Mode: dashboard.FieldColorModeIdPaletteClassic}, queries)
	p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, overrides...)
	// Rates over less than two scrapes have no value, and Grafana's default for a scrape is 15 s.
	p.Interval = new("1m")
	p.FieldConfig.Defaults.Custom = &timeseries.FieldConfig{
		DrawStyle: new(common.GraphDrawStyleLine), LineInterpolation: new(common.LineInterpolationStepAfter), LineWidth: new(2.0),
		FillOpacity: new(5.0), ShowPoints: new(common.VisibilityModeNever), AxisSoftMin: new(0.0),
	}
	p.Options = &timeseries.Options{
		Legend:  legend(common.LegendDisplayModeList),
		Tooltip: common.VizTooltipOptions{Mode: common.TooltipDisplayModeMulti, Sort: common.SortOrderDescending},
	}
	return p
}

func legend(mode common.LegendDisplayMode, calcs ...string) common.VizLegendOptions {
	return common.VizLegendOptions{
		DisplayMode: mode, Placement: common.LegendPlacementBottom, ShowLegend: true, Calcs: append([]string{}, calcs...),
	}
}

// bars draws what was counted in each interval, with the states stacked. An
// interval is at least the given one.
func bars(title, description string, width uint32, interval string, f field, overrides []override, queries ...prometheus.Dataquery) dashboard.Panel {
	p := stacked(graph(title, description, width, f, overrides, queries...), 80)
	p.Interval, p.MaxDataPoints = &interval, new(100.0)
	custom, _ := p.FieldConfig.Defaults.Custom.(*timeseries.FieldConfig)
	custom.DrawStyle, custom.LineWidth = new(common.GraphDrawStyleBars), new(1.0)
	options, _ := p.Options.(*timeseries.Options)
	options.Legend = legend(common.LegendDisplayModeList, "sum")
	return p
}

// stacked turns a graph's lines into stacked areas.
func stacked(p dashboard.Panel, opacity float64) dashboard.Panel {
	custom, _ := p.FieldConfig.Defaults.Custom.(*timeseries.FieldConfig)
	custom.FillOpacity = &opacity
	custom.Stacking = &common.StackingConfig{Mode: new(common.StackingModeNormal), Group: new("A")}
	return p
}

// timeline shows a band of states over time for each series.
func timeline(title, description string, height uint32, texts []dashboard.ValueMapping, links []dashboard.DashboardLink, queries ...prometheus.Dataquery) dashboard.Panel {
	f := field{unit: "short", decimals: -1, mappings: texts, links: links}
	p := panel("state-timeline", title, description, 24, height, &f, fixed(slate), queries)
	p.Interval, p.MaxDataPoints = new("1m"), new(200.0)
	// Texts have their contrast on the opaque color.
	p.FieldConfig.Defaults.Custom = &statetimeline.FieldConfig{FillOpacity: new(uint32(100)), LineWidth: new(uint32(0))}
	options := statetimeline.NewOptions()
	options.RowHeight, options.Legend = 0.8, legend(common.LegendDisplayModeList)
	options.Tooltip = common.VizTooltipOptions{Mode: common.TooltipDisplayModeSingle, Sort: common.SortOrderNone}
	p.Options = options
	return p
}

// column is one column of a table: a label, or "Value #" and a query's name.
type column struct {
	name, title string
	// width is fixed; least is that of a column which gets a share of the rest.
	width, least int
	field        *field
	// hidden leaves the column out.
	hidden bool
	// colored shows the value on its color, wrapped on several lines.
	colored, wrapped bool
	links            []dashboard.DashboardLink
}

func label(name, title string, width int) column {
	return column{name: name, title: title, width: width}
}

func value(ref, title string, width int, f field) column {
	return column{name: "Value #" + ref, title: title, width: width, field: &f}
}

func coloredValue(ref, title string, width int, f field) column {
	c := value(ref, title, width, f)
	c.colored = true
	return c
}

func hidden(ref string) column { return column{name: "Value #" + ref, hidden: true} }

func hiddenLabel(name string) column { return column{name: name, hidden: true} }

// table joins the results of several queries by their labels. It is sorted by the
// column with a title, the greatest value first.
func table(title, description string, height uint32, sortBy string, columns []column, queries ...prometheus.Dataquery) dashboard.Panel {
	p := panel("table", title, description, 24, height, &field{unit: "short", decimals: -1, noValue: "–"}, fixed("text"), queries)
	custom := grafanatable.NewFieldConfig()
	custom.Filterable = new(true)
	p.FieldConfig.Defaults.Custom = custom
	order := make(map[string]int, len(columns))
	excluded := map[string]bool{"Time": true}
	for i, c := range columns {
		if c.hidden {
			excluded[c.name] = true
			continue
		}
		order[c.name] = i
		p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, c.override())
	}
	options := grafanatable.NewOptions()
	options.SortBy = []common.TableSortByFieldState{{DisplayName: sortBy, Desc: new(true)}}
	options.Footer.Reducer = []string{}
	p.Options = options
	p.Transformations = []dashboard.DataTransformerConfig{
		{Id: "merge", Options: map[string]any{}},
		{Id: "organize", Options: map[string]any{"excludeByName": excluded, "indexByName": order, "renameByName": map[string]any{}}},
	}
	return p
}

// override sets a column's looks. The column keeps its name, which links use.
func (c *column) override() override {
	o := byName(c.name, "displayName", c.title)
	add := func(id string, value any) {
		o.Properties = append(o.Properties, dashboard.DynamicConfigValue{Id: id, Value: value})
	}
	if c.width > 0 {
		add("custom.width", c.width)
	}
	if c.least > 0 {
		add("custom.minWidth", c.least)
	}
	if c.field != nil && c.field.mappings != nil {
		add("custom.align", "left") // It is a text.
	}
	if c.links != nil {
		add("links", c.links)
	}
	if c.field == nil {
		return o
	}
	add("unit", c.field.unit)
	if c.field.decimals >= 0 {
		add("decimals", c.field.decimals)
	}
	if c.field.mappings != nil {
		add("mappings", c.field.mappings)
	}
	if c.field.thresholds != nil {
		add("thresholds", c.field.thresholds)
		add("color", map[string]any{"mode": "thresholds"})
	}
	if c.field.noValue != "" {
		add("noValue", c.field.noValue)
	}
	if c.colored {
		add("custom.cellOptions", map[string]any{"type": "color-background", "mode": "basic"})
	}
	if c.wrapped {
		// Grafana reads the first before version 12, the second since.
		add("custom.cellOptions", map[string]any{"type": "auto", "wrapText": true})
		add("custom.wrapText", true)
	}
	return o
}
