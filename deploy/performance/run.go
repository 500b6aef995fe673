package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// run is what `go test -bench` printed, in the benchmark data format
// (golang.org/design/14313-benchmark-format).
type run struct {
	// about holds the lines "key: value"; the last of a key wins.
	about map[string]string
	// figures holds the values of each benchmark by their unit, one for each round,
	// in the order in which they were measured.
	figures map[string]map[string][]float64
	// names are those of the benchmarks, in the order in which they came first.
	names []string
}

// parse reads what `go test -bench` printed. A line of a benchmark that cannot be
// read, or a run without any, is an error; every other line is not about figures.
func parse(text []byte) (run, error) {
	r := run{about: map[string]string{}, figures: map[string]map[string][]float64{}}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if key, value, found := strings.Cut(line, ": "); found && !strings.Contains(key, " ") {
			r.about[key] = strings.TrimSpace(value)
		}
		if len(fields) == 0 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		if len(fields) < 4 || len(fields)%2 != 0 {
			return run{}, fmt.Errorf("a benchmark's line is not a name, a count and pairs of value and unit: %q", line)
		}
		name := withoutProcs(fields[0])
		if r.figures[name] == nil {
			r.figures[name] = map[string][]float64{}
			r.names = append(r.names, name)
		}
		for pair := range slices.Chunk(fields[2:], 2) {
			value, err := strconv.ParseFloat(pair[0], 64)
			if err != nil {
				return run{}, fmt.Errorf("a benchmark's value is not a number: %q", line)
			}
			r.figures[name][pair[1]] = append(r.figures[name][pair[1]], value)
		}
	}
	if len(r.figures) == 0 {
		return run{}, errors.New("no benchmark's line is in the run")
	}
	return r, nil
}

// withoutProcs cuts off the -2 that tells GOMAXPROCS.
func withoutProcs(name string) string {
	at := strings.LastIndexByte(name, '-')
	if at < 0 {
		return name
	}
	if _, err := strconv.Atoi(name[at+1:]); err != nil {
		return name
	}
	return name[:at]
}

// value returns the median over the rounds, and whether there is one.
func (r run) value(name, unit string) (float64, bool) {
	return median(r.figures[name][unit])
}

// ratio returns how many times as much one benchmark took as another, as the
// median of the rounds' own ratios: what else the machine did in a round slowed both.
func (r run) ratio(name, than, unit string) (float64, bool) {
	above, below := r.figures[name][unit], r.figures[than][unit]
	ratios := make([]float64, 0, len(above))
	for i := range min(len(above), len(below)) {
		if below[i] > 0 {
			ratios = append(ratios, above[i]/below[i])
		}
	}
	return median(ratios)
}

// under returns the names of the benchmarks that begin so, in their order, without
// what follows the last of their parts.
func (r run) under(prefix string) []string {
	var names []string
	for _, name := range r.names {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		if name = name[:strings.LastIndexByte(name, '/')]; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// part returns the value of a key in a benchmark's name, as in "…/jobs=1000/…".
func part(name, key string) string {
	for field := range strings.SplitSeq(name, "/") {
		if value, found := strings.CutPrefix(field, key+"="); found {
			return value
		}
	}
	return ""
}

// median returns the middle of some values, and whether there are any.
func median(values []float64) (float64, bool) {
	if len(values) == 0 {
		return 0, false
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2, true
	}
	return sorted[middle], true
}
