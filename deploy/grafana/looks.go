package grafana

import (
	"strconv"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/state"
)

// Colors follow severity; what is fine has none. A text or sign always says the same,
// for those who cannot distinguish them. On the panels of both themes, each has a
// contrast of at least 3:1, except amber, which only fills a cell behind dark text.
// The text on each has at least 4.5:1.
const (
	red    = "#C4370A" // critical
	amber  = "#F5B83D" // warning, behind text
	brown  = "#9E6500" // warning, as a line or band
	blue   = "#0072B2" // a line that is neither good nor bad
	teal   = "#00805F"
	purple = "#A4508B"
	pink   = "#BE437A"
	olive  = "#6C7700"
	slate  = "#68707C" // fine, as a line or band
	plain  = "transparent"
)

// colorOfSeverity returns the color of a cell.
func colorOfSeverity(s state.Severity) string {
	switch s {
	case state.Critical:
		return red
	case state.Warning:
		return amber
	default:
		return plain
	}
}

// severities are those of alerts, from good to bad.
func severities() []string { return []string{"info", "warning", "critical"} }

// shown is the text and color of a value.
type shown struct{ text, color string }

func (s shown) result() dashboard.ValueMappingResult {
	return dashboard.ValueMappingResult{Text: &s.text, Color: &s.color}
}

// values shows texts for numbers.
func values(texts map[int64]shown) []dashboard.ValueMapping {
	options := make(map[string]dashboard.ValueMappingResult, len(texts))
	for value, s := range texts {
		result := s.result()
		result.Index = new(int32(value)) //nolint:gosec // The values are small.
		options[strconv.FormatInt(value, 10)] = result
	}
	return valueMap(options)
}

func valueMap(options map[string]dashboard.ValueMappingResult) []dashboard.ValueMapping {
	return []dashboard.ValueMapping{{ValueMap: &dashboard.ValueMap{Type: dashboard.MappingTypeValueToText, Options: options}}}
}

// rangeOf shows a text for all ranks with a code.
func rangeOf(code int64, s shown) dashboard.ValueMapping {
	lowest, highest := float64(code*span), float64(code*span+span-1)
	return dashboard.ValueMapping{RangeMap: &dashboard.RangeMap{
		Type: dashboard.MappingTypeRangeToText, Options: dashboard.DashboardRangeMapOptions{From: &lowest, To: &highest, Result: s.result()},
	}}
}

func titleOf(i state.Info) string { return i.Symbol + " " + i.Name }

// rankTexts names the states of ranks.
func rankTexts() []dashboard.ValueMapping {
	texts := make([]dashboard.ValueMapping, 0, state.NumStates)
	for _, s := range state.All() {
		texts = append(texts, rangeOf(code(s), shown{titleOf(s.Info()), colorOfSeverity(s.Info().Severity)}))
	}
	return texts
}

// worstTexts names the codes of states in bands over time.
func worstTexts() []dashboard.ValueMapping {
	texts := make(map[int64]shown, state.NumStates)
	for _, s := range state.All() {
		color := map[state.Severity]string{state.Critical: red, state.Warning: brown, state.None: slate}[s.Info().Severity]
		texts[code(s)] = shown{titleOf(s.Info()), color}
	}
	return values(texts)
}

// adviceTexts says for the codes of states what to do.
func adviceTexts() []dashboard.ValueMapping {
	texts := make(map[int64]shown, state.NumStates)
	for _, s := range state.All() {
		text := s.Info().Advice
		if text == "" {
			text = "Nothing."
		}
		texts[code(s)] = shown{text, plain}
	}
	return values(texts)
}

// alsoTexts names all but the worst of a set of states.
func alsoTexts() []dashboard.ValueMapping {
	texts := map[int64]shown{0: {"–", plain}}
	for number := range state.Set(1 << len(problems())) {
		if number == 0 || isImpossible(number) {
			continue
		}
		text := ""
		for _, s := range number.States()[1:] {
			if text != "" {
				text += ", "
			}
			text += s.Info().Name
		}
		if text == "" {
			text = "–"
		}
		texts[int64(number)] = shown{text, plain}
	}
	return values(texts)
}

// isImpossible reports whether two states of a set exclude each other: a newest
// finished job has one result, and what never succeeded has no last success.
func isImpossible(set state.Set) bool {
	results := 0
	for _, s := range []state.State{state.Failed, state.PartlyFailed, state.Aborted} {
		if set.Has(s) {
			results++
		}
	}
	return results > 1 || set.Has(state.Overdue) && set.Has(state.NeverSucceeded)
}

// statuses are those of jobs, from good to bad.
func statuses() []string { return []string{"completed", "in_progress", "aborted", "unknown", "failed"} }

// statusTexts names the numbers of statuses and results of jobs.
func statusTexts() []dashboard.ValueMapping {
	return values(map[int64]shown{
		1: {"✓ completed", slate}, 2: {"► in progress", blue}, 3: {"■ aborted", brown}, 4: {"? unknown", brown}, 5: {"✕ failed", brown},
	})
}

// statusCells is the same for cells.
func statusCells() []dashboard.ValueMapping {
	return values(map[int64]shown{
		1: {"✓ completed", plain}, 2: {"► in progress", plain}, 3: {"■ aborted", amber}, 4: {"? unknown", amber}, 5: {"✕ failed", amber},
	})
}

// readTexts names the reasons by their place in reason.All, from 1. The color of a
// readable list is that of a cell or of a band.
func readTexts(readable string) []dashboard.ValueMapping {
	info := state.Unreadable.Info()
	texts := map[int64]shown{0: {titleOf(state.Readable.Info()), readable}}
	for i, r := range reason.All() {
		texts[int64(i)+1] = shown{titleOf(info) + ": " + string(r), red}
	}
	texts[codeSilent()] = shown{info.Symbol + " Exporter down", red}
	return values(texts)
}

// codeSilent is the number for an exporter that does not answer.
func codeSilent() int64 { return int64(len(reason.All())) + 1 }

// alertTexts names the severities of the ranks of alerts.
func alertTexts() []dashboard.ValueMapping {
	texts := make([]dashboard.ValueMapping, 0, 1+len(severities()))
	texts = append(texts, rangeOf(0, shown{"✓ none", plain}))
	for i, severity := range severities() {
		texts = append(texts, rangeOf(int64(i)+1, shown{severity, colorOfSeverity(state.Severity(severity))}))
	}
	return texts
}

// advice are the states of scopes and lists whose alerts have an advice.
func advice() []state.Info {
	var found []state.Info
	for _, s := range problems() {
		found = append(found, s.Info())
	}
	for _, s := range state.AllLists() {
		if s.Info().Alert != "" {
			found = append(found, s.Info())
		}
	}
	return found
}

// alertAdviceTexts says what to do about an alert.
func alertAdviceTexts() []dashboard.ValueMapping {
	texts := map[int64]shown{0: {"Open its runbook: click on the alert.", plain}}
	for i, info := range advice() {
		texts[int64(i)+1] = shown{info.Advice, plain}
	}
	return values(texts)
}

// infinite shows a text for what has never happened, for which the queries return +Inf.
func infinite(text string) []dashboard.ValueMapping {
	return valueMap(map[string]dashboard.ValueMappingResult{"Infinity": shown{text, plain}.result()})
}

// none shows a text for 0.
func none(text string) []dashboard.ValueMapping { return values(map[int64]shown{0: {text, plain}}) }

// nothing shows a text for a share of nothing.
func nothing(text string) []dashboard.ValueMapping {
	return []dashboard.ValueMapping{{SpecialValueMap: &dashboard.SpecialValueMap{
		Type:    dashboard.MappingTypeSpecialValue,
		Options: dashboard.DashboardSpecialValueMapOptions{Match: dashboard.SpecialValueMatchNullAndNan, Result: shown{text, plain}.result()},
	}}}
}

// thresholds colors by size: the first color, and each further one from its value on.
func thresholds(first string, further ...dashboard.Threshold) *dashboard.ThresholdsConfig {
	return &dashboard.ThresholdsConfig{
		Mode: dashboard.ThresholdsModeAbsolute, Steps: append([]dashboard.Threshold{{Color: first}}, further...),
	}
}

func from(value float64, color string) dashboard.Threshold {
	return dashboard.Threshold{Color: color, Value: &value}
}

// anyIs colors counts that should be 0.
func anyIs(s state.Severity) *dashboard.ThresholdsConfig {
	return thresholds(plain, from(1, colorOfSeverity(s)))
}

// statusColors are the colors of series that are named after a status of jobs.
func statusColors() []override {
	return []override{
		colorOf("completed", slate), colorOf("in_progress", blue), colorOf("aborted", purple),
		colorOf("unknown", olive), colorOf("failed", red),
	}
}

// problemLines names series after the keys of the states with an alert, and gives each a color of its own.
func problemLines() []override {
	colors := []string{red, brown, teal, blue, purple, pink, olive, slate}
	overrides := make([]override, 0, len(problems()))
	for i, s := range problems() {
		o := colorOf(s.Info().Key, colors[i%len(colors)])
		o.Properties = append(o.Properties, dashboard.DynamicConfigValue{Id: "displayName", Value: s.Info().Name})
		overrides = append(overrides, o)
	}
	return overrides
}

func colorOf(name, color string) override { return byName(name, "color", fixed(color)) }

// byName sets a property of the field with a name.
func byName(name, property string, value any) override {
	return override{
		Matcher:    dashboard.MatcherConfig{Id: "byName", Options: name},
		Properties: []dashboard.DynamicConfigValue{{Id: property, Value: value}},
	}
}

// limitName is the name of a series that is a limit.
const limitName = "limit"

// limitLine draws the limit as a dashed line.
func limitLine() override {
	o := colorOf(limitName, red)
	o.Properties = append(o.Properties,
		dashboard.DynamicConfigValue{Id: "custom.lineStyle", Value: map[string]any{"fill": "dash", "dash": []int{10, 10}}},
		dashboard.DynamicConfigValue{Id: "custom.fillOpacity", Value: 0})
	return o
}

// statusPage is the address of the exporter's status page.
const statusPage = "${status_page:raw}/"

// statusQuery returns the search for a key ring or vault on the status page.
func statusQuery(scope string) string { return "?q=" + scope }

func dataLink(title, url string) dashboard.DashboardLink {
	return dashboard.DashboardLink{Title: title, Type: dashboard.DashboardLinkTypeLink, Tags: []string{}, Url: &url}
}

// outside is a link that leaves Grafana.
func outside(title, url string) dashboard.DashboardLink {
	link := dataLink(title, url)
	link.TargetBlank = true
	return link
}

// statusLink leads to the exporter's status page.
func statusLink(title, query string) dashboard.DashboardLink {
	return outside(title, statusPage+query)
}

// runbookLink leads from the name of an alert to its runbook.
func runbookLink() dashboard.DashboardLink {
	return outside("Runbook", statusPage+"runbooks/${__value.raw}.md")
}

// linksOf leads from a key ring or vault to its board and to the status page. The
// parts of its identifier are template expressions that begin with prefix.
func linksOf(prefix string) []dashboard.DashboardLink {
	part := func(label string) string { return "${" + prefix + "." + label + ":percentencode}" }
	return []dashboard.DashboardLink{
		dataLink("Show this key ring or vault", "/d/"+scopeUID+
			"?${datasource:queryparam}&${job:queryparam}&${instance:queryparam}"+
			"&var-cloud="+part("cloud")+"&var-item="+part("item")+"&var-scope="+part("scope")+"&${__url_time_range}"),
		statusLink("Job and the appliance's text (status page)", statusQuery(part("scope"))),
	}
}

// linksOfRow and linksOfSeries take the identifier from a table's row and from a
// series' labels.
func linksOfRow() []dashboard.DashboardLink { return linksOf("__data.fields") }

func linksOfSeries() []dashboard.DashboardLink { return linksOf("__field.labels") }
