package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// benchmark is one call of `go test -bench`.
type benchmark struct {
	dir, pattern, benchtime string
	// rounds bounds how often it is called, for what takes long and varies little.
	// 0 means as often as the others.
	rounds int
	// long is left out of a quick run.
	long bool
}

// benchmarks returns what a run consists of. A round takes every reader once, so
// that what a figure is divided by was measured seconds before or after it.
func benchmarks() []benchmark {
	const joblist, collector = "./collector/joblist", "./collector"
	return []benchmark{
		{dir: joblist, pattern: "^BenchmarkFullRead$/./^latency=0s$", benchtime: "5x"},
		{dir: joblist, pattern: "^BenchmarkFullRead$/./^latency=5ms$", benchtime: "1x"},
		{dir: joblist, pattern: "^BenchmarkFullRead$/^jobs=10{3,4}$/^latency=50ms$", benchtime: "1x"},
		// A thousand pages of 50 ms, one after another, and twice: 100 seconds.
		{dir: joblist, pattern: "^BenchmarkFullRead$/^jobs=100000$/^latency=50ms$", benchtime: "1x", rounds: 1, long: true},
		{dir: joblist, pattern: "^BenchmarkIncrementalRead$/^jobs=.{4,6}$", benchtime: "20x"},
		{dir: joblist, pattern: "^BenchmarkIncrementalRead$/^jobs=1000000$", benchtime: "5x", long: true},
		{dir: joblist, pattern: "^BenchmarkSlowAppliance$", benchtime: "5x"},
		{dir: joblist, pattern: "^BenchmarkBesideFullRead$", benchtime: "200x"},
		{dir: joblist, pattern: "^BenchmarkPeakMemory$/^jobs=.{4,6}$", benchtime: "1x", rounds: 1},
		{dir: joblist, pattern: "^BenchmarkPeakMemory$/^jobs=1000000$", benchtime: "1x", rounds: 1, long: true},
		{dir: collector, pattern: "^BenchmarkExposition$/././^by=(exposition|constmetrics)$", benchtime: "200ms"},
	}
}

// measure runs the benchmarks one after another and returns what they printed,
// below what tells when and of which version.
func measure(ctx context.Context, rounds int, quick bool, progress io.Writer) ([]byte, error) {
	commit, err := output(ctx, "git", "describe", "--always", "--dirty", "--exclude=*")
	if err != nil {
		return nil, err
	}
	var run bytes.Buffer
	begun := time.Now()
	fmt.Fprintf(&run, "date: %s\ncommit: %s\ngo: %s\ncores: %d\n",
		begun.UTC().Format(time.DateOnly), strings.TrimSpace(string(commit)), runtime.Version(), runtime.NumCPU())
	for round := range rounds {
		for _, b := range benchmarks() {
			if (quick && b.long) || (b.rounds > 0 && round >= b.rounds) {
				continue
			}
			args := []string{"test", b.dir, "-run", "^$", "-bench", b.pattern, "-benchtime", b.benchtime, "-count", "1", "-timeout", "0"}
			_, _ = fmt.Fprintf(progress, "round %d of %d, after %s: go %s\n",
				round+1, rounds, time.Since(begun).Round(time.Second), strings.Join(args, " "))
			printed, err := output(ctx, "go", args...)
			if err != nil {
				return nil, err
			}
			if !bytes.Contains(printed, []byte("\nBenchmark")) {
				_, _ = fmt.Fprintln(progress, "there is no such benchmark on this system: its figures will be missing")
			}
			run.Write(printed)
		}
	}
	fmt.Fprintf(&run, "took: %s\n", time.Since(begun).Round(time.Second))
	return run.Bytes(), nil
}

// output runs a program and returns what it printed; its error holds what the
// program complained of.
func output(ctx context.Context, name string, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, name, args...) //nolint:gosec // Both programs and all arguments are named above.
	var complaint bytes.Buffer
	command.Stderr = &complaint
	printed, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, printed, complaint.Bytes())
	}
	return printed, nil
}
