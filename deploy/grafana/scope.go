package grafana

import (
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

// scope is the board of one key ring or vault.
func scope() Dashboard {
	s := selection{matchers: ofScope}
	return newBoard(scopeUID, "CCKM sync / Scope",
		"One key ring or key vault: its state, what to do, its jobs, how long they take, and how they end. A vault that is in several lists, of keys and of certificates, "+
			"or read by several exporters has a value for each.",
		"now-24h", statusQuery("${scope:percentencode}"), append(commonVariables("cckm_sync_up"), scopeVariable()),
		open("Now: $scope",
			[]dashboard.Panel{scopeStates(s)},
			scopeNow(s),
			scopeNumbers(s),
			[]dashboard.Panel{scopeParts(s)},
			[]dashboard.Panel{scopePlan(s)}),
		open("Over time",
			[]dashboard.Panel{timeline("Worst state", "The worst of its states over time, by the rules of the alerts.", 5, worstTexts(), nil,
				query("state", legendOfScope, s.worst()))},
			[]dashboard.Panel{timeline("Newest job and last result",
				"The status of the newest job, and the result of the newest finished one, over time. A gap means that the list could not be read.",
				7, statusTexts(), nil,
				query("status", "{{instance}} {{cloud}} {{item}}: newest job", s.statusNumber("cckm_sync_scope_status", "status")),
				query("result", "{{instance}} {{cloud}} {{item}}: last result", s.statusNumber("cckm_sync_scope_last_result", "result")))},
			scopeAges(s),
			scopeJobs(s)),
	)
}

// legendOfScope names a series of the board's key ring or vault.
const legendOfScope = "{{instance}} {{cloud}} {{item}}"

// scopeStates says what is wrong and what to do.
func scopeStates(s selection) dashboard.Panel {
	does := value("advice", "What to do", 0, field{unit: "short", decimals: -1, mappings: adviceTexts()})
	does.wrapped = true
	return table("What is wrong, and what to do",
		"The worst state in each list and its other states, by the rules of the alerts.",
		5, "State",
		[]column{
			coloredValue("rank", "State", 145, field{unit: "short", decimals: -1, mappings: rankTexts()}),
			value("also", "Also", 150, field{unit: "short", decimals: -1, mappings: alsoTexts()}),
			label("cloud", "Cloud", 70), label("item", "Item", 90), label("instance", "Appliance", 150),
			does,
			hiddenLabel("job"), hiddenLabel("scope"),
		},
		rows("rank", s.rank()), rows("also", s.set()), rows("advice", s.worst()))
}

// scopeNow is the row of texts.
func scopeNow(s selection) []dashboard.Panel {
	status := func(title, description, expr string) dashboard.Panel {
		return statPanel(title, description, 8, field{unit: "short", decimals: -1, mappings: statusCells(), noValue: "no data"}, now("status", legendOfScope, expr))
	}
	return []dashboard.Panel{
		statPanel("Last success",
			"How long ago it last completed, by the appliance's clock.",
			8, field{unit: "s", decimals: 1, mappings: infinite("never"), noValue: "no data"}, now("age", legendOfScope, s.sinceSuccessOrEver())),
		status("Last result", "Its result in its newest finished job.", s.statusNumber("cckm_sync_scope_last_result", "result")),
		status("Newest job", "Its status in its newest job, finished or not.", s.statusNumber("cckm_sync_scope_status", "status")),
	}
}

// scopeNumbers is the row of numbers.
func scopeNumbers(s selection) []dashboard.Panel {
	return []dashboard.Panel{
		statPanel("In progress for", "Age of the oldest job that is still in progress for it.",
			6, field{unit: "s", decimals: 1, mappings: none("–"), noValue: "no data"},
			now("age", legendOfScope, s.of(eachScope, "cckm_sync_scope_in_progress_age_seconds"))),
		statPanel("Since newest job began", "Time since its newest job was created. If it exceeds the period of the schedule, jobs are no longer started.",
			6, field{unit: "s", decimals: 1, noValue: "no data"}, now("age", legendOfScope, s.of(eachScope, "cckm_sync_scope_job_age_seconds"))),
		statPanel("Last duration", "How long its newest finished job took, however it ended.",
			6, field{unit: "s", decimals: 1, noValue: "none finished"}, now("duration", legendOfScope, s.of(eachScope, "cckm_sync_scope_last_duration_seconds"))),
		statPanel("Success rate", "Share of completed results within the board's time range. "+
			"It is computed from the growth of its job counts; an appliance that deletes old jobs lowers it.",
			6, field{unit: "percentunit", decimals: 1, min: new(0.0), max: new(1.0), mappings: nothing("nothing finished"), noValue: "no data"},
			now("rate", legendOfScope, s.results(`status="completed"`)+"\n/\n"+s.results(`status!="in_progress"`))),
	}
}

// results counts the jobs that finished for each list within the board's time range.
func (s selection) results(status string) string {
	return "sum by (" + eachScope + ") (clamp_min(delta(" + s.series("cckm_sync_scope_jobs", status) + "[$__range]), 0))"
}

// scopeParts has a row for each list that the key ring or vault is in.
func scopeParts(s selection) dashboard.Panel {
	when := func(ref, title string) column {
		return value(ref, title, 160, field{unit: "dateTimeAsIso", decimals: -1, noValue: "never"})
	}
	last := func(ref, event string) prometheus.Dataquery {
		return rows(ref, "1000 * "+s.of(eachScope, "cckm_sync_scope_last_"+event+"_timestamp_seconds"))
	}
	columns := []column{
		label("cloud", "Cloud", 70), label("item", "Item", 90), label("instance", "Appliance", 130),
		when("success", "Last success"), when("failure", "Last failure"), when("completion", "Last finish"), when("job", "Newest job"),
		label("name", "Name", 0), label("project", "Project", 0), label("location", "Location", 0),
		label("subscription", "Subscription", 0), hidden("info"), hiddenLabel("job"), hiddenLabel("kind"), hiddenLabel("scope"),
	}
	return table("Identifier and times",
		"The parts of the identifier, and when the newest job was created, the newest finished job finished, and it last succeeded and failed. "+
			"“never” means that no such job is in the list.",
		5, "Last success", columns,
		rows("info", s.names()),
		last("success", "success"), last("failure", "failure"), last("completion", "completion"), last("job", "job"),
	)
}

// scopePlan says what should have happened.
func scopePlan(s selection) dashboard.Panel {
	when := func(ref, title string) column {
		return value(ref, title, 160, field{unit: "dateTimeAsIso", decimals: -1})
	}
	planned := func(ref, name string) prometheus.Dataquery {
		return rows(ref, "1000 * "+s.of(eachScope, "cckm_sync_scope_"+name+"_timestamp_seconds"))
	}
	return table("Schedule and inventory",
		"When the appliance's schedules should have started its last job and will start the next, and the longest time between two. "+
			"Whether the inventory has it, and when that was refreshed. "+
			"It is empty unless the exporter reads schedules and inventory (--collector.schedules, --collector.inventory).",
		5, "Last due",
		[]column{
			label("cloud", "Cloud", 70), label("item", "Item", 90), label("instance", "Appliance", 130),
			when("due", "Last due"), when("next", "Next run"), value("interval", "Interval", 100, field{unit: "s", decimals: 0}),
			coloredValue("registered", "Registered", 110, field{unit: "short", decimals: -1, mappings: values(map[int64]shown{0: {"no", plain}, 1: {"yes", plain}})}),
			when("refreshed", "Refreshed"), hiddenLabel("job"), hiddenLabel("scope"),
		},
		planned("due", "due"), planned("next", "next_run"),
		rows("interval", s.of(eachScope, "cckm_sync_scope_schedule_interval_seconds")),
		rows("registered", s.of(eachScope, "cckm_sync_scope_registered")),
		planned("refreshed", "refreshed"))
}

func scopeAges(s selection) []dashboard.Panel {
	seconds := field{unit: "s", decimals: 1}
	limit := func(expr string) prometheus.Dataquery { return query("limit", limitName, "min("+expr+")") }
	stuckAfter := selection{matchers: ofList}.series("cckm_sync_list:stuck_after:seconds") +
		" and on (job, instance, cloud, item) " + s.series("cckm_sync_scope_job_age_seconds")
	return []dashboard.Panel{
		graph("Time since last success", "It drops to 0 at each success. The dashed line is the limit of the alert.",
			8, seconds, []override{limitLine()}, query("age", legendOfScope, s.of(eachScope, "cckm_sync_scope:last_success_age:seconds")), limit(s.series("cckm_sync_scope:overdue_after:seconds"))),
		graph("Time in progress", "Age of the oldest job that is still in progress, 0 if there is none. The dashed line is the limit of the alert.",
			8, seconds, []override{limitLine()}, query("age", legendOfScope, s.of(eachScope, "cckm_sync_scope_in_progress_age_seconds")), limit(stuckAfter)),
		graph("Duration of the newest finished job", "It changes whenever a job finishes. Only the last of several jobs that finish between two scrapes is visible.",
			8, seconds, nil, query("duration", legendOfScope, s.of(eachScope, "cckm_sync_scope_last_duration_seconds"))),
	}
}

func scopeJobs(s selection) []dashboard.Panel {
	jobs := s.series("cckm_sync_scope_jobs", `status!="in_progress"`)
	return []dashboard.Panel{
		bars("Results", "Results in each interval, by status, computed from the growth of the job counts: results are missing if an appliance deletes old jobs.",
			12, "5m", field{unit: "short", decimals: 0}, statusColors(),
			query("results", "{{status}}", "sum by (status) (clamp_min("+jobs+" - "+jobs+" offset $__interval, 0))")),
		stacked(graph("Jobs in the list, by status",
			"All jobs that the appliance has for it. The count grows when jobs are started and falls when the appliance deletes old ones.",
			12, field{unit: "short", decimals: 0}, statusColors(),
			query("jobs", "{{status}}", "sum by (status) ("+s.series("cckm_sync_scope_jobs")+")")), 60),
	}
}
