package main

import (
	"errors"
	"fmt"
	"strings"
)

// The table stands between these lines of deploy/docs/performance.md.
const (
	tableBegin = "<!-- performance -->\n"
	tableEnd   = "<!-- end -->"
)

// replaceTable returns a text with the table in it.
func replaceTable(text, table string) (string, error) {
	before, rest, found := strings.Cut(text, tableBegin)
	_, after, ended := strings.Cut(rest, tableEnd)
	if !found || !ended {
		return "", errors.New("there is no place for the table: a line " + strings.TrimSpace(tableBegin) + " and then " + tableEnd)
	}
	return before + tableBegin + table + tableEnd + after, nil
}

// table returns the bars of a run, and below them all of its figures, as Markdown.
func (r run) table() string {
	var text strings.Builder
	fmt.Fprintf(&text, "Measured on %s at `%s` with %s on %s cores (%s). %s\n"+
		"Times and allocations of reads include those of the server, which is in the same process.\n\n",
		r.about["date"], r.about["commit"], r.about["go"], r.about["cores"], r.about["cpu"], r.averaged())
	bars := r.bars()
	rows := make([][]string, 0, len(bars))
	for _, b := range bars {
		row := []string{b.what, b.against, b.measured, "", limit(b), b.reached()}
		if b.known {
			row[3] = digits(b.value) + b.unit
		}
		rows = append(rows, row)
	}
	writeTable(&text, []string{"what", "against", "figures", "measured", "bar", "reached"}, rows)
	text.WriteString("\n<details>\n<summary>All figures of the run</summary>\n\nOurs : the other's = ratio.\n\n")
	r.writeFullReads(&text)
	r.writeIncrements(&text)
	r.writePeaks(&text)
	r.writeExpositions(&text)
	text.WriteString("</details>\n")
	return text.String()
}

// averaged says how the figures of the rounds became one: what takes long is
// measured once.
func (r run) averaged() string {
	if rounds := r.rounds(); rounds > 1 {
		return fmt.Sprintf("Medians of up to %d rounds, of the figures and of each round's own ratios.", rounds)
	}
	return "A single round."
}

func limit(b bar) string {
	sign := "≤ "
	if b.least {
		sign = "≥ "
	}
	return sign + digits(b.limit) + b.unit
}

func (r run) writeFullReads(text *strings.Builder) {
	rows := make([][]string, 0, len(r.names))
	for _, of := range r.under("BenchmarkFullRead/") {
		for _, reader := range []string{"discard", "straightforward"} {
			rows = append(rows, append([]string{thousands(part(of, "jobs")), part(of, "latency"), reader},
				r.comparisons(of+"/reader=exporter", of+"/reader="+reader, wall, cpu, "allocs/op", "B/op", "requests/op")...))
		}
	}
	writeTable(text, []string{"full read: jobs", "a page takes", "beside", "wall time", "CPU", "allocations", "allocated", "requests"}, rows)
}

func (r run) writeIncrements(text *strings.Builder) {
	rows := make([][]string, 0, len(r.names))
	for _, of := range r.under("BenchmarkIncrementalRead/") {
		name := of + "/kind=incremental"
		row := append([]string{thousands(part(of, "jobs"))},
			r.comparisons(name, of+"/kind=full", wall, cpu, "allocs/op", "B/op", "requests/op")...)
		rows = append(rows, append(row, r.figure(name, "kept-B/job")))
	}
	text.WriteByte('\n')
	writeTable(text, []string{"scrape of which few jobs changed: jobs", "wall time beside a full read", "CPU", "allocations", "allocated", "requests", "bytes kept a job"}, rows)
}

func (r run) writePeaks(text *strings.Builder) {
	rows := make([][]string, 0, len(r.names))
	for _, name := range r.names {
		if strings.HasPrefix(name, "BenchmarkPeakMemory/") {
			rows = append(rows, []string{
				thousands(part(name, "jobs")), thousands(part(name, "page")),
				r.figure(name, "idle-MiB"), r.figure(name, "peak-MiB"), r.figure(name, "B/job"), r.figure(name, "of-bar"),
			})
		}
	}
	text.WriteByte('\n')
	writeTable(text, []string{"peak memory: jobs", "a page", "idle, MiB", "peak, MiB", "above idle, bytes a job", "share of the bar"}, rows)
}

func (r run) writeExpositions(text *strings.Builder) {
	rows := make([][]string, 0, len(r.names))
	for _, of := range r.under("BenchmarkExposition/") {
		rows = append(rows, append([]string{thousands(part(of, "scopes")), part(of, "format")},
			r.comparisons(of+"/by=exposition", of+"/by=constmetrics", wall, cpu, "allocs/op", "B/op")...))
	}
	text.WriteByte('\n')
	writeTable(text, []string{"exposition: scopes", "format", "wall time beside const metrics", "CPU", "allocations", "allocated"}, rows)
}

// comparisons returns a cell for each unit with both figures and their ratio.
func (r run) comparisons(name, than string, units ...string) []string {
	cells := make([]string, 0, len(units))
	for _, unit := range units {
		cell := r.pair(name, than, unit)
		if ratio, known := r.ratio(name, than, unit); known {
			cell += " = " + times(ratio)
		}
		cells = append(cells, cell)
	}
	return cells
}

// figure returns a cell with one figure, which is empty where it was not measured.
func (r run) figure(name, unit string) string {
	value, known := r.value(name, unit)
	if !known {
		return ""
	}
	return digits(value)
}

func writeTable(text *strings.Builder, heads []string, rows [][]string) {
	fmt.Fprintf(text, "| %s |\n|%s\n", strings.Join(heads, " | "), strings.Repeat("---|", len(heads)))
	for _, row := range rows {
		fmt.Fprintf(text, "| %s |\n", strings.Join(row, " | "))
	}
}
