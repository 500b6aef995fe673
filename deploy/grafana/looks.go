package grafana

import (
	"strconv"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"

	"cckm_sync_exporter/collector/reason"
)

// The colors are Okabe and Ito's, which color-blind people can distinguish. A text or
// sign always accompanies a color.
const (
	blue      = "#0072B2" // good
	sky       = "#56B4E9" // in progress
	orange    = "#E69F00" // needs a look
	vermilion = "#D55E00" // wrong
	purple    = "#CC79A7" // unknown
	grey      = "#8C8C8C"
)

// Numbers of the states, in the order from good to bad, so that the greatest of
// several is the worst. Queries and mappings use the same.
const (
	codeCompleted = iota + 1
	codeInProgress
	codeAborted
	codeUnknown
	codeFailed
)

// Numbers of what is wrong with a key ring or vault.
const (
	inStep = iota
	abortedOrUnknown
	failed
	stuck
	overdue
	never
)

// shown is the text and color of a value.
type shown struct{ text, color string }

func (s shown) result() dashboard.ValueMappingResult {
	return dashboard.ValueMappingResult{Text: &s.text, Color: &s.color}
}

// values shows texts for numbers.
func values(texts map[int]shown) []dashboard.ValueMapping {
	options := make(map[string]dashboard.ValueMappingResult, len(texts))
	for value, s := range texts {
		result := s.result()
		result.Index = new(int32(value)) //nolint:gosec // The values are small.
		options[strconv.Itoa(value)] = result
	}
	return valueMap(options)
}

func valueMap(options map[string]dashboard.ValueMappingResult) []dashboard.ValueMapping {
	return []dashboard.ValueMapping{{ValueMap: &dashboard.ValueMap{Type: dashboard.MappingTypeValueToText, Options: options}}}
}

func stateTexts() []dashboard.ValueMapping {
	return values(map[int]shown{
		codeCompleted:  {"✔ completed", blue},
		codeInProgress: {"▶ in progress", sky},
		codeAborted:    {"⊘ aborted", orange},
		codeUnknown:    {"? unknown", purple},
		codeFailed:     {"✖ failed", vermilion},
	})
}

func verdictTexts() []dashboard.ValueMapping {
	return values(map[int]shown{
		inStep:           {"✔ in step", blue},
		abortedOrUnknown: {"⊘ aborted or unknown", orange},
		failed:           {"✖ failed", vermilion},
		stuck:            {"▶ stuck", vermilion},
		overdue:          {"! overdue", vermilion},
		never:            {"∅ never succeeded", purple},
	})
}

// readTexts names the reasons by their place in reason.All, from 1.
func readTexts() []dashboard.ValueMapping {
	texts := map[int]shown{0: {"✔ readable", blue}}
	for i, r := range reason.All() {
		texts[i+1] = shown{"✖ " + string(r), vermilion}
	}
	texts[codeSilent()] = shown{"✖ exporter down", vermilion}
	return values(texts)
}

// codeSilent is the number for an exporter that does not answer.
func codeSilent() int { return len(reason.All()) + 1 }

// infinite shows a text for what has never happened, for which the queries return +Inf.
func infinite(text string) []dashboard.ValueMapping {
	return valueMap(map[string]dashboard.ValueMappingResult{"Infinity": shown{text, purple}.result()})
}

// none shows a text for 0.
func none(text string) []dashboard.ValueMapping { return values(map[int]shown{0: {text, blue}}) }

// nothing shows a text for a share of nothing.
func nothing(text string) []dashboard.ValueMapping {
	return []dashboard.ValueMapping{{SpecialValueMap: &dashboard.SpecialValueMap{
		Type:    dashboard.MappingTypeSpecialValue,
		Options: dashboard.DashboardSpecialValueMapOptions{Match: dashboard.SpecialValueMatchNullAndNan, Result: shown{text, grey}.result()},
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

// anyIsWrong colors counts that should be 0.
func anyIsWrong() *dashboard.ThresholdsConfig { return thresholds(blue, from(1, vermilion)) }

// share colors success rates.
func share() *dashboard.ThresholdsConfig {
	return thresholds(vermilion, from(0.9, orange), from(0.99, blue))
}

// stateColors are the colors of series that are named after a state.
func stateColors() []override {
	return []override{
		colorOf("completed", blue), colorOf("in_progress", sky), colorOf("aborted", orange),
		colorOf("unknown", purple), colorOf("failed", vermilion),
	}
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
	o := colorOf(limitName, vermilion)
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

// statusLink leads to the exporter's status page.
func statusLink(title, query string) dashboard.DashboardLink {
	link := dataLink(title, statusPage+query)
	link.TargetBlank = true
	return link
}

// linksOf leads from a key ring or vault to its board and to the status page. The
// parts of its identifier are template expressions that begin with prefix.
func linksOf(prefix string) []dashboard.DashboardLink {
	part := func(label string) string { return "${" + prefix + "." + label + ":percentencode}" }
	return []dashboard.DashboardLink{
		dataLink("Show this key ring or vault", "/d/"+scopeUID+
			"?${datasource:queryparam}&${job:queryparam}&${instance:queryparam}&${overdue:queryparam}&${stuck:queryparam}"+
			"&var-cloud="+part("cloud")+"&var-item="+part("item")+"&var-scope="+part("scope")+"&${__url_time_range}"),
		statusLink("Job and the appliance's text (status page)", statusQuery(part("scope"))),
	}
}

// linksOfRow and linksOfSeries take the identifier from a table's row and from a
// series' labels.
func linksOfRow() []dashboard.DashboardLink { return linksOf("__data.fields") }

func linksOfSeries() []dashboard.DashboardLink { return linksOf("__field.labels") }
