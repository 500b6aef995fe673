package grafana

import (
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"

	"cckm_sync_exporter/collector/state"
)

// fleet is the board of all key rings and vaults.
func fleet() Dashboard {
	s := selection{matchers: ofList}
	return newBoard(fleetUID, "CCKM sync / Fleet",
		"What is wrong now with the synchronization of key rings and key vaults, since when, and what to do.",
		"now-24h", "", append(commonVariables("cckm_sync_up"), stateVariable()),
		open("Now",
			[]dashboard.Panel{fleetNow(s)},
			[]dashboard.Panel{firingTable()},
			[]dashboard.Panel{scopeTable(s)},
			[]dashboard.Panel{listTable(s)}),
		open("Over time",
			[]dashboard.Panel{scopeTimeline("The 20 worst now, over time",
				"The worst state over time of the 20 worst key rings and vaults that are in a state with an alert now. A gap means that the list could not be read. "+
					"A click leads to the key ring or vault, or to the exporter's status page.",
				s.worstOf20())},
			fleetAges(s),
			fleetJobs(s),
			[]dashboard.Panel{readTimeline("Reading of each list")}),
		folded("Review: the last 7 days", review(s)),
		folded("All key rings and vaults over time", []dashboard.Panel{scopeTimeline("Worst state of each key ring and vault",
			"All of them, 20 a page.", s.atEnd().named(s.worst()))}),
	)
}

// fleetNow has a number for what cannot be seen, and for each state.
func fleetNow(s selection) dashboard.Panel {
	p := statPanel("Exporters, lists, and key rings and vaults by state",
		"How many exporters are down, lists unreadable, and key rings and vaults in each state, by the rules of the alerts and for each appliance. "+
			"A key ring or vault can be in several states; the alerts of some states wait before they fire. "+
			"If an exporter is down or a list is unreadable, its key rings and vaults count for 20 minutes as they were.",
		24, field{unit: "short", decimals: 0, thresholds: thresholds(plain), noValue: "no data, or the rules are not loaded"})
	add := func(key, title, expr string, severity state.Severity) {
		p.Targets = append(p.Targets, now(key, title, expr))
		if severity != state.None {
			p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, byName(title, "thresholds", anyIs(severity)))
		}
	}
	add("down", "Exporters down", countDown(), state.Critical)
	add("unreadable", "Lists unreadable", s.countUnreadable(), state.Critical)
	for _, st := range state.All() {
		info := st.Info()
		add(info.Key, titleOf(info), s.count(st), info.Severity)
	}
	options, _ := p.Options.(*stat.Options)
	options.Text = &common.VizTextDisplayOptions{TitleSize: new(13.0), ValueSize: new(36.0)}
	p.GridPos.H = 5
	return p
}

// firingTable has a row for each alert, appliance and list.
func firingTable() dashboard.Panel {
	alert := label("alertname", "Alert", 220)
	alert.links = []dashboard.DashboardLink{runbookLink()}
	does := value("advice", "What to do", 0, field{unit: "short", decimals: -1, mappings: alertAdviceTexts()})
	does.wrapped = true
	return table("Firing now",
		"The alerts that fire, by appliance, critical ones first, then the longest. “Since” is when the condition began. A click on an alert opens its runbook.",
		11, "Severity",
		[]column{
			coloredValue("rank", "Severity", 90, field{unit: "short", decimals: -1, mappings: alertTexts()}),
			alert,
			value("count", "Alerts", 70, field{unit: "short", decimals: 0}),
			value("since", "Since", 130, field{unit: "dateTimeFromNow", decimals: -1}),
			label("instance", "Appliance", 130), does,
			hiddenLabel("job"), hiddenLabel("severity"),
		},
		rows("rank", alertRank()),
		rows("count", "count by ("+eachAlert+") ("+firing("")+")"),
		rows("since", "1000 * min by ("+eachAlert+") "+since("")),
		rows("advice", alertAdvice()),
	)
}

// identity are the columns that name a key ring or vault. Names are not cut at 1280 pixels.
func identity() []column {
	name, project := label("name", "Name", 0), label("project", "Project", 0)
	name.links, name.least, project.least = linksOfRow(), 190, 110
	return []column{
		name, project, label("location", "Location", 122), label("subscription", "Subscription", 97),
		label("cloud", "Cloud", 60), label("item", "Item", 85), label("instance", "Appliance", 86),
	}
}

// hiddenIdentity are the labels that identity leaves out. The identifier stays, for
// the links and for what is cut off.
func hiddenIdentity() []column {
	scope := label("scope", "Identifier", 0)
	scope.least = 150
	return []column{scope, hiddenLabel("job"), hiddenLabel("kind")}
}

// scopeTable has a row for each key ring or vault, the worst on top.
func scopeTable(s selection) dashboard.Panel {
	age := func(ref, title string, mappings []dashboard.ValueMapping) column {
		return value(ref, title, 98, field{unit: "s", decimals: 1, mappings: mappings})
	}
	columns := []column{
		coloredValue("rank", "State", 150, field{unit: "short", decimals: -1, mappings: rankTexts()}),
		value("also", "Also", 132, field{unit: "short", decimals: -1, mappings: alsoTexts()}),
	}
	columns = append(columns, identity()...)
	columns = append(columns,
		age("success", "Last success", infinite("never")),
		age("progress", "In progress", values(map[int64]shown{0: {"–", plain}})),
		hidden("info"),
	)
	return table("What is wrong, worst first",
		"Each key ring or vault by its worst state: critical, then warning, then the others; in a state, the longest first. “Also” are its other states. "+
			"Last success is how long ago it was; In progress is the age of the oldest job that is in progress. "+
			"A click on a name leads to its board, or to the exporter's status page, which shows the job and the appliance's text.",
		14, "State", append(columns, hiddenIdentity()...),
		rows("rank", s.filtered(s.rank())),
		rows("also", s.filtered(s.set())),
		rows("success", s.filtered(s.sinceSuccessOrEver())),
		rows("progress", s.filtered(s.of(eachScope, "cckm_sync_scope_in_progress_age_seconds"))),
		rows("info", s.filtered(s.names())),
	)
}

// listTable has a row for each list of each appliance.
func listTable(s selection) dashboard.Panel {
	read := coloredValue("read", "Reading", 175, field{unit: "short", decimals: -1, mappings: readTexts(plain)})
	read.links = []dashboard.DashboardLink{statusLink("When and why (status page)", "")}
	columns := []column{
		read, label("instance", "Appliance", 120), label("cloud", "Cloud", 65), label("item", "Item", 88),
		value("all", "All", 55, field{unit: "short", decimals: 0}),
	}
	queries := make([]prometheus.Dataquery, 0, 2+state.NumStates)
	queries = append(queries,
		rows("read", s.readState()+"\nor "+s.silent()),
		rows("all", "count by ("+eachList+") (group by ("+eachScope+") ("+s.states()+"))"))
	for _, st := range problems() {
		info := st.Info()
		c := coloredValue(info.Key, info.Name, 30+7*len(info.Name), field{unit: "short", decimals: 0, thresholds: anyIs(info.Severity)})
		columns = append(columns, c)
		queries = append(queries, rows(info.Key, "count by ("+eachList+") ("+s.in(st)+")"))
	}
	return table("What is wrong, by appliance, cloud and item",
		"Each list of jobs: whether it was read completely in the last scrape, or the reason, how many key rings and vaults it has, and how many are in each state with an alert. "+
			"If a list cannot be read or its exporter is down, its numbers are at most 20 minutes old, then missing. One key ring or vault can be in several states.",
		7, "Reading", append(columns, hiddenLabel("job")), queries...)
}

// nothingWrong is shown if no series is in a state with an alert.
const nothingWrong = "nothing, or no data"

func scopeTimeline(title, description, expr string) dashboard.Panel {
	p := timeline(title, description, 12, worstTexts(), linksOfSeries(),
		query("state", "{{name}} {{project}} {{cloud}} {{item}}", expr))
	p.FieldConfig.Defaults.NoValue = new(nothingWrong)
	return p
}

func fleetAges(s selection) []dashboard.Panel {
	const group = "instance"
	seconds := field{unit: "s", decimals: 1}
	return []dashboard.Panel{
		graph("What was wrong",
			"How many key rings and vaults were in each state with an alert.",
			8, field{unit: "short", decimals: 0, noValue: nothingWrong}, problemLines(),
			query("states", "{{state}}", "count by (state) ("+s.states(`severity!=""`)+")")),
		graph("Longest time since a success",
			"The longest time since a success among the key rings and vaults of each appliance that have ever succeeded. The dashed line is the shortest limit of the alerts.",
			8, seconds, []override{limitLine()},
			query("age", "{{instance}}", s.of(group, "cckm_sync_scope:last_success_age:seconds")),
			query("limit", limitName, "min("+s.series("cckm_sync_scope:overdue_after:seconds")+")")),
		graph("Longest time in progress",
			"Age of the oldest job that is still in progress on each appliance, 0 if there is none. The dashed line is the shortest limit of the alerts.",
			8, seconds, []override{limitLine()},
			query("age", "{{instance}}", s.of(group, "cckm_sync_scope_in_progress_age_seconds")),
			query("limit", limitName, "min("+s.series("cckm_sync_list:stuck_after:seconds")+")")),
	}
}

func fleetJobs(s selection) []dashboard.Panel {
	return []dashboard.Panel{
		bars("Results", "Results of key rings and vaults in each interval, by status; a job of three vaults has three. "+
			"They are computed from the growth of the job counts: results are missing if an appliance deletes old jobs.",
			9, "5m", field{unit: "short", decimals: 0}, statusColors(),
			// Both ends of a range count in some versions of Prometheus. The offset excludes the second.
			query("results", "{{status}}", "sum by (status) (sum_over_time("+s.series(finished)+"[$__interval:5m] offset 1ms))")),
		stacked(graph("Jobs in the lists, by status",
			"All jobs that the appliances have. The count grows when jobs are started and falls when the appliance deletes old ones.",
			9, field{unit: "short", decimals: 0}, statusColors(),
			query("jobs", "{{status}}", "sum by (status) ("+s.series("cckm_sync_jobs")+")")), 60),
		tall(statPanel("Success rate",
			"Share of completed results within the board's time range; the others are failed, aborted or unknown. Results before Prometheus first scraped the list are left out.",
			6, field{unit: "percentunit", decimals: 1, min: new(0.0), max: new(1.0), mappings: nothing("nothing finished"), thresholds: thresholds(plain), noValue: "no data"},
			now("rate", "", s.successRate()))),
	}
}

// tall gives a panel the height of a graph.
func tall(p dashboard.Panel) dashboard.Panel {
	p.GridPos.H = 8
	return p
}

// review are the tables for a weekly look.
func review(s selection) []dashboard.Panel {
	worst := func(title, description, measure string, f field, expr string) dashboard.Panel {
		columns := append([]column{value("worst", measure, 110, f)}, identity()...)
		p := table(title, description, 10, measure, append(columns, hiddenIdentity()...),
			rows("worst", s.named("topk(20, max by ("+eachScope+") ("+expr+") > 0)")))
		p.GridPos.W = 8
		return p
	}
	jobs := s.series("cckm_sync_scope_jobs", `status="failed"`)
	seconds := field{unit: "s", decimals: 1}
	return []dashboard.Panel{
		worst("Most failures", "The 20 that failed most often in the last 7 days.",
			"Failures", field{unit: "short", decimals: 0}, "sum_over_time(clamp_min("+jobs+" - "+jobs+" offset 1h, 0)[7d:1h])"),
		worst("Longest gap between successes", "The 20 that were without a success for longest in the last 7 days, whether it has ended or not.",
			"Gap", seconds, "max_over_time("+s.series("cckm_sync_scope:last_success_age:seconds")+"[7d:15m])"),
		worst("Longest duration", "The 20 with the longest finished jobs of the last 7 days.",
			"Duration", seconds, "max_over_time("+s.series("cckm_sync_scope_last_duration_seconds")+"[7d:15m])"),
	}
}

func readTimeline(title string) dashboard.Panel {
	return timeline(title,
		"Whether each list was read completely, or the reason; deploy/docs/troubleshooting.md has a remedy for each. A gap means that the exporter did not answer.",
		7, readTexts(slate), nil, query("read", "{{instance}} {{cloud}} {{item}}", selection{matchers: ofList}.readState()))
}
