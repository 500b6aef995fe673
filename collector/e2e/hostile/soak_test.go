package hostile_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

const (
	// soakScrapes is the number of scrapes, by so many exporters and as many scrapers of
	// each as soakScrapers.
	soakScrapes, soakExporters, soakScrapers = 20_000, 2, 4
	// hostileScrapes is the number of scrapes in each hostile phase.
	hostileScrapes = 12
	// heapGrowth bounds the difference of the least heap size at which Go collects garbage in the last third
	// of a soak from that in the first. With GOGC=10, that is little more than what is in use. Resident
	// memory says less, because the allocator returns what was freed minutes later.
	heapGrowth = 2 << 20
	// logPerScrape bounds the log on average.
	logPerScrape = kilobyte
)

// TestSoak scrapes a list very often, in turn from a simulated appliance with jobs that start and end and
// from each hostile one. It fails if goroutines, files or memory leak.
func TestSoak(t *testing.T) {
	livetest.All(t)
	t.Parallel()
	executable := livetest.BuildExporter(t)
	for n := range soakExporters {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			t.Parallel()
			soak(t, executable)
		})
	}
}

func soak(t *testing.T, executable string) {
	t.Helper()
	appliance := simulator.New(simulator.Options{})
	list := appliance.List(simulator.GoogleKeys)
	rings := []string{"projects/p/locations/global/keyRings/a", "projects/p/locations/global/keyRings/b"}
	list.SetHistory(300, simulator.HistoryShape{Scopes: rings})
	server := livetest.Serve(t, appliance)
	p, address := start(t, executable, []string{"GOGC=10"}, map[string]target{"soak": {server.URL, string(server.CAPEM)}},
		"--collector.page-size=50", "--collector.full-read-interval=2s")

	var phases []phase
	for _, h := range hostiles() {
		if !h.slow && h.login == nil {
			phases = append(phases, phase{name: h.name, pages: h.pages})
		}
	}
	phases = append(phases,
		phase{name: "tokens that are revoked", begin: func() { appliance.RevokeAllTokens(); appliance.RevokeRefreshTokens() }},
		phase{name: "an appliance that is down", begin: server.Stop, end: func() { resume(t, server) }})

	table := make([]usage, 0, len(phases)+1)
	scraped := 0
	calmScrapes := soakScrapes/soakExporters/(len(phases)+1) - hostileScrapes
	for i := range len(phases) + 1 {
		before := len(p.Log())
		appliance.Intercept(nil)
		job := list.Put(simulator.Job{Scopes: rings})
		livetest.Eventually(t, time.Minute, "the list is read", func() bool { return probe(t, address, "soak") == "up" })
		scrapeOften(t, address, calmScrapes)
		list.Complete(job.ID, time.Now())
		list.Remove(job.ID)
		scraped += calmScrapes
		if i < len(phases) {
			phases[i].scrape(t, appliance, address)
			scraped += hostileScrapes
		}
		// Stopping the appliance closes the idle connections to it.
		server.Stop()
		var now usage
		livetest.Eventually(t, time.Minute, "no goroutine or file has leaked", func() bool {
			now = measure(t, address)
			return i == 0 || now.goroutines <= table[0].goroutines && now.files <= table[0].files
		})
		resume(t, server)
		now.scrapes, now.log = scraped, len(p.Log())-before
		table = append(table, now)
	}
	code, cpu := p.End(t)
	if n := len(appliance.RefreshTokens()); code != 0 || n > 0 {
		t.Errorf("exit code %d, %d refresh tokens are left on the appliance", code, n)
	}
	third := len(table) / 3
	first, last := leastHeap(table[:third]), leastHeap(table[len(table)-third:])
	t.Logf("%d scrapes, %.0f s of CPU, %d bytes of log; a heap of %d KiB in the first third and %d KiB in the last; at the end: %+v",
		scraped, cpu.Seconds(), len(p.Log()), first>>10, last>>10, table[len(table)-1])
	if last > first+heapGrowth {
		t.Errorf("the heap grew by %d KiB: %+v", (last-first)>>10, table)
	}
	if logged := len(p.Log()); logged > scraped*logPerScrape {
		t.Errorf("%d bytes of log in %d scrapes", logged, scraped)
	}
}

// phase is a fault that lasts for some scrapes.
type phase struct {
	name string
	// pages responds to the requests for pages; nil leaves them to the appliance.
	pages      http.HandlerFunc
	begin, end func()
}

func (ph *phase) scrape(t *testing.T, appliance *simulator.Appliance, address string) {
	t.Helper()
	if ph.pages != nil {
		appliance.Intercept(func(w http.ResponseWriter, req *http.Request, next http.Handler) {
			if req.URL.Path == googlePath {
				ph.pages(w, req)
				return
			}
			next.ServeHTTP(w, req)
		})
	}
	if ph.begin != nil {
		ph.begin()
	}
	scrapeOften(t, address, hostileScrapes)
	if ph.end != nil {
		ph.end()
	}
}

// scrapeOften scrapes with several concurrent scrapers. Every tenth scrape is canceled.
func scrapeOften(t *testing.T, address string, scrapes int) {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: soakScrapers}
	defer transport.CloseIdleConnections()
	var begun atomic.Int64
	var scrapers sync.WaitGroup
	for range soakScrapers {
		scrapers.Go(func() {
			for n := begun.Add(1); n <= int64(scrapes); n = begun.Add(1) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				if n%10 == 0 {
					ctx, cancel = context.WithTimeout(t.Context(), time.Duration(n%7)*time.Millisecond)
				}
				status, err := get(ctx, transport, "http://"+address+"/probe?target=soak", func(body io.Reader) error {
					_, err := io.Copy(io.Discard, body)
					return err //nolint:wrapcheck // It only ends the scrape.
				})
				cancel()
				if n%10 != 0 && (err != nil || status != http.StatusOK) {
					t.Errorf("status of a scrape: %d, %v", status, err)
				}
			}
		})
	}
	scrapers.Wait()
}

// get sends a request to the exporter as Prometheus does.
func get(ctx context.Context, transport http.RoundTripper, url string, read func(io.Reader) error) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, fmt.Errorf("making a request: %w", err)
	}
	req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", fmt.Sprint(scrapeTimeout.Seconds()))
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return 0, fmt.Errorf("sending a request: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode, read(resp.Body)
}

// usage is what an idle exporter uses, and the length of its log of the phase before.
type usage struct{ scrapes, goroutines, files, heap, log int }

// measure reads the exporter's own metrics.
func measure(t *testing.T, address string) (u usage) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	_, err := get(t.Context(), transport, "http://"+address+"/metrics", func(body io.Reader) error {
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(body)
		value := func(name string) int { return int(families[name].GetMetric()[0].GetGauge().GetValue()) }
		if err == nil {
			u = usage{goroutines: value("go_goroutines"), files: value("process_open_fds"), heap: value("go_memstats_next_gc_bytes")}
		}
		return err //nolint:wrapcheck // The test shows it.
	})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func leastHeap(table []usage) int {
	least := table[0].heap
	for _, u := range table {
		least = min(least, u.heap)
	}
	return least
}

// resume makes the appliance listen again. Another program can use its port for a moment.
func resume(t *testing.T, server *simulator.Server) {
	t.Helper()
	livetest.Eventually(t, time.Minute, "the appliance listens again", func() bool { return server.Resume() == nil })
}
