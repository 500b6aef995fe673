package main

import (
	"bytes"
	"encoding/xml"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// update rewrites all charts and tables that were made from
// a recorded run: go test ./deploy/performance -update.
var update = flag.Bool("update", false, "rewrite what is made from recorded runs")

// TestGolden makes a table and a chart from the output of a run of three rounds.
func TestGolden(t *testing.T) {
	dir := t.TempDir()
	readme, chart := filepath.Join(dir, "README.md"), filepath.Join(dir, "cost.svg")
	writeFile(t, readme, "# Before\n"+tableBegin+"what was there\n"+tableEnd+"\nAfter\n")
	table := printed(t, "-from", filepath.Join("testdata", "run.txt"), "-readme", readme, "-chart", chart)
	if want := "# Before\n" + tableBegin + table + tableEnd + "\nAfter\n"; readFile(t, readme) != want {
		t.Errorf("README.md holds\n%s\nwant\n%s", readFile(t, readme), want)
	}
	for name, got := range map[string]string{"table.md": table, "cost.svg": readFile(t, chart)} {
		golden := filepath.Join("testdata", name)
		if *update {
			writeFile(t, golden, got)
		} else if diff := cmp.Diff(readFile(t, golden), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestPairsWithinARound holds that a figure is divided by its yardstick of the same
// round: here the machine was ten times slower in the second round, and slower still
// while one yardstick ran.
func TestPairsWithinARound(t *testing.T) {
	const ours, loop = "BenchmarkFullRead/jobs=100000/latency=0s/reader=exporter-2 5 ", "BenchmarkFullRead/jobs=100000/latency=0s/reader=discard-2 5 "
	row := rowOf(t, ours+"150 ns/op 110 cpu-ns/op\n"+loop+"100 ns/op 50 cpu-ns/op\n"+
		ours+"1500 ns/op 1100 cpu-ns/op\n"+loop+"1000 ns/op 500 cpu-ns/op\n"+
		ours+"180 ns/op 110 cpu-ns/op\n"+loop+"2000 ns/op 49 cpu-ns/op\n", "full read of 100,000 jobs, wall time", "reading")
	if want := "180 ns : 1 µs | 1.5× | ≤ 2× | yes"; row != want {
		t.Errorf("got %q, want %q", row, want)
	}
}

func TestReached(t *testing.T) {
	const ours = "BenchmarkExposition/scopes=10/format=text/by=exposition 5 "
	const worse = "BenchmarkExposition/scopes=10/format=protobuf/by=exposition 5 100 cpu-ns/op\n" +
		"BenchmarkExposition/scopes=10/format=protobuf/by=constmetrics 5 "
	for name, test := range map[string]struct{ lines, what, want string }{
		"at the least":      {ours + "100 cpu-ns/op\n" + strings.Replace(ours, "exposition ", "constmetrics ", 1) + "400 cpu-ns/op\n", "exposition of 10 scopes", "text: 100 ns : 400 ns | 4× less | ≥ 4× less | yes"},
		"below the least":   {ours + "100 cpu-ns/op\n" + strings.Replace(ours, "exposition ", "constmetrics ", 1) + "399 cpu-ns/op\n", "exposition of 10 scopes", "text: 100 ns : 399 ns | 3.99× less | ≥ 4× less | **no**"},
		"the worst counts":  {ours + "100 cpu-ns/op\n" + strings.Replace(ours, "exposition ", "constmetrics ", 1) + "900 cpu-ns/op\n" + worse + "300 cpu-ns/op\n", "exposition of 10 scopes", "protobuf: 100 ns : 300 ns | 3× less | ≥ 4× less | **no**"},
		"no yardstick":      {ours + "100 cpu-ns/op\n", "exposition of 10 scopes", " |  | ≥ 4× less | not measured"},
		"at the most":       {"BenchmarkPeakMemory/jobs=1000/page=10 1 1 of-bar\n", "peak memory", "1,000 jobs, 10 a page | 1 of that | ≤ 1 of that | yes"},
		"of two rounds":     {"BenchmarkPeakMemory/jobs=1000/page=10 1 0.5 of-bar\nBenchmarkPeakMemory/jobs=1000/page=10 1 0.4 of-bar\n", "peak memory", "1,000 jobs, 10 a page | 0.45 of that | ≤ 1 of that | yes"},
		"above the most":    {"BenchmarkPeakMemory/jobs=1000/page=10 1 0.4 of-bar\nBenchmarkPeakMemory/jobs=1000000/page=10 1 1.01 of-bar\n", "peak memory", "1,000,000 jobs, 10 a page | 1.01 of that | ≤ 1 of that | **no**"},
		"only scrapes that": {"BenchmarkIncrementalRead/jobs=1001/kind=full 1 1001 requests/op\nBenchmarkIncrementalRead/jobs=1001/kind=incremental 1 6 requests/op\n", "scrape of which few jobs changed, requests", "1,001 jobs | 6 | ≤ 8 | yes"},
	} {
		t.Run(name, func(t *testing.T) {
			if row := rowOf(t, test.lines, test.what, ""); row != test.want {
				t.Errorf("got %q, want %q", row, test.want)
			}
		})
	}
}

// TestChartPlaces reads the chart's own axes: what took a millisecond for a
// thousand jobs has to stand where they say so.
func TestChartPlaces(t *testing.T) {
	dir := t.TempDir()
	from, chart := filepath.Join(dir, "run.txt"), filepath.Join(dir, "cost.svg")
	writeFile(t, from, `go: <go>
BenchmarkIncrementalRead/jobs=1000/kind=full 1 1e6 cpu-ns/op
BenchmarkIncrementalRead/jobs=1000/kind=incremental 1 100000 cpu-ns/op
BenchmarkIncrementalRead/jobs=100000/kind=full 1 1e8 cpu-ns/op
BenchmarkIncrementalRead/jobs=100000/kind=incremental 1 100000 cpu-ns/op
`)
	printed(t, "-from", from, "-chart", chart)
	texts, lines := svg(t, chart)
	place := func(jobs, took string) string {
		// A tick's text stands a little below its line.
		return coordinates(texts[jobs].x, texts[took].y-4)
	}
	want := [][]string{
		{place("1,000", "1 ms"), place("100,000", "100 ms")},
		{place("1,000", "100 µs"), place("100,000", "100 µs")},
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := (texts["1,000"].x + texts["100,000"].x) / 2; math.Abs(got-texts["10,000"].x) > 0.1 {
		t.Errorf("10,000 jobs stand at %v, want half way: %v", texts["10,000"].x, got)
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join("testdata", "run.txt")
	file := func(content string) string {
		path := filepath.Join(dir, strconv.Itoa(len(content)))
		writeFile(t, path, content)
		return path
	}
	const full, increment = "BenchmarkIncrementalRead/jobs=1001/kind=full 1 5 cpu-ns/op\n", "BenchmarkIncrementalRead/jobs=1001/kind=incremental 1 5 cpu-ns/op\n"
	for want, args := range map[string][]string{
		"no benchmark's line":   {"-from", file("ok\n")},
		"pairs of value":        {"-from", file("BenchmarkA 1 5 ns/op 7\n")},
		"not a number":          {"-from", file("BenchmarkA 1 five ns/op\n")},
		"no such file":          {"-from", filepath.Join(dir, "none")},
		"no place for the":      {"-from", good, "-readme", file("# A README without the table's place\n")},
		"a chart needs 2":       {"-from", file(full + increment), "-chart", filepath.Join(dir, "chart")},
		"no CPU time of":        {"-from", file(full + strings.Replace(full, "1001", "10000", 1)), "-chart", filepath.Join(dir, "chart")},
		"unexpected argument":   {"all"},
		"-rounds must be 1":     {"-rounds", "0"},
		"-record measures":      {"-record", "-quick"},
		"flag provided but not": {"-fast"},
	} {
		if err := start(t.Context(), args, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", args, err, want)
		}
	}
}

// TestPartsAreNotKept holds that -record does not overwrite a whole run with a part.
func TestPartsAreNotKept(t *testing.T) {
	t.Chdir(t.TempDir())
	text := []byte("BenchmarkExposition/scopes=10/format=text/by=exposition 1 5 cpu-ns/op\n")
	r, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := keep(r, text); err == nil || !strings.Contains(err.Error(), "full read of 100,000 jobs") {
		t.Errorf("error %v, want one that says what is missing", err)
	}
}

// printed runs the program on a run that was kept and returns what it printed.
func printed(t *testing.T, args ...string) string {
	t.Helper()
	var output bytes.Buffer
	if err := start(t.Context(), args, &output, io.Discard); err != nil {
		t.Fatal(err)
	}
	return output.String()
}

// rowOf returns the figures of the first row of a table that begins so, and is
// against that.
func rowOf(t *testing.T, lines, what, against string) string {
	t.Helper()
	from := filepath.Join(t.TempDir(), "run.txt")
	writeFile(t, from, lines)
	table := printed(t, "-from", from)
	for row := range strings.Lines(table) {
		cells := strings.SplitN(strings.Trim(row, "|\n "), " | ", 3)
		if len(cells) == 3 && strings.HasPrefix(cells[0], what) && strings.HasPrefix(cells[1], against) {
			return cells[2]
		}
	}
	t.Fatalf("no row %s in\n%s", what, table)
	return ""
}

type place struct{ x, y float64 }

// svg returns the places of a drawing's texts, and the points of its lines.
func svg(t *testing.T, path string) (texts map[string]place, lines [][]string) {
	t.Helper()
	texts = map[string]place{}
	decoder := xml.NewDecoder(strings.NewReader(readFile(t, path)))
	var at place
	for {
		token, err := decoder.Token()
		if err == io.EOF { //nolint:errorlint // Token returns it as it is.
			return texts, lines
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			at = place{}
			for _, attribute := range token.Attr {
				switch attribute.Name.Local {
				case "x":
					at.x = number(t, attribute.Value)
				case "y":
					at.y = number(t, attribute.Value)
				case "points":
					lines = append(lines, strings.Fields(attribute.Value))
				}
			}
		case xml.CharData:
			// The axes come before the lines' own labels.
			if _, known := texts[string(token)]; !known {
				texts[string(token)] = at
			}
		}
	}
}

func number(t *testing.T, text string) float64 {
	t.Helper()
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func coordinates(x, y float64) string {
	return strconv.FormatFloat(x, 'f', 1, 64) + "," + strconv.FormatFloat(y, 'f', 1, 64)
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
