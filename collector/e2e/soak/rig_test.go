package soak

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"cckm_sync_exporter/collector"
	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/collector/syncjob"
	"cckm_sync_exporter/collector/web"
)

const (
	// pageSize makes a full read of a list take several pages.
	pageSize = 50
	// keptJobs is how many jobs of each life the lists hold from the start to the end,
	// so that what grows is not the appliance.
	keptJobs = 40
	// fullReadInterval is real time. The lists are known most of the time, so full reads of them
	// are due in the background again and again.
	fullReadInterval = 200 * time.Millisecond
	// longestRead is real time as well: what fails costs the soak no more.
	longestRead = 500 * time.Millisecond
	// secondsPerScrape is by how much the appliance's clock goes on with each scrape. Tokens
	// live 300 seconds, and an unused refresh token 120 minutes.
	secondsPerScrape = time.Second
	// lifePerScrape is by how much the jobs go on. A life that went faster would
	// leave nothing to be read incrementally.
	lifePerScrape = 100 * time.Millisecond
)

// rig is an appliance whose jobs live on, and the exporter that the program makes of its
// parts.
type rig struct {
	appliance *simulator.Appliance
	server    *simulator.Server
	fleet     *simulator.Fleet
	start     time.Time
	// scrapes is how many scrapes have begun. The appliance's clock follows it.
	scrapes atomic.Int64
	// leap is by how much the clock is put forward besides, in nanoseconds.
	leap atomic.Int64

	passwordFile string
	client       *ciphertrust.Client
	collector    *scrape.Scraper
	telemetry    *prometheus.Registry
	exporter     *httptest.Server
}

// newRig returns a rig for a soak of so many scrapes.
func newRig(t *testing.T, scrapes int) *rig {
	t.Helper()
	r := &rig{start: time.Now().Add(-time.Duration(scrapes)*secondsPerScrape - time.Hour), passwordFile: filepath.Join(t.TempDir(), "password")}
	r.appliance = simulator.New(simulator.Options{Clock: r.now, RequestLog: 100})
	lives := simulator.DefaultLives()
	var err error
	r.fleet, err = simulator.NewFleet(r.appliance, simulator.FleetOptions{
		Start: r.start, Lives: lives, Backlog: keptJobs * len(lives) / 2, Keep: keptJobs,
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.server, err = r.appliance.StartTLS(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.server.Close)
	r.setPasswordFile(t, simulator.DefaultPassword)
	r.startExporter(t)
	return r
}

// now is the appliance's clock.
func (r *rig) now() time.Time {
	return r.start.Add(time.Duration(r.scrapes.Load())*secondsPerScrape + time.Duration(r.leap.Load()))
}

// startExporter wires the exporter as the program does, and serves it over TLS.
func (r *rig) startExporter(t *testing.T) {
	t.Helper()
	telemetry := collector.NewTelemetry()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, r.server.CAPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	r.client, err = ciphertrust.New(ciphertrust.Config{
		URL:         r.server.URL,
		Credentials: ciphertrust.Credentials{Username: simulator.DefaultUsername, PasswordFile: r.passwordFile},
		TLS:         ciphertrust.TLSConfig{CAFile: ca},
		Concurrency: 4,
		Retries:     ciphertrust.DefaultRetries,
		Observer:    telemetry,
	})
	if err != nil {
		t.Fatal(err)
	}
	var sources []scrape.Source
	for _, list := range syncjob.Lists() {
		if !list.Default {
			continue
		}
		telemetry.Announce(list)
		sources = append(sources, scrape.Source{List: list, Reader: scrape.NewList(list, r.client, scrape.ListOptions{
			PageSize: pageSize, Concurrency: 4, FullReadInterval: fullReadInterval, FullReadTimeout: longestRead, PageTimeout: longestRead,
			Observer: telemetry,
		})})
	}
	r.collector = scrape.New(sources, scrape.Options{Timeout: longestRead})
	r.telemetry = prometheus.NewRegistry()
	r.telemetry.MustRegister(telemetry, collector.NewTokenExpiry(r.client.TokenExpiry), collector.NewLoginRetry(r.client.LoginRetry),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	handler, err := web.NewHandler(web.Config{
		Exposition:    &collector.Exposition{},
		Reader:        r.collector,
		Telemetry:     r.telemetry,
		Instrument:    r.telemetry,
		TelemetryPath: "/metrics",
		Timeout:       longestRead,
		TimeoutOffset: 10 * time.Millisecond,
		Logger:        log.NewNopLogger(),
	})
	if err != nil {
		t.Fatal(err)
	}
	r.exporter = httptest.NewTLSServer(handler)
	t.Cleanup(r.exporter.Close)
}

// close ends the exporter as the program does.
func (r *rig) close(ctx context.Context) error {
	r.collector.Close()
	return r.client.Close(ctx) //nolint:wrapcheck // The test tells it as it is.
}

// scraper returns a client that scrapes, with connections of its own.
func (r *rig) scraper() *http.Client {
	transport := r.exporter.Client().Transport
	trusting, ok := transport.(*http.Transport)
	if !ok {
		panic(fmt.Sprintf("the transport is a %T", transport))
	}
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: trusting.TLSClientConfig.RootCAs},
		MaxIdleConnsPerHost: scrapers,
	}}
}

// setPasswordFile puts a password into the exporter's file, which holds one at any time.
func (r *rig) setPasswordFile(t *testing.T, password string) {
	t.Helper()
	next := r.passwordFile + ".new"
	if err := os.WriteFile(next, []byte(password+"\n"), 0o600); err != nil {
		t.Error(err)
	}
	if err := os.Rename(next, r.passwordFile); err != nil {
		t.Error(err)
	}
}

// resume lets the appliance listen again. Its port may be another program's for a moment.
func (r *rig) resume(t *testing.T) {
	t.Helper()
	eventually(t, "the appliance listens again", func() error { return r.server.Resume() })
}

// telemetryOf returns the sum of a counter's series, by the value of one label.
func (r *rig) telemetryOf(t *testing.T, name, label string) map[string]float64 {
	t.Helper()
	families, err := r.telemetry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sums := make(map[string]float64)
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			value := ""
			for _, pair := range metric.GetLabel() {
				if pair.GetName() == label {
					value = pair.GetValue()
				}
			}
			sums[value] += metric.GetCounter().GetValue()
		}
	}
	return sums
}

// eventually waits until what is tried succeeds.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	patience := time.NewTimer(time.Minute)
	defer patience.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-patience.C:
			// Not every caller may end the test.
			t.Errorf("it is still not so that %s: %v", what, err)
			return
		}
	}
}
