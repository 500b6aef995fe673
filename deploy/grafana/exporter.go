package grafana

import (
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"

	"cckm_sync_exporter/collector/state"
)

// exporter is the board about the exporters themselves.
func exporter() Dashboard {
	return newBoard(selfUID, "CCKM sync / Exporter",
		"The exporters themselves: reads, requests to the appliances, logins and resources.",
		"now-6h", "", append(commonVariables(`{__name__=~"cckm_sync_up|cckm_sync_exporter_build_info"}`), targetVariable()),
		open("Now",
			exporterNow(),
			[]dashboard.Panel{exporterTable()}),
		open("Reading",
			[]dashboard.Panel{readTimeline("Reading of each list")},
			reading(),
			kinds()),
		open("Requests and logins",
			requests(),
			logins()),
		open("Process",
			process()),
	)
}

// ofSelf selects a metric of the exporters.
func ofSelf(name, further string) string {
	if further != "" {
		further = ", " + further
	}
	return name + "{" + ofExporter + further + "}"
}

// ofTarget selects a metric that an exporter of several targets has for each.
func ofTarget(name, further string) string {
	matcher := `target=~"$target"`
	if further != "" {
		matcher += ", " + further
	}
	return ofSelf(name, matcher)
}

func exporterNow() []dashboard.Panel {
	critical := field{unit: "short", decimals: 0, thresholds: anyIs(state.Critical), noValue: "no data"}
	all := ofTarget("cckm_sync_exporter_api_requests_total", "")
	bad := ofTarget("cckm_sync_exporter_api_requests_total", `code!~"2.."`)
	return []dashboard.Panel{
		statPanel("Exporters down",
			"Exporters, or targets of an exporter, of which every scrape of the last ten minutes failed, as in the alert.",
			4, critical, now("count", "", countDown())),
		statPanel("Lists unreadable", "Lists of which no read of the last ten minutes succeeded, as in the alert.",
			4, critical, now("count", "", selection{matchers: ofList}.countUnreadable())),
		statPanel("Configuration", "Whether the last load of the configuration succeeded on all exporters. After a failure the previous configuration is still in use.",
			4, field{unit: "short", decimals: -1, noValue: "no data", mappings: loadTexts()}, now("reload", "", "min("+ofSelf("cckm_sync_exporter_config_last_reload_successful", "")+")")),
		statPanel("Requests failed", "Share of the requests to the appliances within the last hour that had no 2xx response.",
			4, field{
				unit: "percentunit", decimals: 1, mappings: nothing("no requests"), noValue: "no requests",
				thresholds: thresholds(plain, from(0.05, amber)),
			}, now("share", "", "(sum(increase("+bad+"[1h])) or 0 * sum(increase("+all+"[1h])))\n/\nsum(increase("+all+"[1h]))")),
		statPanel("Logins rejected", "Logins within the last hour that the appliances rejected. A rejected refresh token does not count, because the password follows. Prometheus extrapolates the count.",
			4, field{unit: "short", decimals: 0, thresholds: thresholds(plain, from(0.5, red)), noValue: "no data"},
			now("count", "", "sum(increase("+ofTarget("cckm_sync_exporter_logins_total", `result="rejected", grant!="refresh_token"`)+"[1h]))")),
		statPanel("Next token expiry", "Time until the first token expires. Tokens are renewed before that; a negative time means that renewal failed.",
			4, field{unit: "s", decimals: 0, noValue: "no token", thresholds: thresholds(red, from(0, plain))},
			now("expiry", "", "-max(cckm_sync_exporter:token_expired:seconds{"+ofExporter+"})")),
	}
}

func exporterTable() dashboard.Panel {
	when := field{unit: "dateTimeAsIso", decimals: -1, noValue: "unknown"}
	return table("Exporters", "Version of each exporter, when it started, when its configuration was last loaded successfully, and whether the last load succeeded.",
		5, "Started",
		[]column{
			label("instance", "Instance", 0), label("version", "Version", 0), label("revision", "Revision", 0), label("goversion", "Go", 0),
			value("started", "Started", 200, when), value("loaded", "Configuration loaded", 200, when),
			value("reload", "Last load", 120, field{unit: "short", decimals: -1, mappings: loadTexts()}),
			hidden("build"),
		},
		rows("build", "group by (instance, version, revision, goversion) ("+ofSelf("cckm_sync_exporter_build_info", "")+")"),
		rows("started", "1000 * max by (instance) ("+ofSelf("process_start_time_seconds", "")+" and on (job, instance) "+
			ofSelf("cckm_sync_exporter_build_info", "")+")"),
		rows("loaded", "1000 * max by (instance) ("+ofSelf("cckm_sync_exporter_config_last_reload_success_timestamp_seconds", "")+")"),
		rows("reload", "min by (instance) ("+ofSelf("cckm_sync_exporter_config_last_reload_successful", "")+")"),
	)
}

func loadTexts() []dashboard.ValueMapping {
	return values(map[int64]shown{0: {"✕ refused", amber}, 1: {"✓ loaded", plain}})
}

func reading() []dashboard.Panel {
	lists := selection{matchers: ofList}
	const legend = "{{instance}} {{cloud}} {{item}}"
	return []dashboard.Panel{
		manyLines(graph("Duration of each list's read", "Duration of each complete read of a list. Compare it with the scrape timeout.",
			12, field{unit: "s", decimals: -1}, nil, query("duration", legend, lists.of(eachList, "cckm_sync_scrape_duration_seconds")))),
		manyLines(graph("Pages of each list's read", "Number of pages that were requested to read each list.",
			12, field{unit: "short", decimals: 0}, nil, query("pages", legend, lists.of(eachList, "cckm_sync_scrape_pages")))),
	}
}

// kinds are the panels about scrapes and the cache of long lists.
func kinds() []dashboard.Panel {
	const legend = "{{instance}} {{target}}"
	return []dashboard.Panel{
		graph("Duration of the scrape", "Duration of the scrape in Prometheus.",
			8, field{unit: "s", decimals: -1}, nil,
			query("duration", "{{instance}}", "max by (instance) ("+ofSelf("scrape_duration_seconds", "")+
				" and on (job, instance) "+ofSelf("cckm_sync_up", "")+")")),
		graph("Reads by kind", "How often lists were read, and how: “full” reads every page, in the background if the list is known; “incremental” reads what may have changed. Lists of one page are always read in full.",
			8, field{unit: "suffix:/h", decimals: 0}, nil,
			query("reads", "{{kind}}", "3600 * sum by (kind) (rate("+ofTarget("cckm_sync_exporter_list_reads_total", "")+"[$__rate_interval]))")),
		graph("Drift of the cache", "How often a full read of a list has differed from the cache since the exporter was started. Metrics before it may have been wrong; the full read has replaced the cache.",
			8, field{unit: "short", decimals: 0}, nil,
			query("drift", legend, "sum by (job, instance, target) ("+ofTarget("cckm_sync_exporter_history_drift_total", "")+")")),
	}
}

// manyLines puts the legend beside a graph, where a list of lines can be long.
func manyLines(p dashboard.Panel) dashboard.Panel {
	options, _ := p.Options.(*timeseries.Options)
	options.Legend.DisplayMode, options.Legend.Placement = common.LegendDisplayModeTable, common.LegendPlacementRight
	return p
}

func requests() []dashboard.Panel {
	perMinute := func(by string) string {
		return "60 * sum by (" + by + ") (rate(" + ofTarget("cckm_sync_exporter_api_requests_total", "") + "[$__rate_interval]))"
	}
	return []dashboard.Panel{
		graph("Requests by code", "Requests to the appliances' API by status code; “error” is a request without a response.",
			8, field{unit: "reqpm", decimals: -1}, []override{colorOf("200", slate), colorOf("error", red)}, query("requests", "{{code}}", perMinute("code"))),
		manyLines(graph("Requests by path", "Requests to the appliances' API by the path below /api/v1/.",
			16, field{unit: "reqpm", decimals: -1}, nil, query("requests", "{{endpoint}}", perMinute("endpoint")))),
	}
}

// answers is the panel of latencies.
func answers() dashboard.Panel {
	const duration = "cckm_sync_exporter_api_request_duration_seconds"
	rate := func(suffix string) string {
		return "sum(rate(" + ofTarget(duration+suffix, "") + "[$__rate_interval]))"
	}
	// Prometheus keeps the classic or the native histogram, depending on its configuration.
	buckets := "sum by (le) (rate(" + ofTarget(duration+"_bucket", "") + "[$__rate_interval]))"
	quantile := func(q string) string {
		return "histogram_quantile(" + q + ", " + buckets + ")\nor histogram_quantile(" + q + ", " + rate("") + ")"
	}
	return graph("Time until an answer", "Time until the response header: mean, median and 95th percentile. Percentiles are estimated from the histogram's buckets.",
		6, field{unit: "s", decimals: -1}, []override{colorOf("mean", slate), colorOf("median", blue), colorOf("95 %", red)},
		query("mean", "mean", rate("_sum")+" / "+rate("_count")+"\nor histogram_sum("+rate("")+") / histogram_count("+rate("")+")"),
		query("p50", "median", quantile("0.5")),
		query("p95", "95 %", quantile("0.95")))
}

func logins() []dashboard.Panel {
	return []dashboard.Panel{
		answers(),
		graph("Logins per hour", "Logins to the appliances by result. There should be one in each lifetime of a token; more means that tokens are discarded.",
			6, field{unit: "suffix:/h", decimals: 1}, nil,
			query("logins", "{{result}}", "3600 * sum by (result) (rate("+ofTarget("cckm_sync_exporter_logins_total", "")+"[$__rate_interval]))")),
		graph("Time until the token expires", "It rises at each login or refresh, and does not reach 0 if tokens are renewed in time. Absent if there is no token.",
			6, field{unit: "s", decimals: 0}, nil,
			query("expiry", "{{instance}}", "-max by (instance) (cckm_sync_exporter:token_expired:seconds{"+ofExporter+"})")),
		graph("Offset of the appliance's clock", "By how much the appliance's clock is ahead of the exporter's; negative if it is behind. It is accurate to a second.",
			6, field{unit: "s", decimals: 0}, nil,
			query("offset", "{{instance}}", "max by (instance) (cckm_sync_exporter:clock_offset:seconds{"+ofExporter+"})")),
	}
}

func process() []dashboard.Panel {
	// Other programs may be in the same scrape job.
	of := func(name string) string {
		return ofSelf(name, "") + " and on (job, instance) " + ofSelf("cckm_sync_exporter_build_info", "")
	}
	const missing = " Absent with --web.disable-exporter-metrics."
	return []dashboard.Panel{
		graph("Processor", "Processor time used, as a share of one core."+missing,
			8, field{unit: "percentunit", decimals: 1}, nil,
			query("cpu", "{{instance}}", "max by (instance) (rate("+ofSelf("process_cpu_seconds_total", "")+"[$__rate_interval]) and on (job, instance) "+
				ofSelf("cckm_sync_exporter_build_info", "")+")")),
		graph("Memory", "Resident memory of the process, and Go's heap in use."+missing,
			8, field{unit: "bytes", decimals: -1}, nil,
			query("resident", "{{instance}} resident", "max by (instance) ("+of("process_resident_memory_bytes")+")"),
			query("heap", "{{instance}} heap", "max by (instance) ("+of("go_memstats_heap_inuse_bytes")+")")),
		graph("Goroutines and open files", "They rise and fall with scrapes; a steady rise is a leak."+missing,
			8, field{unit: "short", decimals: 0}, nil,
			query("goroutines", "{{instance}} goroutines", "max by (instance) ("+of("go_goroutines")+")"),
			query("files", "{{instance}} open files", "max by (instance) ("+of("process_open_fds")+")")),
	}
}
