package grafana

// field is how a panel's values look, where they differ from plain.
type field struct {
	unit       string
	decimals   int // -1 lets Grafana choose.
	min, max   *float64
	mappings   []Mapping
	thresholds Thresholds
	noValue    string
	links      []DataLink
}

func (f *field) defaults(color string) Defaults {
	d := Defaults{
		Unit: f.unit, Min: f.min, Max: f.max, NoValue: f.noValue, Links: f.links,
		Color: map[string]any{"mode": color}, Mappings: f.mappings, Thresholds: f.thresholds,
	}
	if f.decimals >= 0 {
		d.Decimals = &f.decimals
	}
	if d.Mappings == nil {
		d.Mappings = []Mapping{}
	}
	if len(d.Thresholds.Steps) == 0 {
		d.Thresholds = thresholds(blue)
	}
	return d
}

// query asks for values over the board's time.
func query(ref, legend, expr string) Target {
	return Target{
		RefID: ref, Datasource: prometheus(), EditorMode: "code", Expr: expr, Format: "time_series",
		Range: true, LegendFormat: legend,
	}
}

// now asks for the present values.
func now(ref, legend, expr string) Target {
	t := query(ref, legend, expr)
	t.Range, t.Instant = false, true
	return t
}

// rows asks for the present values as rows of a table.
func rows(ref, expr string) Target {
	t := now(ref, "", expr)
	t.Format = "table"
	return t
}

// panel is what all panels have in common.
func panel(kind, title, description string, width, height int) Panel {
	return Panel{
		Type: kind, Title: title, Description: description, Datasource: prometheus(),
		GridPos: GridPos{W: width, H: height},
	}
}

// stat shows one number or text, or one for each series.
func stat(title, description string, width int, f field, targets ...Target) Panel {
	p := panel("stat", title, description, width, 4)
	p.Targets = targets
	p.FieldConfig = &FieldConfig{Defaults: f.defaults("thresholds"), Overrides: []Override{}}
	p.Options = map[string]any{
		"colorMode": "background", "graphMode": "none", "justifyMode": "center", "orientation": "auto",
		"textMode": "auto", "wideLayout": true,
		"reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
	}
	return p
}

// graph draws lines.
func graph(title, description string, width int, f field, overrides []Override, targets ...Target) Panel {
	p := panel("timeseries", title, description, width, 8)
	p.Targets = targets
	d := f.defaults("palette-classic")
	d.Custom = map[string]any{
		"drawStyle": "line", "lineInterpolation": "stepAfter", "lineWidth": 2, "fillOpacity": 5,
		"showPoints": "never", "spanNulls": false, "axisSoftMin": 0, "axisPlacement": "auto",
		"scaleDistribution": map[string]any{"type": "linear"}, "stacking": map[string]any{"mode": "none", "group": "A"},
		"thresholdsStyle": map[string]any{"mode": "off"},
	}
	if overrides == nil {
		overrides = []Override{}
	}
	p.FieldConfig = &FieldConfig{Defaults: d, Overrides: overrides}
	p.Options = map[string]any{
		"legend":  map[string]any{"displayMode": "table", "placement": "bottom", "showLegend": true, "calcs": []string{"lastNotNull", "max"}},
		"tooltip": map[string]any{"mode": "multi", "sort": "desc"},
	}
	return p
}

// bars draws what was counted in each interval, one state upon the other. An
// interval is not shorter than the given one.
func bars(title, description string, width int, interval string, f field, overrides []Override, targets ...Target) Panel {
	p := graph(title, description, width, f, overrides, targets...)
	p.Interval, p.MaxDataPoints = interval, 100
	custom := p.FieldConfig.Defaults.Custom
	custom["drawStyle"], custom["fillOpacity"], custom["lineWidth"] = "bars", 80, 1
	custom["stacking"] = map[string]any{"mode": "normal", "group": "A"}
	p.Options["legend"] = map[string]any{"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []string{"sum"}}
	return p
}

// stacked turns a graph's lines into areas upon each other.
func stacked(p Panel) Panel {
	custom := p.FieldConfig.Defaults.Custom
	custom["fillOpacity"] = 60
	custom["stacking"] = map[string]any{"mode": "normal", "group": "A"}
	return p
}

// timeline shows for each series a band of states over time.
func timeline(title, description string, height int, texts []Mapping, links []DataLink, targets ...Target) Panel {
	p := panel("state-timeline", title, description, 24, height)
	p.Targets = targets
	f := field{unit: "short", decimals: -1, mappings: texts, links: links}
	d := f.defaults("fixed")
	d.Color["fixedColor"] = grey
	d.Custom = map[string]any{"fillOpacity": 80, "lineWidth": 0, "spanNulls": false, "insertNulls": false}
	p.FieldConfig = &FieldConfig{Defaults: d, Overrides: []Override{}}
	p.Options = map[string]any{
		"showValue": "auto", "mergeValues": true, "alignValue": "left", "rowHeight": 0.8, "perPage": 20,
		"legend":  map[string]any{"displayMode": "list", "placement": "bottom", "showLegend": true},
		"tooltip": map[string]any{"mode": "single", "sort": "none"},
	}
	return p
}

// column is one column of a table: a label, or "Value #" and a query's name.
type column struct {
	name, title string
	width       int
	field       *field
	// hidden leaves the column out.
	hidden bool
	// coloured shows the value on its colour.
	coloured bool
	// links lead from the cell to another board.
	links []DataLink
}

func label(name, title string, width int) column {
	return column{name: name, title: title, width: width}
}

func value(ref, title string, width int, f field) column {
	return column{name: "Value #" + ref, title: title, width: width, field: &f}
}

func colouredValue(ref, title string, width int, f field) column {
	c := value(ref, title, width, f)
	c.coloured = true
	return c
}

// table joins the answers of several queries by their labels. It is sorted by
// the column of a title, the greatest on top.
func table(title, description string, height int, sortBy string, columns []column, targets ...Target) Panel {
	p := panel("table", title, description, 24, height)
	p.Targets = targets
	f := field{unit: "short", decimals: -1, noValue: "–"}
	d := f.defaults("fixed")
	d.Color["fixedColor"] = "text"
	d.Custom = map[string]any{
		"align": "auto", "filterable": true, "inspect": false, "cellOptions": map[string]any{"type": "auto"},
	}
	p.FieldConfig = &FieldConfig{Defaults: d, Overrides: []Override{}}
	order := make(map[string]any, len(columns))
	excluded := map[string]any{"Time": true}
	for i, c := range columns {
		if c.hidden {
			excluded[c.name] = true
			continue
		}
		order[c.name] = i
		p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, c.override())
	}
	p.Options = map[string]any{
		"showHeader": true, "cellHeight": "sm",
		"sortBy": []any{map[string]any{"displayName": sortBy, "desc": true}},
		"footer": map[string]any{"show": false, "reducer": []string{"sum"}, "fields": ""},
	}
	p.Transformations = []Transformation{
		{ID: "merge", Options: map[string]any{}},
		{ID: "organize", Options: map[string]any{
			"excludeByName": excluded, "indexByName": order, "renameByName": map[string]any{},
		}},
	}
	return p
}

func hidden(ref string) column { return column{name: "Value #" + ref, hidden: true} }

// override gives a column its looks. Its name stays as it is, since links use
// it.
func (c *column) override() Override {
	o := Override{
		Matcher:    Matcher{ID: "byName", Options: c.name},
		Properties: []Property{{ID: "displayName", Value: c.title}},
	}
	add := func(id string, value any) { o.Properties = append(o.Properties, Property{ID: id, Value: value}) }
	if c.width > 0 {
		add("custom.width", c.width)
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
	if len(c.field.thresholds.Steps) > 0 {
		add("thresholds", c.field.thresholds)
		add("color", map[string]any{"mode": "thresholds"})
		add("custom.cellOptions", map[string]any{"type": "color-text"})
	}
	if c.field.noValue != "" {
		add("noValue", c.field.noValue)
	}
	if c.coloured {
		add("custom.cellOptions", map[string]any{"type": "color-background", "mode": "basic"})
	}
	return o
}
