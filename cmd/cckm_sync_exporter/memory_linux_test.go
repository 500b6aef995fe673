package main

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

// TestMemoryLimit holds that GOMEMLIMIT bounds the process, even if nothing else does: without a limit
// and without garbage collection, it needs what the reads of a long list allocate.
func TestMemoryLimit(t *testing.T) {
	livetest.All(t)
	appliance, _, env := startAppliance(t, t.TempDir())
	appliance.SetFixture("cckm/google/synchronization-jobs", nil)
	appliance.List(simulator.GoogleKeys).SetHistory(100_000, simulator.HistoryShape{})
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

// BenchmarkSlowScrapers measures the peak memory of a process that scrapers read slowly: they request
// the metrics of a list with many scopes at the same time, or one after another, and read one byte.
//
//	go test -run '^$' -bench SlowScrapers -benchtime 1x ./cmd/cckm_sync_exporter/
//
// On 2 busy cores, go1.26.8: 48 MiB for one scraper of 2,000 scopes and 129 to 155 MiB of 10,000, which
// is up to 16 KiB a scope. 40 scrapers of 2,000 scopes need 58 MiB if they come at the same time, and
// 126 MiB if none shares a read: 1 KiB a scope and scraper. Without gzip: 107 and 139 MiB.
func BenchmarkSlowScrapers(b *testing.B) {
	for _, bench := range []struct {
		scopes, scrapers int
		encoding         string
		together         bool
	}{
		{2_000, 1, "gzip", true},
		{2_000, 40, "gzip", true},
		{2_000, 40, "gzip", false},
		{2_000, 40, "identity", true},
		{2_000, 40, "identity", false},
		{10_000, 1, "gzip", true},
	} {
		b.Run(fmt.Sprintf("scopes=%d/scrapers=%d/encoding=%s/together=%t", bench.scopes, bench.scrapers, bench.encoding, bench.together), func(b *testing.B) {
			for b.Loop() {
				b.ReportMetric(float64(slowScrapes(b, bench.scopes, bench.scrapers, bench.encoding, bench.together))/(1<<20), "peak-MiB")
			}
		})
	}
}

// slowScrapes returns the peak memory of a process after scrapes that are not read to their end.
func slowScrapes(b *testing.B, scopes, scrapers int, encoding string, together bool) int64 {
	b.Helper()
	appliance, _, env := startAppliance(b, b.TempDir())
	appliance.SetFixture("cckm/google/synchronization-jobs", nil)
	names := make([]string, scopes)
	for i := range names {
		names[i] = fmt.Sprintf("projects/acme-prod/locations/global/keyRings/ring-%05d", i)
	}
	const scopesPerJob = 20
	shape := simulator.HistoryShape{Scopes: names, ScopesPerJob: scopesPerJob}
	appliance.List(simulator.GoogleKeys).SetHistory(10*scopes/scopesPerJob, shape)
	p := start(b, env, "--web.max-requests=0")
	if found := strings.Count(p.metrics(b), "\ncckm_sync_scope_info{"); found < scopes*99/100 {
		b.Fatalf("%d scopes, want %d", found, scopes)
	}
	conns := make([]net.Conn, scrapers)
	for i := range conns {
		conn, err := new(net.Dialer).DialContext(b.Context(), "tcp", p.address)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = conn.Close() })
		conns[i] = conn
		if _, err := fmt.Fprintf(conn, "GET /metrics HTTP/1.1\r\nHost: exporter\r\nAccept-Encoding: %s\r\n\r\n", encoding); err != nil {
			b.Fatal(err)
		}
		if !together {
			readByte(b, conn)
		}
	}
	if together {
		for _, conn := range conns {
			readByte(b, conn)
		}
	}
	return livetest.PeakMemory(b, p.cmd.Process.Pid)
}

// readByte waits for the first byte of a response.
func readByte(b *testing.B, conn net.Conn) {
	b.Helper()
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		b.Fatal(err)
	}
}
