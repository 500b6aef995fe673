//go:build unix

package joblist_test

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// BenchmarkIncrementalRead reads a list in which one job has ended and another one has started since the last read,
// next to full reads of the same list, and reports the memory of the cache.
//
//	go test ./collector/joblist -run '^$' -bench IncrementalRead -benchtime 10x
func BenchmarkIncrementalRead(b *testing.B) {
	for _, jobs := range []int{1_001, 10_000, 100_000, 1_000_000} {
		s := &growingServer{pageServer: newPageServer(b, jobs, 0)}
		s.Config.Handler = s
		b.Run(fmt.Sprintf("jobs=%d/kind=full", jobs), func(b *testing.B) {
			s.measure(b, s.reader(b, 0), 0)
		})
		b.Run(fmt.Sprintf("jobs=%d/kind=incremental", jobs), func(b *testing.B) {
			before := heap()
			reader := s.reader(b, 24*time.Hour)
			s.measure(b, reader, 1)
			b.ReportMetric(float64(heap()-before)/float64(s.jobs), "kept-B/job")
			runtime.KeepAlive(reader)
		})
	}
}

// BenchmarkSlowAppliance reads a known list of an appliance that takes 300 ms for each response, without a change
// and with a job that has ended and one that has started, and reports the number of sequential round trips.
//
//	go test ./collector/joblist -run '^$' -bench SlowAppliance -benchtime 5x
func BenchmarkSlowAppliance(b *testing.B) {
	const latency = 300 * time.Millisecond
	s := &growingServer{pageServer: newPageServer(b, 100_000, 0)}
	s.Config.Handler = s
	s.fresh.Store(1)
	for name, fresh := range map[string]int64{"quiet": 0, "changing": 1} {
		b.Run(name, func(b *testing.B) {
			list := s.reader(b, 24*time.Hour)
			if _, _, err := list.Read(b.Context()); err != nil {
				b.Fatal(err)
			}
			s.delay.Store(int64(latency))
			defer s.delay.Store(0)
			s.measure(b, list, fresh)
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(latency), "round-trips/op")
		})
	}
}

// BenchmarkBesideFullRead scrapes a known list of an appliance that takes 20 ms for each response, with full reads
// in the background and without. It reports the 95th percentile.
//
//	go test ./collector/joblist -run '^$' -bench BesideFullRead -benchtime 300x
func BenchmarkBesideFullRead(b *testing.B) {
	s := &growingServer{pageServer: newPageServer(b, 100_000, 0)}
	s.Config.Handler = s
	s.fresh.Store(1)
	for _, background := range []bool{false, true} {
		b.Run(fmt.Sprintf("background=%t", background), func(b *testing.B) {
			interval := 24 * time.Hour
			if background {
				interval = time.Millisecond
			}
			list := s.reader(b, interval)
			s.delay.Store(int64(20 * time.Millisecond))
			defer s.delay.Store(0)
			if _, _, err := list.Read(b.Context()); err != nil {
				b.Fatal(err)
			}
			var took []time.Duration
			beside := 0
			for b.Loop() {
				if list.FullReadProgress() != nil {
					beside++
				}
				begun := time.Now()
				if _, _, err := list.Read(b.Context()); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(begun))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*95/100]), "p95-ns")
			b.ReportMetric(float64(beside)/float64(len(took)), "beside/op")
		})
	}
}

// growingServer is a pageServer whose list gets new jobs. It filters by overall_status.
type growingServer struct {
	*pageServer

	fresh atomic.Int64
	// delay is how long each response takes, in nanoseconds.
	delay atomic.Int64
}

// ServeHTTP implements http.Handler.
func (s *growingServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if r.Method == http.MethodPost || s.fresh.Load() == 0 {
		s.pageServer.ServeHTTP(w, r)
		return
	}
	if delay := time.Duration(s.delay.Load()); delay > 0 {
		<-time.After(delay)
	}
	total := s.jobs + int(s.fresh.Load())
	skip, _ := strconv.Atoi(query.Get("skip"))
	limit, _ := strconv.Atoi(query.Get("limit"))
	switch query.Get("overall_status") {
	case "in_progress":
		// The newest one.
		total = 1
	case "completed":
		total--
	case "failed":
		total = 0
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"skip":%d,"limit":%d,"total":%d,"resources":[`, skip, limit, total)
	for i := skip; i < min(skip+limit, total); i++ {
		if i > skip {
			_, _ = io.WriteString(w, ",")
		}
		s.job(w, i, query.Get("overall_status"))
	}
	_, _ = io.WriteString(w, "]}")
}

// job writes the job at a position: one of the pageServer's, or a new one. The newest one is in progress.
func (s *growingServer) job(w io.Writer, position int, status string) {
	fresh := int(s.fresh.Load())
	if status == "completed" {
		position++
	}
	if position >= fresh {
		writeJob(w, position-fresh)
		return
	}
	at := time.Date(2026, time.November, 2, 0, fresh-position, 0, 0, time.UTC).Format(time.RFC3339)
	status = "completed"
	if position == 0 {
		status = "in_progress"
	}
	_, _ = fmt.Fprintf(w, `{"id":"new-%d","createdAt":%q,"updatedAt":%q,"overall_status":%q,"key_rings":["projects/acme-prod/locations/global/keyRings/ring-1"]}`,
		fresh-position, at, at, status)
}

// reader returns a reader of the list.
func (s *growingServer) reader(b *testing.B, interval time.Duration) *scrape.List {
	b.Helper()
	list := scrape.NewList(syncjob.Lists()[0], s.newClient(b), scrape.ListOptions{PageSize: 1000, Concurrency: 4, FullReadInterval: interval})
	b.Cleanup(list.Close)
	return list
}

// measure reads the list repeatedly. Before each read, the list gets fresh new jobs.
func (s *growingServer) measure(b *testing.B, reader *scrape.List, fresh int64) {
	b.Helper()
	reads, requests := 0, 0
	measure(b, func() error {
		s.fresh.Add(fresh)
		_, pages, err := reader.Read(b.Context())
		reads++
		// The first read is not measured.
		if reads > 1 {
			requests += pages
		}
		return err
	})
	b.ReportMetric(float64(requests)/float64(reads-1), "requests/op")
}

// heap returns the size of the live heap.
func heap() int64 {
	var stats runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc) //nolint:gosec // It fits.
}
