package grafana

import "github.com/grafana/grafana-foundation-sdk/go/dashboard"

// fleet is the board of all key rings and vaults.
func fleet() Dashboard {
	scopes := selection{matchers: ofList, by: eachScope}
	seen := selection{matchers: ofList, by: eachScopeSeen}
	return newBoard(fleetUID, "CCKM sync / Fleet",
		"What is wrong now with the synchronization of key rings and key vaults: by appliance, cloud and item.",
		"now-24h", "", append(commonVariables("cckm_sync_up"), limits()...),
		heading("Now"),
		fleetNow(scopes),
		[]dashboard.Panel{listTable(seen)},
		heading("Key rings and vaults"),
		[]dashboard.Panel{scopeTable(seen)},
		[]dashboard.Panel{timeline("Last result of each key ring and vault",
			"The result of the newest finished job, over time. A gap means that the list could not be read. "+
				"A click leads to the key ring or vault, or to the exporter's status page.",
			10, stateTexts(), linksOfSeries(),
			query("result", "{{cloud}} {{item}} {{scope}}", scopes.lastResult()))},
		heading("Over time"),
		fleetAges(scopes),
		fleetJobs(scopes),
		[]dashboard.Panel{readTimeline("Reading of each list")},
	)
}

// fleetNow is the row of numbers.
func fleetNow(scopes selection) []dashboard.Panel {
	count := func(title, description, expr string) dashboard.Panel {
		return statPanel(title, description, 3,
			field{unit: "short", decimals: 0, mappings: none("✔ 0"), thresholds: anyIsWrong(), noValue: "no data"}, now("count", "", expr))
	}
	const once = " Each is counted once, even if several exporters report it."
	lists := selection{matchers: ofList, by: eachList}
	return []dashboard.Panel{
		count("Exporters down",
			"Exporters, or targets of an exporter, that Prometheus cannot scrape now and that reported a list within the board's time range. "+
				"No other panel has data about them.", down("cckm_sync_up")),
		count("Lists unreadable",
			"Lists that could not be read completely in the last scrape. Their key rings and vaults are missing from all other panels, so look here first.",
			unreadable(lists, "")),
		count("Failed", "Key rings and vaults that failed in their newest finished job."+once, sumBy("", scopes.isFailed())),
		count("Stuck", "Key rings and vaults with a job that has been in progress for more than $stuck hours."+once, sumBy("", scopes.isStuck())),
		count("Overdue", "Key rings and vaults that last succeeded more than $overdue hours ago. "+
			"Those that never succeeded are counted separately."+once, sumBy("", scopes.isOverdue())),
		count("Never succeeded", "Key rings and vaults without a completed job in their list."+once, scopes.countNever("")),
		statPanel("In progress",
			"Key rings and vaults with a job in progress now; the table below has the number of jobs."+once,
			3, field{unit: "short", decimals: 0, thresholds: thresholds(grey), noValue: "no data"},
			now("count", "", sumBy("", scopes.of("max", "scope_jobs", `status="in_progress"`)+" > bool 0"))),
		statPanel("Success rate",
			"Share of completed results within the board's time range; the others are failed, aborted or unknown. "+
				"A job of three vaults has three results. It is computed from the growth of the job counts: "+
				"an appliance that deletes old jobs lowers it, and results before Prometheus first scraped the list are left out.",
			3, field{unit: "percentunit", decimals: 1, min: new(0.0), max: new(1.0), mappings: nothing("nothing finished"), thresholds: share()},
			now("rate", "", scopes.successRate(""))),
	}
}

// listTable has a row for each list of each appliance.
func listTable(seen selection) dashboard.Panel {
	lists := selection{matchers: ofList, by: eachList}
	wrong := func(ref, title string) column {
		return value(ref, title, 0, field{unit: "short", decimals: 0, thresholds: anyIsWrong()})
	}
	read := coloredValue("read", "Reading", 160, field{unit: "short", decimals: -1, mappings: readTexts()})
	read.links = []dashboard.DashboardLink{statusLink("When and why (status page)", "")}
	return table("What is wrong, by appliance, cloud and item",
		"Each list of jobs: whether it was read completely in the last scrape, or the reason, and how many of its key rings and vaults have a problem. "+
			"If a list cannot be read or its exporter is down, its numbers are missing. One key ring or vault may be counted in several columns.",
		6, "Reading",
		[]column{
			read,
			label("instance", "Appliance (instance)", 0),
			label("cloud", "Cloud", 0),
			label("item", "Item", 0),
			value("scopes", "Key rings and vaults", 0, field{unit: "short", decimals: 0}),
			wrong("failed", "Failed"), wrong("stuck", "Stuck"), wrong("overdue", "Overdue"), wrong("never", "Never succeeded"),
			value("progress", "Jobs in progress", 0, field{unit: "short", decimals: 0}),
			value("rate", "Success rate", 0, field{unit: "percentunit", decimals: 1, mappings: nothing("nothing finished"), thresholds: share()}),
		},
		rows("read", lists.readState()+"\nor "+lists.silent()),
		rows("scopes", sumBy(eachList, seen.known())),
		rows("failed", sumBy(eachList, seen.isFailed())),
		rows("stuck", sumBy(eachList, seen.isStuck())),
		rows("overdue", sumBy(eachList, seen.isOverdue())),
		rows("never", seen.countNever(eachList)),
		rows("progress", lists.of("max", "jobs", `status="in_progress"`)),
		rows("rate", seen.successRate(eachList)),
	)
}

// scopeTable has a row for each key ring or vault, the one that has been without a
// success for longest on top.
func scopeTable(seen selection) dashboard.Panel {
	age := func(ref, title string, mappings []dashboard.ValueMapping, steps *dashboard.ThresholdsConfig) column {
		return value(ref, title, 130, field{unit: "s", decimals: 1, mappings: mappings, thresholds: steps})
	}
	scope := label("scope", "Key ring or vault", 0)
	scope.links = linksOfRow()
	const hour, day = 3600, 24 * 3600
	return table("Worst first, by time since the last success",
		"Each key ring or vault as each exporter reports it; those that never succeeded are first. “Verdict” is the worst that applies: never succeeded, "+
			"overdue (more than $overdue hours since the last success), stuck (more than $stuck hours in progress), failed, aborted or unknown "+
			"(result of the newest finished job). Ages change color at 24 and 48 hours since success and at 2 and 8 hours in progress, independent of the limits above. "+
			"A click on a name leads to its board, or to the exporter's status page, which shows the job and the appliance's text.",
		14, "Since last success",
		[]column{
			coloredValue("verdict", "Verdict", 170, field{unit: "short", decimals: -1, mappings: verdictTexts()}),
			scope,
			age("success", "Since last success", infinite("never"), thresholds(blue, from(day, orange), from(2*day, vermilion))),
			coloredValue("result", "Last result", 120, field{unit: "short", decimals: -1, mappings: stateTexts(), noValue: "none finished"}),
			coloredValue("status", "Newest job", 120, field{unit: "short", decimals: -1, mappings: stateTexts()}),
			age("started", "Since newest job began", nil, nil),
			age("progress", "In progress for", values(map[int]shown{0: {"–", grey}}),
				thresholds(blue, from(2*hour, orange), from(8*hour, vermilion))),
			value("rate", "Success rate", 110, field{unit: "percentunit", decimals: 1, mappings: nothing("nothing finished"), thresholds: share()}),
			label("cloud", "Cloud", 80), label("item", "Item", 100), label("instance", "Appliance (instance)", 0),
		},
		rows("verdict", seen.verdict()),
		rows("success", seen.sinceSuccessOrEver()),
		rows("result", seen.lastResult()),
		rows("status", seen.newestStatus()),
		rows("started", seen.of("max", "scope_job_age_seconds")),
		rows("progress", seen.inProgressAge()),
		rows("rate", seen.successRate(eachScopeSeen)),
	)
}

func fleetAges(scopes selection) []dashboard.Panel {
	const group = "cloud, item"
	seconds := field{unit: "s", decimals: 1}
	return []dashboard.Panel{
		graph("What was wrong",
			"How many key rings and vaults had a problem, and how many lists could not be read, over time, with the limits of $overdue and $stuck hours. "+
				"While a list cannot be read, its key rings and vaults are not counted.",
			8, field{unit: "short", decimals: 0}, []override{
				colorOf("failed", vermilion), colorOf("stuck", sky), colorOf("overdue", orange),
				colorOf("never succeeded", purple), colorOf("lists unreadable", grey),
			},
			query("failed", "failed", sumBy("", scopes.isFailed())),
			query("stuck", "stuck", sumBy("", scopes.isStuck())),
			query("overdue", "overdue", sumBy("", scopes.isOverdue())),
			query("never", "never succeeded", scopes.countNever("")),
			query("unreadable", "lists unreadable", unreadable(selection{matchers: ofList, by: eachList}, ""))),
		graph("Longest time since a success",
			"The longest time since a success among the key rings and vaults of each list that have ever succeeded, and the limit of $overdue hours.",
			8, seconds, []override{limitLine()},
			query("age", "{{cloud}} {{item}}", "max by ("+group+") ("+scopes.sinceSuccess()+")"),
			query("limit", limitName, "vector($overdue * 3600)")),
		graph("Longest time in progress",
			"Age of the oldest job that is still in progress in each list, 0 if there is none, and the limit of $stuck hours.",
			8, seconds, []override{limitLine()},
			query("age", "{{cloud}} {{item}}", "max by ("+group+") ("+scopes.inProgressAge()+")"),
			query("limit", limitName, "vector($stuck * 3600)")),
	}
}

func fleetJobs(scopes selection) []dashboard.Panel {
	return []dashboard.Panel{
		resultBars(scopes),
		jobAreas(scopes),
	}
}

func jobAreas(s selection) dashboard.Panel {
	return stacked(graph("Jobs in the lists, by status",
		"All jobs that the appliances have, by the status of the key ring or vault in them; a job of three vaults counts three times. "+
			"The count grows when jobs are started and falls when the appliance deletes old ones.",
		12, field{unit: "short", decimals: 0}, stateColors(),
		query("jobs", "{{status}}", "sum by (status) (max by ("+s.by+", status) ("+s.series("scope_jobs")+"))")), 60)
}

func resultBars(s selection) dashboard.Panel {
	return bars("Results per interval",
		"Results in each interval, by status; a job of three vaults has three. It is computed from the growth of the job counts: "+
			"results are missing if an appliance deletes old jobs.",
		12, "5m", field{unit: "short", decimals: 0}, stateColors(),
		query("results", "{{status}}", s.resultsPerInterval()))
}

func readTimeline(title string) dashboard.Panel {
	lists := selection{matchers: ofList, by: eachList}
	return timeline(title,
		"Whether each list was read completely, or the reason; deploy/docs/troubleshooting.md has a remedy for each. A gap means that the exporter did not answer.",
		6, readTexts(), nil, query("read", "{{instance}} {{cloud}} {{item}}", lists.readState()))
}
