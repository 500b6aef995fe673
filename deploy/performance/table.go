package main

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchunit"
)

const notMeasured = "not measured"

// bar is a limit that the project sets itself.
type bar struct {
	what, against string
	// name matches the measured benchmarks, without their prefix Benchmark. The worst of them counts.
	name string
	// yardstick is the benchmark of the same unit, in seconds, that the measured one is
	// divided by, as the replacement of name. If it is empty, the figure itself is limited.
	yardstick, unit string
	limit           float64
	// less makes the limit a minimum of yardstick divided by measured.
	less bool
}

// bars returns all bars in the order of the table.
func bars() []bar {
	const (
		wall, cpu   = "sec/op", "cpu-sec/op"
		discard     = "reading, inflating and discarding the same pages"
		simple      = "net/http and encoding/json, one page of 100 after another"
		full        = "^FullRead/jobs=100000/latency=0s/reader="
		incremental = "IncrementalRead/jobs=100000/kind="
	)
	exposition := func(scopes string) bar {
		return bar{
			"exposition of " + scopes + " scopes, CPU, any format", "const metrics through a registry",
			"^(Exposition/scopes=" + scopes + "/format=.*)/by=exposition$", "$1/by=constmetrics", cpu, 4, true,
		}
	}
	return []bar{
		{"full read of 100,000 jobs, wall time", discard, full + "exporter", full[1:] + "discard", wall, 2.0, false},
		{"full read of 100,000 jobs, CPU", discard, full + "exporter", full[1:] + "discard", cpu, 2.2, false},
		{"full read of 100,000 jobs, wall time", simple, full + "exporter", full[1:] + "straightforward", wall, 8, true},
		{"full read of 100,000 jobs, CPU", simple, full + "exporter", full[1:] + "straightforward", cpu, 4.5, true},
		{"full read of 100,000 jobs at 50 ms a page, wall time", simple, "^(FullRead/jobs=100000/latency=50ms/reader=)exporter", "${1}straightforward", wall, 25, true},
		{"scrape of 100,000 jobs when few changed, CPU", "its full read", "^" + incremental + "incremental", incremental + "full", cpu, 100, true},
		{"scrape when few jobs changed, any size: requests", "", "^IncrementalRead/.*/kind=incremental", "", "requests/op", 8, false},
		{"scrape of 100,000 jobs at 300 ms a request: sequential round trips", "", "^SlowAppliance/changing", "", "round-trips/op", 2.5, false},
		{"scrape of 100,000 jobs during background full reads, 95th percentile", "without full reads", "^BesideFullRead/background=true", "BesideFullRead/background=false", "p95-sec", 1.5, false},
		{"scrape of 1,000,000 jobs when few changed, CPU", "the same of 1,001 jobs", "^IncrementalRead/jobs=1000000/kind=incremental", "IncrementalRead/jobs=1001/kind=incremental", cpu, 2, false},
		{"cache of 100,000 jobs: bytes a job", "", "^" + incremental + "incremental", "", "kept-B/job", 64, false},
		{"peak memory of full reads, any size", "1.5 times the idle process and 44 bytes a job", "^PeakMemory/", "", "of-bar", 1, false},
		exposition("10"), exposition("1000"), exposition("5000"),
	}
}

// run is the output of `go test -bench`, repeated for each round.
type run struct {
	// config has the lines "key: value".
	config map[string]string
	// figures has the value of each round by benchmark and unit, such as "FullRead/jobs=1000 sec/op".
	figures map[string][]float64
	names   []string
}

func parse(text []byte) (run, error) {
	r := run{config: map[string]string{}, figures: map[string][]float64{}}
	reader := benchfmt.NewReader(bytes.NewReader(text), "the run")
	for reader.Scan() {
		switch record := reader.Result().(type) {
		case *benchfmt.SyntaxError:
			return run{}, record
		case *benchfmt.Result:
			base, parts := record.Name.Parts()
			// The last part is GOMAXPROCS.
			name := string(base) + string(bytes.Join(parts[:max(0, len(parts)-1)], nil))
			if !slices.Contains(r.names, name) {
				r.names = append(r.names, name)
			}
			for _, value := range record.Values {
				key := name + " " + value.Unit
				r.figures[key] = append(r.figures[key], value.Value)
			}
			for _, c := range record.Config {
				r.config[c.Key] = string(c.Value)
			}
		}
	}
	return r, reader.Err()
}

// makeTable returns the bars of a run as Markdown.
func makeTable(text []byte) (string, error) {
	r, err := parse(text)
	if err != nil {
		return "", err
	}
	var table strings.Builder
	fmt.Fprintf(&table, "Measured on %s at `%s` with %s on %s cores (%s): medians of all rounds' figures and ratios.\n"+
		"Times of reads include the server, which runs in the same process.\n\n"+
		"| what | against | figures | ratio | bar | reached |\n|---|---|---|---|---|---|\n",
		r.config["date"], r.config["commit"], r.config["go"], r.config["cores"], r.config["cpu"])
	for _, b := range bars() {
		fmt.Fprintf(&table, "| %s | %s | %s |\n", b.what, b.against, b.row(r))
	}
	return table.String(), nil
}

// row returns the last four cells of a bar.
func (b bar) row(r run) string {
	name := regexp.MustCompile(b.name)
	worst, figures, known := 0.0, "", false
	for _, measured := range r.names {
		ours := r.figures[measured+" "+b.unit]
		if !name.MatchString(measured) || len(ours) == 0 {
			continue
		}
		value, shown := median(ours), ""
		if b.yardstick != "" {
			theirs := r.figures[name.ReplaceAllString(measured, b.yardstick)+" "+b.unit]
			if len(theirs) != len(ours) {
				continue
			}
			shown = seconds(value) + " : " + seconds(median(theirs))
			// What slowed the machine in a round slowed both.
			ratios := make([]float64, len(ours))
			for i := range ours {
				ratios[i] = ours[i] / theirs[i]
				if b.less {
					ratios[i] = theirs[i] / ours[i]
				}
			}
			value = median(ratios)
		}
		if !known || (value > worst) != b.less {
			worst, figures, known = value, shown, true
		}
	}
	sign, reached := "≤", worst <= b.limit
	if b.less {
		sign, reached = "≥", worst >= b.limit
	}
	limit := fmt.Sprintf("%s %g", sign, b.limit)
	if !known {
		return " |  | " + limit + " | " + notMeasured
	}
	return fmt.Sprintf("%s | %.3g | %s | %s", figures, worst, limit, map[bool]string{true: "yes", false: "**no**"}[reached])
}

func median(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

// seconds returns a time with four digits and its unit.
func seconds(value float64) string { return benchunit.Scale(value, benchunit.Decimal) + "s" }
