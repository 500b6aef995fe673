package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-kit/log"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/config"
	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/collector/syncjob"
	"cckm_sync_exporter/collector/targets"
	"cckm_sync_exporter/collector/web"
)

// fleet is a handler over targets of one simulated appliance.
type fleet struct {
	http.Handler

	set       *targets.Set
	appliance *simulator.Appliance
}

// newFleet returns a handler over targets of those names. The first has labels.
func newFleet(t *testing.T, change func(*web.Config), names ...string) *fleet {
	t.Helper()
	appliance := simulator.New(simulator.Options{})
	if _, err := simulator.NewFleet(appliance, simulator.FleetOptions{}); err != nil {
		t.Fatal(err)
	}
	server, err := appliance.StartTLS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	configs := make([]config.Target, 0, len(names))
	for i, name := range names {
		cfg := config.Target{
			Name: name, URL: server.URL, Lists: syncjob.Lists()[:2], TLS: ciphertrust.TLSConfig{CA: string(server.CAPEM)},
			Credentials: ciphertrust.Credentials{Username: simulator.DefaultUsername, Password: simulator.DefaultPassword},
			Reading:     config.Reading{PageSize: 1000, Concurrency: 1, Timeout: 5 * time.Minute, TimeoutOffset: time.Second},
		}
		if i == 0 {
			cfg.Labels = map[string]string{"region": "eu", "note": `a "quoted" <label>`}
		}
		configs = append(configs, cfg)
	}
	set := targets.NewSet(targets.Options{Logger: log.NewNopLogger()})
	if _, err := set.Load(configs); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close(context.WithoutCancel(t.Context())) })
	h := handler(t, func(cfg *web.Config) {
		cfg.Targets, cfg.Read, cfg.Exposition = set, nil, nil
		registry := prometheus.NewRegistry()
		cfg.Telemetry, cfg.Instrument = prometheus.Gatherers{registry, set}, registry
		cfg.Timeout, cfg.TimeoutOffset = 0, 0
		if change != nil {
			change(cfg)
		}
	})
	return &fleet{Handler: h, set: set, appliance: appliance}
}

// ask sends a request.
func ask(t *testing.T, h http.Handler, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody))
	return recorder
}

// TestProbeByName checks that a request chooses one of the configured names and nothing else.
func TestProbeByName(t *testing.T) {
	h := newFleet(t, nil, "prod-eu", "stage.us_1")
	const known = "The configured targets are: prod-eu, stage.us_1."
	tests := []struct {
		query string
		code  int
		want  []string
	}{
		{"?target=prod-eu", http.StatusOK, []string{`cckm_sync_up{cloud="google",item="key"} 1`}},
		{"?target=stage.us_1", http.StatusOK, []string{`cckm_sync_up{cloud="google",item="key"} 1`}},
		{"?target=prod%2Deu&other=1", http.StatusOK, []string{"cckm_sync_up"}},
		{"", http.StatusBadRequest, []string{"/probe?target=NAME", known}},
		{"?target=", http.StatusBadRequest, []string{known}},
		{"?target=prod-eu&target=stage.us_1", http.StatusBadRequest, []string{"Exactly one target parameter", known}},
		{"?Target=prod-eu", http.StatusBadRequest, []string{known}},
		{"?target=prod-e", http.StatusNotFound, []string{`There is no target "prod-e".`, known}},
		{"?target=https://cm.example.com", http.StatusNotFound, []string{known}},
		{"?target=%00%0A%3Cb%3E", http.StatusNotFound, []string{`"\x00\n<b>"`, known}},
		{"?target=PROD-EU", http.StatusNotFound, []string{known}},
	}
	for _, test := range tests {
		t.Run(test.query, func(t *testing.T) {
			got := ask(t, h, http.MethodGet, "/probe"+test.query)
			if got.Code != test.code {
				t.Errorf("status %d, want %d", got.Code, test.code)
			}
			for _, want := range test.want {
				if !strings.Contains(got.Body.String(), want) {
					t.Errorf("the body lacks %q:\n%s", want, got.Body)
				}
			}
			if ct := got.Header().Get("Content-Type"); !strings.HasPrefix(ct, "text/plain") {
				t.Errorf("content type %q", ct)
			}
		})
	}
	if got := ask(t, h, http.MethodHead, "/probe?target=prod-eu"); got.Code != http.StatusOK {
		t.Errorf("HEAD: status %d", got.Code)
	}
	if got := ask(t, newFleet(t, nil), http.MethodGet, "/probe?target=one"); got.Code != http.StatusNotFound || !strings.Contains(got.Body.String(), "--config.file") {
		t.Errorf("without targets: status %d, %s", got.Code, got.Body)
	}
}

// TestChosenLists checks that a scrape reads and exports exactly the lists that collect[] and exclude[]
// choose, also when a scrape of other lists has just been answered.
func TestChosenLists(t *testing.T) {
	lists := syncjob.Lists()[:2]
	aboutExporter := regexp.MustCompile("(?m)^cckm_sync_exporter_.*$")
	h := newFleet(t, func(cfg *web.Config) {
		single := cfg.Targets.All()[0]
		cfg.Lists, cfg.Read, cfg.Exposition, cfg.Timeout = single.ListNames(), single.ReadSome, single.Exposition(), time.Minute
	}, "one")
	const enabled = "The enabled lists are: google-keys, azure-certificates."
	tests := []struct {
		query string
		// want are the lists that are read, or else the refusal.
		want    []string
		refusal string
	}{
		{"", []string{"google-keys", "azure-certificates"}, ""},
		{"&collect[]=azure-certificates", []string{"azure-certificates"}, ""},
		{"&collect%5B%5D=azure-certificates&collect[]=google-keys&collect[]=azure-certificates", []string{"google-keys", "azure-certificates"}, ""},
		{"&exclude[]=azure-certificates", []string{"google-keys"}, ""},
		{"&exclude[]=google-keys&exclude[]=azure-certificates", nil, ""},
		{"&collect=google-keys", []string{"google-keys", "azure-certificates"}, ""},
		{"&collect[]=nonsense", nil, `"nonsense" is not an enabled list. ` + enabled},
		{"&collect[]=google-keys&collect[]=aws-keys", nil, `"aws-keys" is not an enabled list. ` + enabled},
		{"&exclude[]=aws-keys", nil, `"aws-keys" is not an enabled list. ` + enabled},
		{"&collect[]=", nil, `"" is not an enabled list. ` + enabled},
		{"&collect[]=google-keys&exclude[]=azure-certificates", nil, "collect[] and exclude[] cannot be combined."},
	}
	for _, path := range []string{"/metrics?x=1", "/probe?target=one"} {
		for _, test := range tests {
			h.appliance.ResetRequests()
			got := ask(t, h, http.MethodGet, path+test.query)
			body := aboutExporter.ReplaceAllString(got.Body.String(), "")
			var read []string
			for _, list := range lists {
				requested := slices.ContainsFunc(h.appliance.Requests(), func(r simulator.RequestRecord) bool { return r.Path == "/api/v1/"+list.Path })
				exported := strings.Contains(body, fmt.Sprintf("\ncckm_sync_up{cloud=%q,item=%q} 1\n", list.Cloud, list.Item))
				mentioned := strings.Contains(body, fmt.Sprintf("{cloud=%q,item=%q", list.Cloud, list.Item))
				if requested != exported || exported != mentioned {
					t.Errorf("%s%s: list %s: requested %t, exported %t, mentioned %t", path, test.query, list.Name, requested, exported, mentioned)
				}
				if exported {
					read = append(read, list.Name)
				}
			}
			if diff := gocmp.Diff(test.want, read); diff != "" {
				t.Errorf("%s%s (-want +got):\n%s", path, test.query, diff)
			}
			if code := map[bool]int{true: http.StatusBadRequest, false: http.StatusOK}[test.refusal != ""]; got.Code != code {
				t.Errorf("%s%s: status %d, want %d", path, test.query, got.Code, code)
			}
			if test.refusal != "" && got.Body.String() != test.refusal+"\n" {
				t.Errorf("%s%s: %s", path, test.query, got.Body)
			}
		}
	}
	got := ask(t, newFleet(t, nil, "one"), http.MethodGet, "/metrics?collect[]=google-keys")
	if got.Code != http.StatusBadRequest || !strings.Contains(got.Body.String(), "/probe?target=NAME") {
		t.Errorf("the exporter's own metrics: status %d, %s", got.Code, got.Body)
	}
}

// TestMetricsOfFleet checks which metrics each path has, and that Prometheus' linter accepts them.
func TestMetricsOfFleet(t *testing.T) {
	h := newFleet(t, nil, "one", "two")
	for path, metrics := range map[string]struct{ with, without []string }{
		"/probe?target=one": {[]string{"cckm_sync_up", "cckm_sync_scope_jobs"}, []string{"cckm_sync_exporter_", "promhttp_"}},
		"/metrics":          {[]string{"cckm_sync_exporter_logins_total", "promhttp_"}, []string{"cckm_sync_up", "cckm_sync_scope"}},
	} {
		if got := get(t, h, path, map[string]string{"Accept-Encoding": "gzip"}); got.Header().Get("Content-Encoding") != "gzip" {
			t.Errorf("%s has the encoding %q", path, got.Header().Get("Content-Encoding"))
		}
		text := get(t, h, path, nil).Body.String()
		for _, name := range metrics.with {
			if !strings.Contains(text, name) {
				t.Errorf("%s lacks %s", path, name)
			}
		}
		for _, name := range metrics.without {
			if strings.Contains(text, name) {
				t.Errorf("%s has %s", path, name)
			}
		}
		if problems, err := promlint.New(strings.NewReader(text)).Lint(); err != nil || len(problems) > 0 {
			t.Errorf("%s: %v %v", path, problems, err)
		}
	}
	text := get(t, h, "/metrics", nil).Body.String()
	for _, want := range []string{
		`cckm_sync_exporter_logins_total{grant="password",result="success",target="one"} 1`,
		`cckm_sync_exporter_logins_total{grant="password",result="success",target="two"} 0`,
		`cckm_sync_exporter_token_expiry_timestamp_seconds{target="one"} `,
		`cckm_sync_exporter_appliance_certificate_expiry_timestamp_seconds{target="one"} `,
		"\n" + `cckm_sync_exporter_appliance_clock_offset_seconds{target="one"} 0` + "\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %s:\n%s", want, text)
		}
	}
}

// TestDiscovery checks the response to Prometheus' HTTP service discovery.
func TestDiscovery(t *testing.T) {
	h := newFleet(t, nil, "one", "two")
	labels := func(name string, more map[string]string) map[string]string {
		all := map[string]string{"__metrics_path__": "/probe", "__param_target": name, "instance": name}
		maps.Copy(all, more)
		return all
	}
	type group struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels"`
	}
	https := map[string]string{"__scheme__": "https"}
	ofFirst := map[string]string{"region": "eu", "note": `a "quoted" <label>`}
	ofFirstByTLS := map[string]string{"region": "eu", "note": `a "quoted" <label>`, "__scheme__": "https"}
	for address, want := range map[string][]group{
		"http://exporter.example:10458/sd": {
			{[]string{"exporter.example:10458"}, labels("one", ofFirst)}, {[]string{"exporter.example:10458"}, labels("two", nil)},
		},
		"https://[::1]:443/sd": {
			{[]string{"[::1]:443"}, labels("one", ofFirstByTLS)},
			{[]string{"[::1]:443"}, labels("two", https)},
		},
	} {
		got := ask(t, h, http.MethodGet, address)
		if ct := got.Header().Get("Content-Type"); got.Code != http.StatusOK || ct != "application/json" {
			t.Errorf("status %d, content type %q", got.Code, ct)
		}
		decoder := json.NewDecoder(got.Body)
		decoder.DisallowUnknownFields()
		var groups []group
		if err := decoder.Decode(&groups); err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(want, groups); diff != "" {
			t.Errorf("%s (-want +got):\n%s", address, diff)
		}
	}
	external := newFleet(t, func(cfg *web.Config) {
		cfg.ExternalURL = &url.URL{Scheme: "http", Host: "monitoring.example", Path: "/cckm"}
	}, "one", "two")
	got := ask(t, external, http.MethodGet, "https://10.0.0.1/sd").Body.String()
	want := `[{"labels":{"__metrics_path__":"/cckm/probe","__param_target":"one","__scheme__":"http","instance":"one",` +
		`"note":"a \"quoted\" \u003clabel\u003e","region":"eu"},"targets":["monitoring.example"]},`
	if !strings.HasPrefix(got, want) {
		t.Errorf("with an external URL: %s, want %s", got, want)
	}
	page := ask(t, external, http.MethodGet, "/").Body.String()
	for _, path := range []string{"metrics", "sd", "probe?target=one"} {
		if strings.Contains(page, `"./`+path) || !strings.Contains(page, `href="http://monitoring.example/cckm/`+path+`"`) {
			t.Errorf("the page does not link to the external URL of /%s:\n%s", path, page)
		}
	}
	if got := ask(t, newFleet(t, nil), http.MethodGet, "/sd"); strings.TrimSpace(got.Body.String()) != "[]" {
		t.Errorf("without targets: %s", got.Body)
	}
	for _, method := range []string{http.MethodPost, http.MethodDelete} {
		if got := ask(t, h, method, "/sd"); got.Code != http.StatusMethodNotAllowed || got.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: status %d, Allow %q", method, got.Code, got.Header().Get("Allow"))
		}
	}
	if n := len(h.appliance.Requests()); n != 0 {
		t.Errorf("the discovery sent %d requests to the appliance", n)
	}
}

// TestReloadPath checks the responses to a reload.
func TestReloadPath(t *testing.T) {
	var mu sync.Mutex
	loads, failure := 0, error(nil)
	h := handler(t, func(cfg *web.Config) {
		cfg.Reload = func() (string, error) {
			mu.Lock()
			defer mu.Unlock()
			loads++
			return "nothing was done", failure
		}
	})
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodDelete} {
		got := ask(t, h, method, "/-/reload")
		if got.Code != http.StatusMethodNotAllowed || got.Header().Get("Allow") != "POST, PUT" {
			t.Errorf("%s: status %d, Allow %q", method, got.Code, got.Header().Get("Allow"))
		}
	}
	for name, value := range map[string]string{"Origin": "https://other.example", "Sec-Fetch-Site": "cross-site"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/-/reload", http.NoBody)
		r.Header.Set(name, value)
		got := httptest.NewRecorder()
		h.ServeHTTP(got, r)
		if got.Code != http.StatusForbidden {
			t.Errorf("%s: %s: status %d", name, value, got.Code)
		}
	}
	if loads != 0 {
		t.Errorf("%d loads by other methods and websites", loads)
	}
	var wait sync.WaitGroup
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPost} {
		wait.Go(func() {
			if got := ask(t, h, method, "/-/reload"); got.Code != http.StatusOK || got.Body.String() != "nothing was done\n" {
				t.Errorf("%s: status %d, %s", method, got.Code, got.Body)
			}
		})
	}
	wait.Wait()
	if loads != 3 {
		t.Errorf("%d loads of 3", loads)
	}
	disabled := handler(t, nil)
	if got := ask(t, disabled, http.MethodPost, "/-/reload"); got.Code != http.StatusForbidden || !strings.Contains(got.Body.String(), "Lifecycle API is not enabled") {
		t.Errorf("disabled: status %d, %s", got.Code, got.Body)
	}
	failure = errors.Join(errors.New("file: line 1: one"), errors.New("file: line 2: two"))
	got := ask(t, h, http.MethodPost, "/-/reload")
	if got.Code != http.StatusInternalServerError || !strings.Contains(got.Body.String(), "\nfile: line 1: one\nfile: line 2: two\n") {
		t.Errorf("status %d, %s", got.Code, got.Body)
	}
}

// TestHungTarget checks that a target that hangs, with as many scrapes as are allowed, does not delay the
// other targets, the metrics or the discovery.
func TestHungTarget(t *testing.T) {
	const targets, bound = 20, 2
	names := make([]string, 0, targets)
	for i := range targets {
		names = append(names, fmt.Sprintf("target-%d", i))
	}
	h := newFleet(t, func(cfg *web.Config) { cfg.MaxRequests = bound }, names...)
	// Targets with the same password wait for the first login.
	ask(t, h, http.MethodGet, "/probe?target=target-1")
	var mu sync.Mutex
	logins, hanging := 0, make(chan struct{})
	released, release := context.WithCancel(t.Context())
	// Only the first login hangs.
	h.appliance.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		mu.Lock()
		first := logins == 0
		logins++
		mu.Unlock()
		if first {
			close(hanging)
			select {
			case <-r.Context().Done():
				return
			case <-released.Done():
			}
		}
		next.ServeHTTP(w, r)
	})
	var hung sync.WaitGroup
	for range bound {
		hung.Go(func() {
			got := ask(t, h, http.MethodGet, "/probe?target=target-0")
			// One of the short scrapes below may be in progress.
			for ; got.Code == http.StatusServiceUnavailable; got = ask(t, h, http.MethodGet, "/probe?target=target-0") {
				runtime.Gosched()
			}
			if got.Code != http.StatusOK {
				t.Errorf("the target that hung: status %d", got.Code)
			}
		})
	}
	<-hanging
	// When a third scrape, whose timeout is short, is refused, both others have arrived.
	for short := map[string]string{"X-Prometheus-Scrape-Timeout-Seconds": "0.01"}; get(t, h, "/probe?target=target-0", short).Code != http.StatusServiceUnavailable; {
		runtime.Gosched()
	}
	for _, name := range names[1:] {
		got := ask(t, h, http.MethodGet, "/probe?target="+name)
		if body := got.Body.String(); got.Code != http.StatusOK || !strings.Contains(body, `cckm_sync_up{cloud="google",item="key"} 1`) {
			t.Errorf("target %s: status %d, %s", name, got.Code, body)
		}
	}
	for _, path := range []string{"/metrics", "/sd", "/-/healthy"} {
		if got := ask(t, h, http.MethodGet, path); got.Code != http.StatusOK {
			t.Errorf("%s: status %d", path, got.Code)
		}
	}
	release()
	hung.Wait()
}
