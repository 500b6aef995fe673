package prometheus_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

// variant is a way in which Prometheus scrapes.
type variant struct {
	name string
	// settings are lines of the scrape configuration.
	settings []string
	// format is the beginning of the Content-Type that it must lead to.
	format string
	// classic and native report whether Prometheus stores a histogram as series of its buckets, and as a native
	// one. custom reports whether the native one is made of those buckets.
	classic, native, custom bool
}

// TestScrapeVariants scrapes one exporter in all ways that a version of Prometheus has, and compares what
// Prometheus has stored with what the exporter sent.
func TestScrapeVariants(t *testing.T) {
	version := livetest.Version(t, livetest.Program(t, "prometheus"))
	t.Logf("Prometheus %s", version)
	exporter := startFleet(t)
	if strings.HasPrefix(version, "2.") {
		const openMetrics, protobuf = "application/openmetrics-text; version=1.0.0", "application/vnd.google.protobuf"
		checkVariants(t, exporter, []variant{{name: "default", format: openMetrics, classic: true}})
		checkVariants(t, exporter, []variant{{name: "native", format: protobuf, native: true}}, "--enable-feature=native-histograms")
		return
	}
	checkVariants(t, exporter, allVariants())
}

// Lines of the scrape configuration that decide which histograms Prometheus keeps.
const (
	keepNative  = "scrape_native_histograms: true"
	keepCustom  = "convert_classic_histograms_to_nhcb: true"
	keepClassic = "always_scrape_classic_histograms: true"
)

// allVariants returns the variants of Prometheus 3.
func allVariants() []variant {
	const openMetrics, protobuf = "application/openmetrics-text; version=1.0.0", "application/vnd.google.protobuf"
	return append(formatVariants(), []variant{
		{name: "default", format: openMetrics, classic: true},
		{name: "native", settings: []string{keepNative}, format: protobuf, native: true},
		{name: "native and classic", settings: []string{keepNative, keepClassic}, format: protobuf, native: true, classic: true},
		{name: "native although custom", settings: []string{keepNative, keepCustom}, format: protobuf, native: true},
		{name: "custom and classic", settings: []string{keepCustom, keepClassic}, format: openMetrics, native: true, custom: true, classic: true},
		{name: "legacy names", settings: []string{"metric_name_validation_scheme: legacy"}, format: openMetrics, classic: true},
	}...)
}

// formatVariants returns the variants that ask for one format only.
func formatVariants() []variant {
	formats := map[string]string{
		"PrometheusProto":      "application/vnd.google.protobuf",
		"PrometheusText0.0.4":  "text/plain; version=0.0.4",
		"PrometheusText1.0.0":  "text/plain; version=0.0.4", // The exporter's library has no newer one.
		"OpenMetricsText0.0.1": "application/openmetrics-text; version=0.0.1",
		"OpenMetricsText1.0.0": "application/openmetrics-text; version=1.0.0",
	}
	escapings := []string{"allow-utf-8", "underscores", "dots", "values"}
	variants := make([]variant, 0, len(formats)*(2+len(escapings)))
	for protocol, format := range formats {
		only := "scrape_protocols: [" + protocol + "]"
		variants = append(variants,
			variant{name: protocol, settings: []string{only}, format: format, classic: true},
			variant{name: protocol + ", custom", settings: []string{only, keepCustom}, format: format, native: true, custom: true})
		for _, escaping := range escapings {
			variants = append(variants, variant{
				name: protocol + ", " + escaping, settings: []string{only, "metric_name_escaping_scheme: " + escaping}, format: format, classic: true,
			})
		}
	}
	return variants
}

// startFleet starts an exporter of two targets, one of which has names in many scripts, and returns its
// address. It has read both once, so that it has a histogram of requests.
func startFleet(t *testing.T) (address string) {
	t.Helper()
	appliance := simulator.New(simulator.Options{})
	if _, err := simulator.NewFleet(appliance, simulator.FleetOptions{}); err != nil {
		t.Fatal(err)
	}
	created := time.Now().Add(-time.Hour)
	appliance.List(simulator.GoogleKeys).Put(simulator.Job{
		CreatedAt: created, CompletedAt: created.Add(time.Minute), OverallStatus: simulator.StatusCompleted,
		Scopes: []string{"projects/größe/locations/日本/keyRings/ключ-🔑", `projects/a"b\c/locations/{x="y"}/keyRings/# 1`},
	})
	server := livetest.Serve(t, appliance)
	password := livetest.WriteFile(t, "password", []byte(simulator.DefaultPassword))
	ca := livetest.WriteFile(t, "ca.pem", server.CAPEM)
	var config strings.Builder
	config.WriteString("targets:\n")
	for _, name := range fleetNames() {
		fmt.Fprintf(&config, "- {name: %s, url: %q, username: %s, password_file: %q, tls_config: {ca_file: %q}, labels: {site: Zürich}}\n",
			name, server.URL, simulator.DefaultUsername, password, ca)
	}
	_, address = livetest.StartExporter(t, livetest.BuildExporter(t), nil, "serve", "--config.file="+livetest.WriteFile(t, "targets.yml", []byte(config.String())))
	for _, name := range fleetNames() {
		status, body, ok := livetest.Get(t, "http://"+address+"/probe?target="+name)
		if !ok || status != http.StatusOK || !strings.Contains(body, "ключ-🔑") {
			t.Fatalf("%s: status %d\n%s", name, status, body)
		}
	}
	return address
}

func fleetNames() []string { return []string{"eu", "us"} }

// checkVariants scrapes the exporter and the targets that it names, in each variant, with one Prometheus.
func checkVariants(t *testing.T, exporter string, variants []variant, args ...string) {
	t.Helper()
	var config strings.Builder
	config.WriteString("global: {scrape_interval: 5s, scrape_timeout: 5s}\nscrape_configs:\n")
	recorders := make(map[string]*recorder, len(variants))
	for _, v := range variants {
		r := record(t, exporter)
		recorders[v.name] = r
		fmt.Fprintf(&config, "- job_name: %q\n  http_sd_configs: [{url: %q}]\n  static_configs: [{targets: [%q]}]\n", v.name, r.server.URL+"/sd", r.address())
		for _, setting := range v.settings {
			config.WriteString("  " + setting + "\n")
		}
	}
	p := livetest.StartPrometheus(t, config.String(), args...)
	targets := len(fleetNames()) + 1
	livetest.Eventually(t, time.Minute, "every target was scraped", func() bool {
		up, err := p.Query(t.Context(), "up")
		return err == nil && len(up) == targets*len(variants)
	})
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			r := recorders[v.name]
			r.check(t, p, &v, r.address(), "/metrics")
			for _, name := range fleetNames() {
				r.check(t, p, &v, name, "/probe?target="+name)
			}
		})
	}
	for _, query := range []string{`up != 1`, `scrape_samples_scraped != scrape_samples_post_metric_relabeling`} {
		if samples, err := p.Query(t.Context(), query); err != nil || len(samples) > 0 {
			t.Errorf("%s: %v, %v", query, samples, err)
		}
	}
	_, own, _ := livetest.Get(t, p.URL+"/metrics")
	dropped := regexp.MustCompile(`(?m)^(prometheus_target_scrape\w*_(?:sample|exceeded)\w*) (\d.*)$`).FindAllStringSubmatch(own, -1)
	if len(dropped) == 0 {
		t.Error("Prometheus does not count what it drops")
	}
	for _, counter := range dropped {
		if counter[2] != "0" {
			t.Errorf("%s is %s", counter[1], counter[2])
		}
	}
	for _, line := range regexp.MustCompile(`(?mi)^.*level="?(warn|error).*scrape.*$`).FindAllString(p.Log(), -1) {
		t.Error(line)
	}
}

// recorder passes requests on to an exporter. Since values such as ages differ in each scrape, it does so once
// for each URL, and repeats the response.
type recorder struct {
	exporter string
	server   *httptest.Server

	mu        sync.Mutex
	responses map[string]recorded
}

// recorded is the response to a scrape.
type recorded struct {
	header http.Header
	body   []byte
}

func record(t *testing.T, exporter string) *recorder {
	t.Helper()
	r := &recorder{exporter: exporter, responses: make(map[string]recorded)}
	r.server = httptest.NewServer(r)
	t.Cleanup(r.server.Close)
	return r
}

func (r *recorder) address() string { return strings.TrimPrefix(r.server.URL, "http://") }

// ServeHTTP implements http.Handler.
func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	response, known := r.responses[req.URL.RequestURI()]
	if !known {
		var err error
		if response, err = r.forward(req); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		r.responses[req.URL.RequestURI()] = response
	}
	maps.Copy(w.Header(), response.header)
	_, _ = w.Write(response.body) // If Prometheus hangs up, its scrape fails.
}

// forward sends a request to the exporter with the header that it has.
func (r *recorder) forward(req *http.Request) (recorded, error) {
	forwarded := req.Clone(req.Context())
	forwarded.RequestURI, forwarded.URL.Scheme, forwarded.URL.Host = "", "http", r.exporter
	resp, err := (&http.Transport{DisableKeepAlives: true, DisableCompression: true}).RoundTrip(forwarded)
	if err != nil {
		return recorded{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return recorded{}, errors.New(resp.Status)
	}
	body, err := io.ReadAll(resp.Body)
	return recorded{resp.Header, body}, err
}

// check compares what Prometheus has stored of a target with the response to its scrape.
func (r *recorder) check(t *testing.T, p *livetest.Prometheus, v *variant, instance, path string) {
	t.Helper()
	r.mu.Lock()
	response := r.responses[path]
	r.mu.Unlock()
	if got := response.header.Get("Content-Type"); !strings.HasPrefix(got, v.format) {
		t.Errorf("%s: Content-Type %q, want %q", path, got, v.format)
	}
	site := ""
	if instance != r.address() {
		site = "Zürich"
	}
	want, got := response.values(t, v, site), stored(t, p, v, instance)
	if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
		t.Errorf("%s: %d values (-sent +stored):\n%s", path, len(want), diff)
	}
}

// values returns the values that a variant stores of a response's metrics, by series, with the label that
// service discovery adds.
func (r recorded) values(t *testing.T, v *variant, site string) map[string]float64 {
	t.Helper()
	values := map[string]float64{}
	for _, family := range r.families(t) {
		name := family.GetName()
		if !strings.HasPrefix(name, "cckm_sync_") {
			continue
		}
		for _, metric := range family.GetMetric() {
			labels := map[string]string{"site": site}
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			if histogram := metric.GetHistogram(); histogram != nil {
				addHistogram(values, name, labels, histogram, v)
				continue
			}
			// One of them is set.
			values[series(name, labels)] = metric.GetGauge().GetValue() + metric.GetCounter().GetValue() + metric.GetUntyped().GetValue()
		}
	}
	return values
}

// addHistogram adds the values of a histogram.
func addHistogram(values map[string]float64, name string, labels map[string]string, histogram *dto.Histogram, v *variant) {
	count := float64(histogram.GetSampleCount())
	if v.native {
		values[series(name, labels)+" count"], values[series(name, labels)+" sum"] = count, histogram.GetSampleSum()
	}
	if v.classic {
		values[series(name+"_count", labels)], values[series(name+"_sum", labels)] = count, histogram.GetSampleSum()
		values[series(name+"_bucket", with(labels, "le", "+Inf"))] = count
	}
	var below uint64
	for _, bucket := range histogram.GetBucket() {
		bound := strconv.FormatFloat(bucket.GetUpperBound(), 'g', -1, 64)
		if v.classic {
			values[series(name+"_bucket", with(labels, "le", bound))] = float64(bucket.GetCumulativeCount())
		}
		if more := bucket.GetCumulativeCount() - below; v.custom && more > 0 {
			values[series(name, labels)+" up to "+bound] = float64(more)
		}
		below = bucket.GetCumulativeCount()
	}
}

// families decodes the response. The text parser reads OpenMetrics too, as far as the exporter uses it, but
// knows no type of a counter.
func (r recorded) families(t *testing.T) []*dto.MetricFamily {
	t.Helper()
	var body io.Reader = bytes.NewReader(r.body)
	if r.header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			t.Fatal(err)
		}
		body = unzipped
	}
	decoder := expfmt.NewDecoder(body, expfmt.ResponseFormat(r.header))
	var families []*dto.MetricFamily
	for {
		family := new(dto.MetricFamily)
		err := decoder.Decode(family)
		if errors.Is(err, io.EOF) {
			return families
		}
		if err != nil {
			t.Fatal(err)
		}
		families = append(families, family)
	}
}

// stored returns the values that Prometheus has of a target, by series.
func stored(t *testing.T, p *livetest.Prometheus, v *variant, instance string) map[string]float64 {
	t.Helper()
	var data struct {
		Result []struct {
			Metric    map[string]string
			Value     []any
			Histogram []any
		}
	}
	query := fmt.Sprintf(`{__name__=~"cckm_sync_.*", job=%q, instance=%q}`, v.name, instance)
	if err := p.Get(t.Context(), "/api/v1/query", url.Values{"query": {query}}, &data); err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, sample := range data.Result {
		name := sample.Metric["__name__"]
		delete(sample.Metric, "__name__")
		delete(sample.Metric, "job")
		delete(sample.Metric, "instance")
		key := series(name, sample.Metric)
		if sample.Value != nil {
			values[key] = number(t, sample.Value[1])
			continue
		}
		histogram, _ := sample.Histogram[1].(map[string]any)
		count := number(t, histogram["count"])
		values[key+" count"], values[key+" sum"] = count, number(t, histogram["sum"])
		buckets, _ := histogram["buckets"].([]any)
		for _, bucket := range buckets {
			fields, _ := bucket.([]any) // A code of what is inclusive, both bounds, and the count.
			count -= number(t, fields[3])
			if v.custom {
				values[key+" up to "+strconv.FormatFloat(number(t, fields[2]), 'g', -1, 64)] = number(t, fields[3])
			}
		}
		if count != 0 {
			t.Errorf("%s: %v observations are in no bucket", key, count)
		}
	}
	return values
}

// series returns the text of a series. Prometheus normalizes bounds of buckets.
func series(name string, labels map[string]string) string {
	var text strings.Builder
	text.WriteString(name)
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		value := labels[label]
		if bound, err := strconv.ParseFloat(value, 64); label == "le" && err == nil {
			value = strconv.FormatFloat(bound, 'g', -1, 64)
		}
		if value != "" {
			fmt.Fprintf(&text, " %s=%q", label, value)
		}
	}
	return text.String()
}

func with(labels map[string]string, name, value string) map[string]string {
	more := maps.Clone(labels)
	more[name] = value
	return more
}

func number(t *testing.T, value any) float64 {
	t.Helper()
	parsed, err := strconv.ParseFloat(fmt.Sprint(value), 64)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}
