//go:build unix

package joblist_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/errgroup"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// BenchmarkFullRead reads a whole list over TLS with gzip, next to two yardsticks: a loop that only requests the same
// pages, inflates and discards them, which any reader must do at least; and plain net/http and encoding/json, page
// after page of 100. The server is in the same process, so its share of the CPU is in all three.
//
//	go test ./collector/joblist -run '^$' -bench FullRead -benchtime 10x
//
// deploy/docs/performance.md has the results.
func BenchmarkFullRead(b *testing.B) {
	for _, jobs := range []int{1_000, 10_000, 100_000} {
		for _, latency := range []time.Duration{0, 5 * time.Millisecond, 50 * time.Millisecond} {
			s := newPageServer(b, jobs, latency)
			name := fmt.Sprintf("jobs=%d/latency=%s", jobs, latency)
			b.Run(name+"/reader=exporter", func(b *testing.B) { s.measureRead(b, s.readAsExporter(b)) })
			b.Run(name+"/reader=discard", func(b *testing.B) { s.measureRead(b, s.readAndDiscard) })
			b.Run(name+"/reader=straightforward", func(b *testing.B) { s.measureRead(b, s.readStraightforward) })
		}
	}
}

// measure runs a reader, once without measuring, and adds its CPU time.
func measure(b *testing.B, read func() error) {
	b.Helper()
	run := func() {
		if err := read(); err != nil {
			b.Fatal(err)
		}
	}
	run()
	b.ReportAllocs()
	before := cpuTime(b)
	for b.Loop() {
		run()
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

// pageServer serves a list of jobs, newest first. It makes and compresses each page once.
type pageServer struct {
	*httptest.Server

	jobs    int
	latency time.Duration
	client  *http.Client
	// requests counts the requests for pages.
	requests atomic.Int64

	mu    sync.Mutex
	pages map[string][]byte
}

func newPageServer(b *testing.B, jobs int, latency time.Duration) *pageServer {
	b.Helper()
	s := servePages(jobs, latency)
	b.Cleanup(s.Close)
	s.client = s.Client()
	if transport, ok := s.client.Transport.(*http.Transport); ok {
		transport.MaxIdleConnsPerHost, transport.ForceAttemptHTTP2 = 4, false
	}
	return s
}

// servePages starts a server. The caller must close it.
func servePages(jobs int, latency time.Duration) *pageServer {
	s := &pageServer{jobs: jobs, latency: latency, pages: map[string][]byte{}}
	s.Server = httptest.NewTLSServer(s)
	return s
}

// ServeHTTP implements http.Handler.
func (s *pageServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		_, _ = io.WriteString(w, `{"jwt":"a.b.c","duration":86400,"token_type":"Bearer"}`)
		return
	}
	s.requests.Add(1)
	if s.latency > 0 {
		<-time.After(s.latency)
	}
	s.mu.Lock()
	page, ok := s.pages[r.URL.RawQuery]
	if !ok {
		page = s.page(r.URL.Query())
		s.pages[r.URL.RawQuery] = page
	}
	s.mu.Unlock()
	w.Header().Set("Content-Encoding", "gzip")
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(page)
}

func (s *pageServer) page(query url.Values) []byte {
	skip, _ := strconv.Atoi(query.Get("skip"))
	limit, _ := strconv.Atoi(query.Get("limit"))
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	_, _ = fmt.Fprintf(z, `{"skip":%d,"limit":%d,"total":%d,"resources":[`, skip, limit, s.jobs)
	for i := skip; i < min(skip+limit, s.jobs); i++ {
		if i > skip {
			_, _ = io.WriteString(z, ",")
		}
		writeJob(z, i)
	}
	_, _ = io.WriteString(z, "]}")
	_ = z.Close()
	return body.Bytes()
}

// writeJob writes the job at a position, counted from the newest.
func writeJob(w io.Writer, i int) {
	newest := time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)
	const layout = "2006-01-02T15:04:05.000000Z"
	// The multiplication makes times and ids that do not compress better than an appliance's.
	mixed := uint64(i) * 0x9E3779B97F4A7C15 //nolint:gosec // An index is not negative.
	created := newest.Add(-time.Duration(i)*time.Minute - time.Duration(mixed%1e6)*time.Microsecond)
	id := fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", mixed>>32, mixed>>16&0xffff, mixed>>8&0xfff, mixed&0xfff, mixed*31>>16)
	ring := fmt.Sprintf("projects/acme-prod/locations/global/keyRings/ring-%d", mixed>>40%50)
	_, _ = fmt.Fprintf(w, `{"id":%q,"uri":"kylo:kylo:cckm:synchronize:%s","account":"kylo:kylo:admin:accounts:kylo",`+
		`"application":"ncryptify:gemalto:admin:apps:kylo","devAccount":"ncryptify:gemalto:admin:accounts:gemalto",`+
		`"createdAt":%q,"updatedAt":%q,"completed_at":%q,"overall_status":"completed",`+
		`"detailed_status":{%q:"key ring synchronized successfully"},"cloud":"gcp","key_rings":[%q],"abort":false}`,
		id, id, created.Format(layout), created.Add(21*time.Second).Format(layout), created.Add(20*time.Second).Format(layout), ring, ring)
}

// measureRead measures a reader and adds the number of its requests for pages.
func (s *pageServer) measureRead(b *testing.B, read func() error) {
	b.Helper()
	s.requests.Store(0)
	measure(b, read)
	// The first read is not measured.
	b.ReportMetric(float64(s.requests.Load())/float64(b.N+1), "requests/op")
}

// newClient returns a client of the server.
func (s *pageServer) newClient(b *testing.B) *ciphertrust.Client {
	b.Helper()
	client, err := ciphertrust.New(ciphertrust.Config{
		URL: s.URL, Credentials: ciphertrust.Credentials{Username: "u", Password: "p"}, TLS: ciphertrust.TLSConfig{InsecureSkipVerify: true},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := client.Close(context.WithoutCancel(b.Context())); err != nil {
			b.Error(err)
		}
	})
	return client
}

// readAsExporter reads the list as a scrape does.
func (s *pageServer) readAsExporter(b *testing.B) func() error {
	b.Helper()
	reader := scrape.NewList(syncjob.Lists()[0], s.newClient(b), scrape.ListOptions{PageSize: 1000, Concurrency: 4})
	return func() error {
		summary, _, err := reader.Read(b.Context())
		if err == nil && summary.Jobs[syncjob.Completed] != s.jobs {
			err = fmt.Errorf("%v jobs of %d", summary.Jobs, s.jobs)
		}
		return err
	}
}

// readAndDiscard requests the pages that the exporter requests, four at a time.
func (s *pageServer) readAndDiscard() error {
	var group errgroup.Group
	group.SetLimit(4)
	for skip := 0; skip == 0 || skip+1 < s.jobs; skip += 999 {
		group.Go(func() error {
			return s.get(skip, 1000, func(body io.Reader) error {
				z, err := gzip.NewReader(body)
				if err != nil {
					return err
				}
				_, err = io.Copy(io.Discard, z)
				return err
			})
		})
	}
	return group.Wait()
}

// readStraightforward reads the list with net/http and encoding/json.
func (s *pageServer) readStraightforward() error {
	type job struct {
		ID             string            `json:"id"`
		CreatedAt      time.Time         `json:"createdAt"`
		UpdatedAt      time.Time         `json:"updatedAt"`
		CompletedAt    time.Time         `json:"completed_at"`
		OverallStatus  string            `json:"overall_status"`
		DetailedStatus map[string]string `json:"detailed_status"`
		KeyRings       []string          `json:"key_rings"`
		Abort          bool              `json:"abort"`
	}
	completed := 0
	for skip := 0; skip < s.jobs; skip += 100 {
		var page struct {
			Total     int   `json:"total"`
			Resources []job `json:"resources"`
		}
		err := s.get(skip, 100, func(body io.Reader) error {
			z, err := gzip.NewReader(body)
			if err != nil {
				return err
			}
			return json.NewDecoder(z).Decode(&page)
		})
		if err != nil {
			return err
		}
		for i := range page.Resources {
			if page.Resources[i].OverallStatus == "completed" {
				completed++
			}
		}
	}
	if completed != s.jobs {
		return fmt.Errorf("%d jobs of %d", completed, s.jobs)
	}
	return nil
}

func (s *pageServer) get(skip, limit int, read func(io.Reader) error) error {
	query := url.Values{"skip": {strconv.Itoa(skip)}, "limit": {strconv.Itoa(limit)}}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.URL+"/api/v1/list?"+query.Encode(), http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	return read(resp.Body)
}
