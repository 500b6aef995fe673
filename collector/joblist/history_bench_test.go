//go:build unix

package joblist_test

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// BenchmarkIncrementalRead reads a list in which one job has ended and another
// one has started since it was read before, beside full reads of the same list,
// and tells how much memory what is kept of it takes.
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

// growingServer is a pageServer whose list gets jobs, and that heeds
// overall_status.
type growingServer struct {
	*pageServer

	fresh atomic.Int64
}

// ServeHTTP implements http.Handler.
func (s *growingServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if r.Method == http.MethodPost || s.fresh.Load() == 0 {
		s.pageServer.ServeHTTP(w, r)
		return
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

// job writes a job of the list as it is since it has grown: one of those that
// the pageServer has, or a new one, of which the newest is in progress.
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
	return scrape.NewList(syncjob.Lists()[0], s.newClient(b), scrape.ListOptions{PageSize: 1000, Concurrency: 4, FullReadInterval: interval})
}

// measure reads the list again and again; between two reads it gets new jobs.
func (s *growingServer) measure(b *testing.B, reader *scrape.List, fresh int64) {
	b.Helper()
	reads, asked := 0, 0
	measure(b, func() error {
		s.fresh.Add(fresh)
		_, pages, err := reader.Read(b.Context())
		reads++
		// The first read is not measured.
		if reads > 1 {
			asked += pages
		}
		return err
	})
	b.ReportMetric(float64(asked)/float64(reads-1), "requests/op")
}

// heap returns how many bytes are in use.
func heap() int64 {
	var stats runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc) //nolint:gosec // It fits.
}
