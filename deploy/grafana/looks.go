package grafana

import (
	"strconv"

	"cckm_sync_exporter/collector/reason"
)

// The colours are Okabe and Ito's, which people who cannot tell red from green
// can tell apart. A text or a sign always says the same as the colour.
const (
	blue      = "#0072B2" // well
	sky       = "#56B4E9" // under way
	orange    = "#E69F00" // to be looked at
	vermilion = "#D55E00" // wrong
	purple    = "#CC79A7" // not known
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

// values shows texts for numbers.
func values(shown map[int]Shown) []Mapping {
	options := make(map[string]any, len(shown))
	for value, s := range shown {
		s.Index = value
		options[strconv.Itoa(value)] = s
	}
	return []Mapping{{Type: "value", Options: options}}
}

func stateTexts() []Mapping {
	return values(map[int]Shown{
		codeCompleted:  {Text: "✔ completed", Color: blue},
		codeInProgress: {Text: "▶ in progress", Color: sky},
		codeAborted:    {Text: "⊘ aborted", Color: orange},
		codeUnknown:    {Text: "? unknown", Color: purple},
		codeFailed:     {Text: "✖ failed", Color: vermilion},
	})
}

func verdictTexts() []Mapping {
	return values(map[int]Shown{
		inStep:           {Text: "✔ in step", Color: blue},
		abortedOrUnknown: {Text: "⊘ aborted or unknown", Color: orange},
		failed:           {Text: "✖ failed", Color: vermilion},
		stuck:            {Text: "▶ stuck", Color: vermilion},
		overdue:          {Text: "! overdue", Color: vermilion},
		never:            {Text: "∅ never succeeded", Color: purple},
	})
}

// readTexts names the reasons by their place in reason.All, from 1.
func readTexts() []Mapping {
	shown := map[int]Shown{0: {Text: "✔ readable", Color: blue}}
	for i, r := range reason.All() {
		shown[i+1] = Shown{Text: "✖ " + string(r), Color: vermilion}
	}
	shown[codeSilent()] = Shown{Text: "✖ exporter down", Color: vermilion}
	return values(shown)
}

// codeSilent is the number for an exporter that does not answer.
func codeSilent() int { return len(reason.All()) + 1 }

// infinite shows a text for what has never been: the queries answer +Inf there.
func infinite(text string) []Mapping {
	return []Mapping{{Type: "value", Options: map[string]any{"Infinity": Shown{Text: text, Color: purple}}}}
}

// none shows a text for 0.
func none(text string) []Mapping { return values(map[int]Shown{0: {Text: text, Color: blue}}) }

// nothing shows a text for a share of nothing.
func nothing(text string) []Mapping {
	return []Mapping{{Type: "special", Options: map[string]any{
		"match": "null+nan", "result": Shown{Text: text, Color: grey},
	}}}
}

// thresholds colours by size: the first colour, and each further one from its
// value on.
func thresholds(first string, further ...Step) Thresholds {
	return Thresholds{Mode: "absolute", Steps: append([]Step{{Color: first}}, further...)}
}

func from(value float64, color string) Step { return Step{Color: color, Value: &value} }

// anyIsWrong colours counts of what should not be.
func anyIsWrong() Thresholds { return thresholds(blue, from(1, vermilion)) }

// share colours success rates.
func share() Thresholds { return thresholds(vermilion, from(0.9, orange), from(0.99, blue)) }

// stateColours are the fixed colours of series that are called like a state.
func stateColours() []Override {
	return []Override{
		colour("completed", blue), colour("in_progress", sky), colour("aborted", orange),
		colour("unknown", purple), colour("failed", vermilion),
	}
}

func colour(name, value string) Override {
	return Override{
		Matcher:    Matcher{ID: "byName", Options: name},
		Properties: []Property{{ID: "color", Value: map[string]any{"mode": "fixed", "fixedColor": value}}},
	}
}

// limitName is the name of a series that is a limit.
const limitName = "limit"

// limitLine draws the limit as a dashed line.
func limitLine() Override {
	o := colour(limitName, vermilion)
	o.Properties = append(o.Properties,
		Property{ID: "custom.lineStyle", Value: map[string]any{"fill": "dash", "dash": []int{10, 10}}},
		Property{ID: "custom.fillOpacity", Value: 0})
	return o
}

// scopeLink leads to the Scope board, with the identifier from the given
// template expressions.
func scopeLink(cloud, item, scope string) []DataLink {
	const kept = "${datasource:queryparam}&${job:queryparam}&${instance:queryparam}&${overdue:queryparam}&${stuck:queryparam}"
	return []DataLink{{
		Title: "Show this key ring or vault",
		URL: "/d/" + scopeUID + "?" + kept + "&var-cloud=" + cloud + "&var-item=" + item + "&var-scope=" + scope +
			"&${__url_time_range}",
	}}
}

// statusPage is the address of the exporter's status page.
const statusPage = "${status_page:raw}/"

// statusQuery asks the status page for a key ring or vault, which is unique in
// its cloud.
func statusQuery(scope string) string { return "?q=" + scope }

// statusLink leads to the exporter's status page.
func statusLink(title, query string) DataLink {
	return DataLink{Title: title, URL: statusPage + query, TargetBlank: true}
}

// linksOf leads from a key ring or vault to its board, and to the status page.
// The parts of its identifier are template expressions that begin with prefix.
func linksOf(prefix string) []DataLink {
	part := func(label string) string { return "${" + prefix + "." + label + ":percentencode}" }
	return append(scopeLink(part("cloud"), part("item"), part("scope")),
		statusLink("Job and the appliance's own words (status page)", statusQuery(part("scope"))))
}

// linksOfRow and linksOfSeries take the identifier from a table's row and from a
// series' labels.
func linksOfRow() []DataLink { return linksOf("__data.fields") }

func linksOfSeries() []DataLink { return linksOf("__field.labels") }
