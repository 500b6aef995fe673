package main

import (
	"strings"
	"testing"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// TestRecorded checks that the document has the table of the recorded run, which is complete.
func TestRecorded(t *testing.T) {
	table, err := makeTable([]byte(livetest.ReadFile(t, "../..", recordedRun)))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(table, notMeasured) {
		t.Errorf("the run is incomplete:\n%s", table)
	}
	if _, published, _ := strings.Cut(livetest.ReadFile(t, "../..", document), tableBegin); !strings.HasPrefix(published, table+tableEnd) {
		t.Errorf("%s has another table; run go run ./deploy/performance -record -from %s:\n%s", document, recordedRun, table)
	}
}

func TestRows(t *testing.T) {
	const (
		read    = "BenchmarkFullRead/jobs=100000/latency=0s/reader=exporter-2 5 "
		discard = "BenchmarkFullRead/jobs=100000/latency=0s/reader=discard-2 5 "
		text    = "BenchmarkExposition/scopes=10/format=text/by="
		proto   = "BenchmarkExposition/scopes=10/format=protobuf/by="
		peak    = "BenchmarkPeakMemory/jobs=1000/page=10-2 1 "
	)
	for name, test := range map[string]struct{ what, lines, want string }{
		// The machine was ten times slower in the second round, and even slower during one yardstick.
		"ratio within a round": {
			"full read of 100,000 jobs, wall time", read + "150 ns/op\n" + discard + "100 ns/op\n" + read + "1500 ns/op\n" +
				discard + "1000 ns/op\n" + read + "180 ns/op\n" + discard + "2000 ns/op\n",
			"180.0ns : 1.000µs | 1.5 | ≤ 2 | yes",
		},
		"above the limit": {"full read of 100,000 jobs, CPU", read + "230 cpu-ns/op\n" + discard + "100 cpu-ns/op\n", "230.0ns : 100.0ns | 2.3 | ≤ 2.2 | **no**"},
		"at least":        {"exposition of 10 ", text + "exposition-2 1 100 cpu-ns/op\n" + text + "constmetrics-2 1 400 cpu-ns/op\n", "100.0ns : 400.0ns | 4 | ≥ 4 | yes"},
		"worst of least": {
			"exposition of 10 ", text + "exposition-2 1 100 cpu-ns/op\n" + text + "constmetrics-2 1 900 cpu-ns/op\n" +
				proto + "exposition-2 1 100 cpu-ns/op\n" + proto + "constmetrics-2 1 300 cpu-ns/op\n",
			"100.0ns : 300.0ns | 3 | ≥ 4 | **no**",
		},
		"worst of most": {"peak memory", peak + "1 of-bar\n" + strings.Replace(peak, "1000", "10000", 1) + "0.5 of-bar\n", " | 1 | ≤ 1 | yes"},
		"no yardstick":  {"full read of 100,000 jobs, CPU", read + "230 cpu-ns/op\n", " |  | ≤ 2.2 | not measured"},
	} {
		t.Run(name, func(t *testing.T) {
			table, err := makeTable([]byte(test.lines))
			if err != nil {
				t.Fatal(err)
			}
			_, row, _ := strings.Cut(table, "| "+test.what)
			row, _, _ = strings.Cut(row, "\n")
			if !strings.HasSuffix(row, " | "+test.want+" |") {
				t.Errorf("the row is %q, want %q", row, test.want)
			}
		})
	}
	if _, err := makeTable([]byte("BenchmarkA-2 1 five ns/op\n")); err == nil {
		t.Error("a malformed line is no error")
	}
}
