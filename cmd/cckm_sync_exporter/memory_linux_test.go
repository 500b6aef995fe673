package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"

	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

// peakMemory returns the most memory that the process ever had, in bytes.
func (p *process) peakMemory(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`).FindSubmatch(status)
	if found == nil {
		t.Fatalf("no peak in:\n%s", status)
	}
	kilobytes, err := strconv.ParseInt(string(found[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}

// TestMemoryLimit holds that GOMEMLIMIT bounds the process, even where nothing else
// does: without a limit, and without collecting garbage, it takes what the reads
// of a long list allocate.
func TestMemoryLimit(t *testing.T) {
	if !livetest.Required() {
		t.Skip("it takes too long for each run, and the race detector has a memory of its own: .ci/run live runs it")
	}
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
		return p.peakMemory(t)
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
