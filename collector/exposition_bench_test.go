//go:build unix

package collector_test

import (
	"fmt"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"cckm_sync_exporter/collector"
)

// BenchmarkExposition exports a snapshot of one list as a scrape does, with the exporter's own metrics,
// through promhttp. The same run has const metrics through a registry and prometheus.Gatherers, and the
// encoding alone, which is the cost if all series were cached. Compression is the same for all and
// omitted.
//
//	go test ./collector -run '^$' -bench Exposition -benchtime 1s -count 3
//
// On 2 busy cores, go1.26.8, the medians of the CPU time of const metrics divided by that of the
// exposition (for 10 scopes of 12 runs, which vary from 3 to 7):
//
//	scopes   text    OpenMetrics   protobuf
//	    10    5.1x    4.7x          4.4x
//	  1000    8.2x   15.7x          7.7x
//	  5000    9.9x   17.7x         11.2x
//
// The encoding is three fifths of the exposition's time for 10 scopes, and three
// quarters or more of it for 5000. So series are not kept from one scrape to the
// next: only the memory is, of which const metrics take 20 times more for text.
func BenchmarkExposition(b *testing.B) {
	telemetry := prometheus.NewRegistry()
	collector.NewTelemetry(telemetry)
	exposition := &collector.Exposition{}
	for _, scopes := range []int{10, 1000, 5000} {
		snapshot := manyScopes(scopes)
		joined := func() prometheus.TransactionalGatherer {
			return collector.Joined{exposition.Of(snapshot), prometheus.ToTransactionalGatherer(telemetry)}
		}
		for _, format := range formats() {
			name := fmt.Sprintf("scopes=%d/format=%s", scopes, format.name)
			b.Run(name+"/by=exposition", func(b *testing.B) { measureScrape(b, format.accept, joined) })
			b.Run(name+"/by=encoding", func(b *testing.B) {
				families, done, err := joined().Gather()
				defer done()
				if err != nil {
					b.Fatal(err)
				}
				gathered := gathererFunc(func() ([]*dto.MetricFamily, func(), error) { return families, func() {}, nil })
				measureScrape(b, format.accept, func() prometheus.TransactionalGatherer { return gathered })
			})
			b.Run(name+"/by=constmetrics", func(b *testing.B) {
				measureScrape(b, format.accept, func() prometheus.TransactionalGatherer {
					return prometheus.ToTransactionalGatherer(prometheus.Gatherers{newConstMetrics(snapshot, 0).registry(), telemetry})
				})
			})
		}
	}
}

// measureScrape answers scrapes, and adds their CPU time: a registry works with
// several goroutines.
func measureScrape(b *testing.B, accept string, gatherer func() prometheus.TransactionalGatherer) {
	b.Helper()
	scrape := func() {
		if code := answer(b, gatherer(), accept, io.Discard); code != http.StatusOK {
			b.Fatalf("status %d", code)
		}
	}
	scrape()
	b.ReportAllocs()
	before := cpuTime(b)
	for b.Loop() {
		scrape()
	}
	b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
