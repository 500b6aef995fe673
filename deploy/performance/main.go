// Command performance runs the benchmarks of this repository, each next to its
// yardstick, and prints how they compare with the project's bars as a Markdown
// table. From the top of the repository:
//
//	go run ./deploy/performance
//
// With -record, it also writes what `go test -bench` printed to run.txt and the
// table to performance.md. With -from, it reads a recorded run instead.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"time"
)

const (
	recordedRun = "deploy/performance/run.txt"
	document    = "deploy/docs/performance.md"
	// The table is between these lines of the document.
	tableBegin = "<!-- performance -->\n"
	tableEnd   = "<!-- end -->"
)

func main() {
	quick := flag.Bool("quick", false, "one round, without a million jobs and without 100,000 jobs at 50 ms a page")
	record := flag.Bool("record", false, "write "+recordedRun+" and the table in "+document)
	from := flag.String("from", "", "`file` with a recorded run; nothing is measured")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := start(ctx, *quick, *record, *from)
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func start(ctx context.Context, quick, record bool, from string) error {
	var text []byte
	var err error
	if from != "" {
		text, err = os.ReadFile(from)
	} else {
		text, err = measure(ctx, quick, os.Stderr)
	}
	if err != nil {
		return err
	}
	table, err := makeTable(text)
	if err != nil {
		return err
	}
	fmt.Print(table) //nolint:forbidigo // The table is the output.
	if !record {
		return nil
	}
	if strings.Contains(table, notMeasured) {
		return errors.New("the run is not recorded because it is incomplete")
	}
	content, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(content), tableBegin)
	_, after, ends := strings.Cut(rest, tableEnd)
	if !begins || !ends {
		return fmt.Errorf("%s has no lines %s and %s", document, strings.TrimSpace(tableBegin), tableEnd)
	}
	if err := write(document, before+tableBegin+table+tableEnd+after); err != nil {
		return err
	}
	return write(recordedRun, string(text))
}

func write(path, content string) error {
	return os.WriteFile(path, []byte(content), 0o644) //nolint:gosec // The files are part of the repository.
}

// benchmark is one call of `go test -bench`.
type benchmark struct {
	dir, pattern, benchtime string
	// once marks what takes long and varies little.
	once bool
	// long is left out of a quick run.
	long bool
}

// measure runs the benchmarks and returns what they printed. A round runs each of
// them once, so that a figure and its yardstick are measured within seconds.
func measure(ctx context.Context, quick bool, progress io.Writer) ([]byte, error) {
	const joblist, collector = "./collector/joblist", "./collector"
	benchmarks := []benchmark{
		{dir: joblist, pattern: "^BenchmarkFullRead$/./^latency=0s$", benchtime: "5x"},
		{dir: joblist, pattern: "^BenchmarkFullRead$/./^latency=5ms$", benchtime: "1x"},
		{dir: joblist, pattern: "^BenchmarkFullRead$/^jobs=10{3,4}$/^latency=50ms$", benchtime: "1x"},
		// It reads a thousand pages of 50 ms one after another, twice: 100 seconds.
		{dir: joblist, pattern: "^BenchmarkFullRead$/^jobs=100000$/^latency=50ms$", benchtime: "1x", once: true, long: true},
		{dir: joblist, pattern: "^BenchmarkIncrementalRead$/^jobs=.{4,6}$", benchtime: "20x"},
		{dir: joblist, pattern: "^BenchmarkIncrementalRead$/^jobs=1000000$", benchtime: "5x", long: true},
		{dir: joblist, pattern: "^BenchmarkSlowAppliance$", benchtime: "5x"},
		{dir: joblist, pattern: "^BenchmarkBesideFullRead$", benchtime: "200x"},
		{dir: joblist, pattern: "^BenchmarkPeakMemory$/^jobs=.{4,6}$", benchtime: "1x", once: true},
		{dir: joblist, pattern: "^BenchmarkPeakMemory$/^jobs=1000000$", benchtime: "1x", once: true, long: true},
		{dir: collector, pattern: "^BenchmarkExposition$/././^by=(exposition|constmetrics)$", benchtime: "200ms"},
	}
	commit, err := output(ctx, "git", "describe", "--always", "--dirty", "--exclude=*")
	if err != nil {
		return nil, err
	}
	var run bytes.Buffer
	begin := time.Now()
	fmt.Fprintf(&run, "date: %s\ncommit: %s\ngo: %s\ncores: %d\n",
		begin.UTC().Format(time.DateOnly), bytes.TrimSpace(commit), runtime.Version(), runtime.NumCPU())
	rounds := 3
	if quick {
		rounds = 1
	}
	for round := range rounds {
		for _, b := range benchmarks {
			if quick && b.long || b.once && round > 0 {
				continue
			}
			args := []string{"test", b.dir, "-run", "^$", "-bench", b.pattern, "-benchtime", b.benchtime, "-count", "1", "-timeout", "0"}
			_, _ = fmt.Fprintf(progress, "round %d of %d, after %s: go %s\n",
				round+1, rounds, time.Since(begin).Round(time.Second), strings.Join(args, " "))
			printed, err := output(ctx, "go", args...)
			if err != nil {
				return nil, err
			}
			run.Write(printed)
		}
	}
	return run.Bytes(), nil
}

// output runs a program and returns its stdout.
func output(ctx context.Context, name string, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, name, args...) //nolint:gosec // The programs and arguments are constants.
	var stderr bytes.Buffer
	command.Stderr = &stderr
	printed, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, printed, stderr.Bytes())
	}
	return printed, nil
}
