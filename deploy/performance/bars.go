package main

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	wall = "ns/op"
	cpu  = "cpu-ns/op"
	// percentile is the 95th of a benchmark.
	percentile = "p95-ns"
)

// bar is something that the project wants to reach, and how far it got.
type bar struct {
	what, against string
	// measured is the figures behind the value.
	measured string
	value    float64
	// known is whether the run measured the value.
	known bool
	// limit is the least that the value may be, or else the most.
	limit float64
	least bool
	// unit follows the value and the limit.
	unit string
}

// reached says whether the bar is reached, in a table's word.
func (b bar) reached() string {
	switch {
	case !b.known:
		return "not measured"
	case b.value == b.limit, (b.value > b.limit) == b.least:
		return "yes"
	default:
		return "**no**"
	}
}

// fullRead and incrementalRead are the names that the benchmarks have in a run.
// The bars of full reads are all about 100,000 jobs.
func fullRead(latency, reader string) string {
	return fmt.Sprintf("BenchmarkFullRead/jobs=100000/latency=%s/reader=%s", latency, reader)
}

func incrementalRead(jobs int, kind string) string {
	return fmt.Sprintf("BenchmarkIncrementalRead/jobs=%d/kind=%s", jobs, kind)
}

func slowAppliance(list string) string { return "BenchmarkSlowAppliance/" + list }

func besideFullRead(background string) string {
	return "BenchmarkBesideFullRead/background=" + background
}

// bars returns the bars in the order of the table. Where a bar holds for several
// sizes, the worst of them counts.
func (r run) bars() []bar {
	const discard, straightforward = "reading, inflating and discarding the same pages", "net/http and encoding/json, page after page of 100"
	ours, json := fullRead("0s", "exporter"), fullRead("0s", "straightforward")
	loop := fullRead("0s", "discard")
	full, increment := incrementalRead(100_000, "full"), incrementalRead(100_000, "incremental")
	return []bar{
		r.times("full read of 100,000 jobs, wall time", discard, ours, loop, wall, 2.0),
		r.times("full read of 100,000 jobs, CPU", discard, ours, loop, cpu, 2.2),
		r.timesLess("full read of 100,000 jobs, wall time", straightforward, ours, json, wall, 8),
		r.timesLess("full read of 100,000 jobs, CPU", straightforward, ours, json, cpu, 4.5),
		r.timesLess("full read of 100,000 jobs with 50 ms a page, wall time", straightforward,
			fullRead("50ms", "exporter"), fullRead("50ms", "straightforward"), wall, 25),
		r.timesLess("scrape of 100,000 jobs of which few changed, CPU", "its own full read", increment, full, cpu, 100),
		r.worst("scrape of which few jobs changed, requests at the worst size", "a handful", "BenchmarkIncrementalRead/", "requests/op", 8, "", "kind", "incremental"),
		r.atMost("scrape of 100,000 jobs at 300 ms a request, round trips one after another", slowAppliance("changing"), "round-trips/op", 2.5, ""),
		r.times("scrape of 100,000 jobs beside full reads in the background, 95th percentile", "without them",
			besideFullRead("true"), besideFullRead("false"), percentile, 1.5),
		r.times("scrape of 1,000,000 jobs of which few changed, CPU", "the same of 1,001 jobs",
			incrementalRead(1_000_000, "incremental"), incrementalRead(1_001, "incremental"), cpu, 2),
		// What a reader and its connection hold anyway is in the figure, and is much of it for a short list.
		r.atMost("memory that a kept history of 100,000 jobs takes", increment, "kept-B/job", 64, " bytes a job"),
		r.worst("peak memory of full reads of 1,000 to 1,000,000 jobs, at its worst size and page",
			"1.5 times the idle process and 44 bytes a job", "BenchmarkPeakMemory/", "of-bar", 1, " of that", "", ""),
		r.exposition(10), r.exposition(1000), r.exposition(5000),
	}
}

// times is a bar of how many times as much than another at most.
func (r run) times(what, against, name, than, unit string, most float64) bar {
	value, known := r.ratio(name, than, unit)
	return bar{what: what, against: against, measured: r.pair(name, than, unit), value: value, known: known, limit: most, unit: "×"}
}

// timesLess is a bar of how many times less than another at least.
func (r run) timesLess(what, against, name, than, unit string, least float64) bar {
	value, known := r.ratio(than, name, unit)
	return bar{what: what, against: against, measured: r.pair(name, than, unit), value: value, known: known, limit: least, least: true, unit: "× less"}
}

// atMost is a bar of a figure by itself.
func (r run) atMost(what, name, figure string, most float64, unit string) bar {
	value, known := r.value(name, figure)
	return bar{what: what, value: value, known: known, limit: most, unit: unit}
}

// worst is a bar of a figure that holds for all benchmarks of a prefix whose names
// have the value at the key.
func (r run) worst(what, against, prefix, figure string, most float64, unit, key, of string) bar {
	b := bar{what: what, against: against, limit: most, unit: unit}
	for _, name := range r.names {
		if part(name, key) != of || !strings.HasPrefix(name, prefix) {
			continue
		}
		if value, known := r.value(name, figure); known && (!b.known || value > b.value) {
			b.value, b.known = value, true
			b.measured = thousands(part(name, "jobs")) + " jobs"
			if page := part(name, "page"); page != "" {
				b.measured += ", " + thousands(page) + " a page"
			}
		}
	}
	return b
}

// exposition is the bar of so many scopes, for the format that gains least.
func (r run) exposition(scopes int) bar {
	b := bar{
		what:    fmt.Sprintf("exposition of %s scopes, CPU, in the format that gains least", thousands(strconv.Itoa(scopes))),
		against: "const metrics through a registry", limit: 4, least: true, unit: "× less",
	}
	for _, format := range r.under(fmt.Sprintf("BenchmarkExposition/scopes=%d/", scopes)) {
		other := r.timesLess(b.what, b.against, format+"/by=exposition", format+"/by=constmetrics", cpu, b.limit)
		if other.known && (!b.known || other.value < b.value) {
			other.measured = part(format, "format") + ": " + other.measured
			b = other
		}
	}
	return b
}

// pair returns the figures of two benchmarks, ours first.
func (r run) pair(name, than, unit string) string {
	ours, known := r.value(name, unit)
	theirs, knownToo := r.value(than, unit)
	if !known || !knownToo {
		return ""
	}
	return quantity(ours, unit) + " : " + quantity(theirs, unit)
}

// rounds returns how often the benchmarks that were measured most were.
func (r run) rounds() int {
	most := 0
	for _, figures := range r.figures {
		for _, values := range figures {
			most = max(most, len(values))
		}
	}
	return most
}
