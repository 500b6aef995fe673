package web_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"

	"cckm_sync_exporter/collector"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
	"cckm_sync_exporter/collector/targets"
	"cckm_sync_exporter/collector/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func snapshot() *scrape.Snapshot {
	lists := syncjob.Lists()
	return &scrape.Snapshot{Lists: []scrape.ListRead{
		{List: lists[0], Summary: &syncjob.Summary{}},
		{List: lists[1], Err: reason.New(reason.NotFound, errors.New("no such list"), "")},
	}}
}

func handler(t *testing.T, change func(*web.Config)) http.Handler {
	t.Helper()
	telemetry := prometheus.NewRegistry()
	cfg := web.Config{
		Targets:       targets.NewSet(targets.Options{Logger: log.NewNopLogger()}),
		Read:          func(context.Context, []string) *scrape.Snapshot { return snapshot() },
		Exposition:    &collector.Exposition{},
		Telemetry:     telemetry,
		Instrument:    telemetry,
		TelemetryPath: "/metrics",
		Timeout:       30 * time.Second,
		TimeoutOffset: 500 * time.Millisecond,
		Logger:        log.NewNopLogger(),
	}
	if change != nil {
		change(&cfg)
	}
	h, err := web.NewHandler(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func get(t *testing.T, h http.Handler, path string, header map[string]string) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
	for name, value := range header {
		req.Header.Set(name, value)
	}
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, req)
	return recorder
}

// TestTimeout checks the deadline of a read for each value of Prometheus' header.
func TestTimeout(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"":      30 * time.Second,
		"10":    9500 * time.Millisecond,
		"2.5":   2 * time.Second,
		"30":    29500 * time.Millisecond,
		"31":    30 * time.Second,
		"1e300": 30 * time.Second,
		// With the whole offset, no time would be left to read.
		"0.5":   250 * time.Millisecond,
		"0.6":   300 * time.Millisecond,
		"0":     30 * time.Second,
		"-1":    30 * time.Second,
		"NaN":   30 * time.Second,
		"Inf":   30 * time.Second,
		"soon":  30 * time.Second,
		"10s":   30 * time.Second,
		"1e-12": 0,
	} {
		t.Run(header, func(t *testing.T) {
			var got time.Duration
			h := handler(t, func(cfg *web.Config) {
				cfg.Read = func(ctx context.Context, _ []string) *scrape.Snapshot {
					deadline, ok := ctx.Deadline()
					if !ok {
						t.Error("the read has no deadline")
					}
					got = time.Until(deadline)
					return snapshot()
				}
			})
			get(t, h, "/metrics", map[string]string{"X-Prometheus-Scrape-Timeout-Seconds": header})
			if got > want || got < want-time.Second {
				t.Errorf("header %q gives %s, want %s", header, got, want)
			}
		})
	}
}

// deadlineRecorder records the deadline of the response.
type deadlineRecorder struct {
	*httptest.ResponseRecorder

	deadline time.Time
}

func (r *deadlineRecorder) SetWriteDeadline(deadline time.Time) error {
	r.deadline = deadline
	return nil
}

// TestSlowReaders checks that a client cannot hold a response that is ready for as long as a scrape may take.
func TestSlowReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := handler(t, func(cfg *web.Config) {
			cfg.Timeout = time.Hour
			cfg.Read = func(context.Context, []string) *scrape.Snapshot {
				<-time.After(time.Minute) // On the bubble's clock.
				return snapshot()
			}
		})
		for _, path := range []string{"/", "/metrics", "/docs/", "/runbooks/CCKMSyncFailed"} {
			w := &deadlineRecorder{ResponseRecorder: httptest.NewRecorder()}
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
			if got := time.Until(w.deadline); w.Code != http.StatusOK || got != web.TransferTimeout {
				t.Errorf("%s: status %d, %s are left to read the response, want %s", path, w.Code, got, web.TransferTimeout)
			}
		}
	})
}

func TestMetrics(t *testing.T) {
	tests := []struct {
		name        string
		accept      string
		contentType string
		want        []string
	}{
		{
			name: "text", accept: "text/plain", contentType: "text/plain; version=0.0.4",
			want: []string{
				`cckm_sync_up{cloud="google",item="key"} 1`,
				`cckm_sync_up{cloud="azure",item="certificate"} 0`,
				`cckm_sync_scrape_error{cloud="azure",item="certificate",reason="not_found"} 1`,
				`promhttp_metric_handler_requests_total{code="200"} 0`,
			},
		},
		{
			name: "OpenMetrics", accept: "application/openmetrics-text;version=1.0.0", contentType: "application/openmetrics-text; version=1.0.0",
			want: []string{`cckm_sync_up{cloud="google",item="key"} 1.0`, "# EOF"},
		},
		{
			name: "protobuf", accept: "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
			contentType: "application/vnd.google.protobuf", want: []string{"cckm_sync_up"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := get(t, handler(t, nil), "/metrics", map[string]string{"Accept": test.accept})
			if got.Code != http.StatusOK {
				t.Errorf("status %d: a failed list must not fail the scrape", got.Code)
			}
			if ct := got.Header().Get("Content-Type"); !strings.HasPrefix(ct, test.contentType) {
				t.Errorf("content type %q", ct)
			}
			for _, want := range test.want {
				if !strings.Contains(got.Body.String(), want) {
					t.Errorf("the body lacks %q:\n%s", want, got.Body)
				}
			}
		})
	}
}

// writeHook is a response that calls first before the first write.
type writeHook struct {
	*httptest.ResponseRecorder

	first func()
}

func (w *writeHook) Write(text []byte) (int, error) {
	if first := w.first; first != nil {
		w.first = nil
		first()
	}
	return w.ResponseRecorder.Write(text)
}

// TestSlowScrapers checks that scrapers that read the same lists at the same time, and read their
// responses slowly, share what is gathered, and that a later scrape has its own ages.
func TestSlowScrapers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gathered atomic.Int64
		read := snapshot()
		h := handler(t, func(cfg *web.Config) {
			telemetry := cfg.Telemetry
			cfg.Telemetry = prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
				gathered.Add(1)
				return telemetry.Gather()
			})
			cfg.Read = func(context.Context, []string) *scrape.Snapshot {
				return &scrape.Snapshot{Lists: slices.Clone(read.Lists)}
			}
		})
		released := make(chan struct{})
		accepts := []string{"text/plain", "application/openmetrics-text;version=1.0.0"}
		answers := make([]string, 40)
		var wait sync.WaitGroup
		for i := range answers {
			wait.Go(func() {
				slow := &writeHook{ResponseRecorder: httptest.NewRecorder(), first: func() { <-released }}
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody)
				r.Header.Set("Accept", accepts[i%len(accepts)])
				h.ServeHTTP(slow, r)
				answers[i] = slow.Body.String()
			})
		}
		synctest.Wait()
		if n := gathered.Load(); n != int64(len(accepts)) {
			t.Errorf("the metrics of %d scrapes in %d formats were gathered %d times", len(answers), len(accepts), n)
		}
		<-time.After(time.Second)
		get(t, h, "/metrics", map[string]string{"Accept": accepts[0]})
		if n := gathered.Load(); n != int64(len(accepts))+1 {
			t.Errorf("a later scrape got what was gathered for others")
		}
		close(released)
		wait.Wait()
		for i, answer := range answers {
			if answer != answers[i%len(accepts)] || !strings.Contains(answer, `cckm_sync_up{cloud="google",item="key"} 1`) {
				t.Errorf("scraper %d got:\n%s", i, answer)
			}
		}
	})
}

// TestSlowEncoding checks that a response that took long to encode is shared, and that none is encoded for
// a scraper that has left.
func TestSlowEncoding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gathered := 0
		read := snapshot()
		h := handler(t, func(cfg *web.Config) {
			cfg.Telemetry = prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
				gathered++
				<-time.After(2 * time.Second)
				return nil, nil
			})
			cfg.Read = func(context.Context, []string) *scrape.Snapshot { return read }
		})
		released := make(chan struct{})
		var wait sync.WaitGroup
		wait.Go(func() {
			slow := &writeHook{ResponseRecorder: httptest.NewRecorder(), first: func() { <-released }}
			h.ServeHTTP(slow, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
		})
		<-time.After(2500 * time.Millisecond)
		get(t, h, "/metrics", nil)
		if gathered != 1 {
			t.Errorf("two scrapes of the same reads were gathered %d times", gathered)
		}
		close(released)
		wait.Wait()
		ctx, leave := context.WithCancel(t.Context())
		leave()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/metrics", http.NoBody))
		if gathered != 1 {
			t.Error("a response was encoded for a scraper that has left")
		}
	})
}

// TestScrapersThatHangUp checks that a scraper that does not read its response causes one line at level
// debug.
func TestScrapersThatHangUp(t *testing.T) {
	var logged strings.Builder
	h := handler(t, func(cfg *web.Config) { cfg.Logger = log.NewLogfmtLogger(&logged) })
	gone := &brokenWriter{ResponseRecorder: httptest.NewRecorder()}
	h.ServeHTTP(gone, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	if text := logged.String(); strings.Count(text, "\n") != 1 || !strings.HasPrefix(text, "level=debug ") {
		t.Errorf("the log is not one line at level debug:\n%s", text)
	}
}

// brokenWriter is a response to a client that has hung up.
type brokenWriter struct{ *httptest.ResponseRecorder }

func (*brokenWriter) Write([]byte) (int, error) { return 0, syscall.EPIPE }

func TestMaxRequests(t *testing.T) {
	reading, finish := make(chan struct{}), make(chan struct{})
	h := handler(t, func(cfg *web.Config) {
		cfg.MaxRequests = 2
		cfg.Read = func(context.Context, []string) *scrape.Snapshot {
			reading <- struct{}{}
			<-finish
			return snapshot()
		}
	})
	var wait sync.WaitGroup
	for range 2 {
		wait.Go(func() {
			if got := get(t, h, "/metrics", nil); got.Code != http.StatusOK {
				t.Errorf("status %d within the limit", got.Code)
			}
		})
		<-reading
	}
	got := get(t, h, "/metrics", nil)
	if got.Code != http.StatusServiceUnavailable || !strings.Contains(got.Body.String(), "--web.max-requests") {
		t.Errorf("beyond the limit: status %d, %q", got.Code, got.Body)
	}
	close(finish)
	wait.Wait()
}

// TestOtherPaths checks that only scrapes contact an appliance.
func TestOtherPaths(t *testing.T) {
	noRead := func(cfg *web.Config) {
		cfg.Read = func(context.Context, []string) *scrape.Snapshot {
			t.Error("the appliance was contacted")
			return snapshot()
		}
	}
	tests := []struct {
		path string
		code int
		want string
	}{
		{"/-/healthy", http.StatusOK, "healthy"},
		{"/-/ready", http.StatusOK, "ready"},
		{"/", http.StatusOK, `href="./metrics"`},
		{"/runbooks/CCKMSyncFailed.md", http.StatusOK, `<a href="CCKMSyncOverdue.md">`},
		{"/docs/", http.StatusOK, `<a href="metrics.md">`},
		{"/runbooks/nowhere", http.StatusNotFound, "/runbooks/ have links to all"},
		{"/nowhere", http.StatusNotFound, ""},
		{"/metrics/nowhere", http.StatusNotFound, ""},
		{"/debug/pprof/", http.StatusNotFound, ""},
	}
	for _, test := range tests {
		t.Run(test.path, func(t *testing.T) {
			got := get(t, handler(t, noRead), test.path, nil)
			body, err := io.ReadAll(got.Body)
			if err != nil {
				t.Fatal(err)
			}
			if got.Code != test.code || !strings.Contains(string(body), test.want) {
				t.Errorf("status %d, body %q; want %d and %q", got.Code, body, test.code, test.want)
			}
			if strings.Contains(string(body), "/debug/pprof") {
				t.Error("the page links to profiles that are not served")
			}
		})
	}
}

// TestMethodsOfDocuments checks that no other method than GET and HEAD is accepted, as of the other pages.
func TestMethodsOfDocuments(t *testing.T) {
	for _, path := range []string{"/", "/metrics"} {
		h := handler(t, func(cfg *web.Config) { cfg.TelemetryPath = path })
		for method, code := range map[string]int{
			http.MethodGet: http.StatusOK, http.MethodHead: http.StatusOK, http.MethodPost: http.StatusMethodNotAllowed,
		} {
			for _, document := range []string{"/docs/", "/runbooks/CCKMSyncFailed.md"} {
				got := ask(t, h, method, document)
				if allowed := got.Header().Get("Allow"); got.Code != code || (allowed == "GET, HEAD") != (code == http.StatusMethodNotAllowed) {
					t.Errorf("%s %s: status %d, Allow: %q", method, document, got.Code, allowed)
				}
			}
		}
	}
}

func TestTelemetryPath(t *testing.T) {
	for _, path := range []string{"/", "/sync"} {
		body := get(t, handler(t, func(cfg *web.Config) { cfg.TelemetryPath, cfg.Instrument = path, nil }), path, nil).Body.String()
		if !strings.Contains(body, "cckm_sync_up") || strings.Contains(body, "promhttp_") {
			t.Errorf("%s, without promhttp's metrics:\n%s", path, body)
		}
	}
}
