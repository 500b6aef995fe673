// Command performance runs the benchmarks of this repository, each figure beside
// its yardstick of the same run, and prints them as Markdown against the bars that
// the project sets itself. From the top of the repository:
//
//	go run ./deploy/performance
//
// With -record it keeps what `go test -bench` printed in run.txt, and writes
// the table of deploy/docs/performance.md and the chart from it; with -from it makes both from a run that
// was kept, and measures nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

const (
	recordedRun   = "deploy/performance/run.txt"
	recordedChart = "deploy/performance/cost.svg"
	recordedTable = "deploy/docs/performance.md"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := start(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// start does what the arguments ask for.
func start(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("performance", flag.ContinueOnError)
	flags.SetOutput(stderr)
	rounds := flags.Int("rounds", 3, "how often to measure; the medians are printed")
	quick := flags.Bool("quick", false, "leave out a million jobs, and 100,000 jobs with 50 ms a page")
	record := flags.Bool("record", false, "keep the run in "+recordedRun+", and write "+recordedTable+" and the chart from it")
	from := flags.String("from", "", "`file` with a run that was kept; nothing is measured")
	readme := flags.String("readme", "", "`file` to write the table into")
	chart := flags.String("chart", "", "`file` to draw the chart into")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case *rounds < 1:
		return errors.New("-rounds must be 1 or more")
	case *record && (*quick || *from != "" || *readme != "" || *chart != ""):
		return errors.New("-record measures everything and knows its files: give it without -quick, -from, -readme and -chart")
	}
	if *record {
		*readme, *chart = recordedTable, recordedChart
	}

	var text []byte
	var err error
	if *from != "" {
		text, err = os.ReadFile(*from)
	} else {
		text, err = measure(ctx, *rounds, *quick, stderr)
	}
	if err != nil {
		return err
	}
	r, err := parse(text)
	if err != nil {
		return err
	}
	if *record {
		if err := keep(r, text); err != nil {
			return err
		}
	}
	return r.publish(*readme, *chart, stdout)
}

// keep keeps a run that has measured all that there is a bar for.
func keep(r run, text []byte) error {
	for _, b := range r.bars() {
		if !b.known {
			return fmt.Errorf("the run is not kept, it lacks a figure: %s", b.what)
		}
	}
	return write(recordedRun, text)
}

// publish prints the run's table, and writes it and the chart where that is asked for.
func (r run) publish(readme, chart string, stdout io.Writer) error {
	if _, err := io.WriteString(stdout, r.table()); err != nil {
		return err
	}
	if readme != "" {
		content, err := os.ReadFile(readme)
		if err != nil {
			return err
		}
		replaced, err := replaceTable(string(content), r.table())
		if err != nil {
			return fmt.Errorf("%s: %w", readme, err)
		}
		if err := write(readme, []byte(replaced)); err != nil {
			return err
		}
	}
	if chart != "" {
		drawn, err := r.chart()
		if err != nil {
			return err
		}
		return write(chart, drawn)
	}
	return nil
}

// write writes a file that everybody may read.
func write(path string, content []byte) error {
	return os.WriteFile(path, content, 0o644) //nolint:gosec // They are published.
}
