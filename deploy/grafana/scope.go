package grafana

import (
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

// scope is the board of one key ring or vault.
func scope() Dashboard {
	s := selection{matchers: ofScope, by: "cloud, item"}
	seen := selection{matchers: ofScope, by: eachList}
	variables := append(commonVariables("cckm_sync_up"), scopeVariable())
	return newBoard(scopeUID, "CCKM sync / Scope",
		"One key ring or key vault: its jobs, how long they take, and how they end. A vault that is in several lists, of keys and of certificates, "+
			"has a value for each. If its list cannot be read, the board is empty.",
		"now-24h", statusQuery("${scope:percentencode}"), append(variables, limits()...),
		heading("Now: $scope"),
		scopeNow(s),
		scopeNumbers(s),
		[]dashboard.Panel{scopeParts(seen)},
		heading("Over time"),
		[]dashboard.Panel{timeline("Newest job and last result",
			"The status of the newest job, and the result of the newest finished one, over time. A gap means that the list could not be read.",
			6, stateTexts(), nil,
			query("status", "{{cloud}} {{item}}: newest job", s.newestStatus()),
			query("result", "{{cloud}} {{item}}: last result", s.lastResult()))},
		scopeAges(s),
		scopeJobs(s),
	)
}

// scopeNow is the row of texts.
func scopeNow(s selection) []dashboard.Panel {
	const legend = "{{cloud}} {{item}}"
	state := func(title, description string, texts []dashboard.ValueMapping, expr string) dashboard.Panel {
		return statPanel(title, description, 6, field{unit: "short", decimals: -1, mappings: texts, noValue: "no data"}, now("state", legend, expr))
	}
	const day = 24 * 3600
	return []dashboard.Panel{
		state("Verdict", "The worst that applies: never succeeded, overdue (more than $overdue hours since the last success), "+
			"stuck (more than $stuck hours in progress), failed, aborted or unknown (result of the newest finished job), or in step.",
			verdictTexts(), s.verdict()),
		statPanel("Since last success",
			"Time since it last completed. The color changes at 24 and 48 hours, independent of the limit above.",
			6, field{
				unit: "s", decimals: 1, mappings: infinite("never"), noValue: "no data",
				thresholds: thresholds(blue, from(day, orange), from(2*day, vermilion)),
			}, now("age", legend, s.sinceSuccessOrEver())),
		state("Last result", "Its result in its newest finished job.", stateTexts(), s.lastResult()),
		state("Newest job", "Its status in its newest job, finished or not.", stateTexts(), s.newestStatus()),
	}
}

// scopeNumbers is the row of numbers.
func scopeNumbers(s selection) []dashboard.Panel {
	const legend = "{{cloud}} {{item}}"
	const hour = 3600
	plain := thresholds(grey)
	return []dashboard.Panel{
		statPanel("In progress for", "Age of the oldest job that is still in progress for it. The color changes at 2 and 8 hours, independent of the limit above.",
			6, field{
				unit: "s", decimals: 1, mappings: none("– none in progress"), noValue: "no data",
				thresholds: thresholds(blue, from(2*hour, orange), from(8*hour, vermilion)),
			}, now("age", legend, s.inProgressAge())),
		statPanel("Since newest job began", "Time since its newest job was created. If it exceeds the period of the schedule, jobs are no longer started.",
			6, field{unit: "s", decimals: 1, thresholds: plain, noValue: "no data"}, now("age", legend, s.of("max", "scope_job_age_seconds"))),
		statPanel("Last duration", "How long its newest finished job took, however it ended.",
			6, field{unit: "s", decimals: 1, thresholds: plain, noValue: "none finished"}, now("duration", legend, s.of("max", "scope_last_duration_seconds"))),
		statPanel("Success rate", "Share of completed results within the board's time range. "+
			"It is computed from the growth of its job counts; an appliance that deletes old jobs lowers it.",
			6, field{unit: "percentunit", decimals: 1, min: new(0.0), max: new(1.0), mappings: nothing("nothing finished"), thresholds: share()},
			now("rate", legend, s.successRate(s.by))),
	}
}

// scopeParts has a row for each list that the key ring or vault is in.
func scopeParts(seen selection) dashboard.Panel {
	when := func(ref, title string) column {
		return value(ref, title, 190, field{unit: "dateTimeAsIso", decimals: -1, noValue: "never"})
	}
	last := func(ref, event string) prometheus.Dataquery {
		return rows(ref, "1000 * "+seen.of("max", "scope_last_"+event+"_timestamp_seconds"))
	}
	info := seen
	info.by = eachList + ", kind, name, project, location, subscription"
	return table("Identifier and times",
		"The parts of the identifier, and when the newest job was created, the newest finished job finished, and it last succeeded and failed. "+
			"“never” means that no such job is in the list.",
		5, "Last success",
		[]column{
			label("instance", "Appliance (instance)", 0), label("cloud", "Cloud", 80), label("item", "Item", 100),
			label("kind", "Kind", 100), label("name", "Name", 0), label("project", "Project", 0), label("location", "Location", 0),
			label("subscription", "Subscription", 0),
			when("success", "Last success"), when("failure", "Last failure"), when("completion", "Last finish"), when("job", "Newest job"),
			hidden("info"),
		},
		rows("info", info.known()),
		last("success", "success"), last("failure", "failure"), last("completion", "completion"), last("job", "job"),
	)
}

func scopeAges(s selection) []dashboard.Panel {
	const legend = "{{cloud}} {{item}}"
	seconds := field{unit: "s", decimals: 1}
	limit := func(variable string) prometheus.Dataquery {
		return query("limit", limitName, "vector($"+variable+" * 3600)")
	}
	return []dashboard.Panel{
		graph("Time since last success", "It drops to 0 at each success. The dashed line is the limit of $overdue hours.",
			8, seconds, []override{limitLine()}, query("age", legend, s.sinceSuccess()), limit("overdue")),
		graph("Time in progress", "Age of the oldest job that is still in progress, 0 if there is none. The dashed line is the limit of $stuck hours.",
			8, seconds, []override{limitLine()}, query("age", legend, s.inProgressAge()), limit("stuck")),
		graph("Duration of the newest finished job", "It changes whenever a job finishes. Only the last of several jobs that finish between two scrapes is visible.",
			8, seconds, nil, query("duration", legend, s.of("max", "scope_last_duration_seconds"))),
	}
}

func scopeJobs(s selection) []dashboard.Panel {
	return []dashboard.Panel{
		resultBars(s),
		jobAreas(s),
	}
}
