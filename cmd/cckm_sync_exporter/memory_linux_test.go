package main

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

// BenchmarkSlowScrapers measures the peak memory of a process whose scrapers read only the first byte of
// their response. They request it one after another, so that none shares a read with another. The values of
// the Helm chart are based on it.
//
//	go test -run '^$' -bench SlowScrapers -benchtime 1x ./cmd/cckm_sync_exporter/
func BenchmarkSlowScrapers(b *testing.B) {
	for _, bench := range []struct {
		scopes, scrapers int
		encoding         string
	}{{2_000, 1, "gzip"}, {2_000, 40, "gzip"}, {2_000, 40, "identity"}, {10_000, 1, "gzip"}} {
		b.Run(fmt.Sprintf("scopes=%d/scrapers=%d/encoding=%s", bench.scopes, bench.scrapers, bench.encoding), func(b *testing.B) {
			for b.Loop() {
				b.ReportMetric(float64(slowScrapes(b, bench.scopes, bench.scrapers, bench.encoding))/(1<<20), "peak-MiB")
			}
		})
	}
}

// slowScrapes returns the peak memory of a process in bytes.
func slowScrapes(b *testing.B, scopes, scrapers int, encoding string) int64 {
	b.Helper()
	r := newRig(b)
	r.SetFixture("cckm/google/synchronization-jobs", nil)
	names := make([]string, scopes)
	for i := range names {
		names[i] = fmt.Sprintf("projects/acme-prod/locations/global/keyRings/ring-%05d", i)
	}
	const scopesPerJob = 20
	r.List(simulator.GoogleKeys).SetHistory(10*scopes/scopesPerJob, simulator.HistoryShape{Scopes: names, ScopesPerJob: scopesPerJob})
	p := r.start(b, "--web.max-requests=0")
	if found := strings.Count(p.metrics(b), "\ncckm_sync_scope_info{"); found < scopes*99/100 {
		b.Fatalf("%d scopes, want %d", found, scopes)
	}
	for range scrapers {
		conn, err := new(net.Dialer).DialContext(b.Context(), "tcp", p.address)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = conn.Close() })
		if _, err := fmt.Fprintf(conn, "GET /metrics HTTP/1.1\r\nHost: exporter\r\nAccept-Encoding: %s\r\n\r\n", encoding); err != nil {
			b.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			b.Fatal(err)
		}
	}
	return livetest.PeakMemory(b, p.cmd.Process.Pid)
}
