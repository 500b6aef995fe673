package main

import (
	"fmt"
	"testing"

	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

// TestMemoryLimit holds that GOMEMLIMIT bounds the process, even where nothing else
// does: without a limit, and without collecting garbage, it takes what the reads
// of a long list allocate.
func TestMemoryLimit(t *testing.T) {
	livetest.All(t)
	appliance, _, env := startAppliance(t, t.TempDir())
	appliance.SetFixture("cckm/google/synchronization-jobs", nil)
	if err := appliance.List(simulator.GoogleKeys).SetHistory(100_000, simulator.HistoryShape{}); err != nil {
		t.Fatal(err)
	}
	peak := func(limit string) int64 {
		p := start(t, append(env, "GOGC=off", limit), "--collector.page-size=100", "--collector.full-read-interval=0s")
		for range 10 {
			wantUp(t, p, "with "+limit)
		}
		return livetest.PeakMemory(t, p.cmd.Process.Pid)
	}
	const limit = 30 << 20
	free, limited := peak("GOMEMLIMIT=off"), peak(fmt.Sprintf("GOMEMLIMIT=%d", limit))
	t.Logf("%d MiB without a limit, %d MiB with one of %d MiB", free>>20, limited>>20, limit>>20)
	// The limit is one of Go's own memory, to which the program's code comes.
	const code = 20 << 20
	if limited > limit+code || free < limited+limited/2 {
		t.Errorf("the peak is %d bytes with a limit of %d and %d without one", limited, limit, free)
	}
}
