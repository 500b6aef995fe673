package main

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"cckm_sync_exporter/collector/simulator"
)

// BenchmarkFleetMemory tells what 200 targets take of a process, as its own
// metrics have it, before anything is read, after one round of probes, and after
// ten. Each target has the two default lists of 200 jobs each.
//
//	go test -run '^$' -bench FleetMemory -benchtime 1x ./cmd/cckm_sync_exporter/
//
// On 2 busy cores, by target: idle 70 kB of heap and 101 kB resident, no goroutine;
// after a round 309 kB and 464 kB, after ten 559 kB and 829 kB (166 MB in all; the
// heap is what is allocated, garbage included), and 4 goroutines, which are those
// of two idle TLS connections.
func BenchmarkFleetMemory(b *testing.B) {
	const targets = 200
	f := newTargetsFile(b)
	f.appliance.SetFixture("cckm/google/synchronization-jobs", nil)
	f.appliance.SetFixture("cckm/azure/certificates/synchronization-jobs", nil)
	for _, list := range []string{simulator.GoogleKeys, simulator.AzureCertificates} {
		f.appliance.List(list).SetHistory(200, simulator.HistoryShape{})
	}
	entries := make([]string, 0, targets)
	for i := range targets {
		entries = append(entries, f.entry(fmt.Sprintf("target-%d", i), ""))
	}
	for b.Loop() {
		f.set(b, entries[0])
		p := f.serve(b)
		before := usedBy(b, p)
		f.set(b, entries...)
		p.request(b, http.MethodPost, "/-/reload", http.StatusOK)
		report(b, "idle", before, usedBy(b, p), targets)
		for round := range 10 {
			for i := range targets {
				p.probe(b, fmt.Sprintf("target-%d", i))
			}
			switch round {
			case 0:
				report(b, "round1", before, usedBy(b, p), targets)
			case 9:
				report(b, "round10", before, usedBy(b, p), targets)
			}
		}
		p.terminate(b)
	}
}

// usedBy returns what a process says of itself, without the names' prefixes.
func usedBy(b *testing.B, p *process) map[string]float64 {
	b.Helper()
	used := map[string]float64{}
	metrics := p.metrics(b)
	for unit, name := range map[string]string{"heap-B": "go_memstats_heap_alloc_bytes", "goroutines": "go_goroutines"} {
		found := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(metrics)
		if found == nil {
			b.Fatalf("there is no metric %s", name)
		}
		value, err := strconv.ParseFloat(found[1], 64)
		if err != nil {
			b.Fatal(err)
		}
		used[unit] = value
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	pages, err := strconv.ParseFloat(strings.Fields(string(status))[1], 64)
	if err != nil {
		b.Fatal(err)
	}
	used["rss-B"] = pages * float64(os.Getpagesize())
	return used
}

// report reports what is used beyond before, by target.
func report(b *testing.B, when string, before, now map[string]float64, targets float64) {
	b.Helper()
	for unit, value := range now {
		b.ReportMetric((value-before[unit])/targets, when+"-"+unit+"/target")
	}
}
