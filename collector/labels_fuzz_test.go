package collector_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"cckm_sync_exporter/collector"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// FuzzLabelValues checks that any valid UTF-8 in scopes, statuses and texts is exported so that a scraper
// can read it. The decoder accepts nothing else.
func FuzzLabelValues(f *testing.F) {
	f.Add("projects/p/locations/global/keyRings/r", "vault::subscription", "completed", "synchronized successfully", uint8(0))
	f.Add("west/vault::sub", "vault::sub", "failed", "denied", uint8(1))
	f.Add("a\ufffd", `a\xff`, "in_progress", "", uint8(3))
	f.Add("line\nfeed", "\r\x00\u2028\"\\", "\x00", "in_progress", uint8(5))
	f.Fuzz(func(t *testing.T, one, two, status, text string, which uint8) {
		for _, s := range []*string{&one, &two, &status, &text} {
			*s = strings.ToValidUTF8(*s, "?")
		}
		list := syncjob.Lists()[int(which)%len(syncjob.Lists())]
		summarizer := syncjob.NewSummarizer(list)
		for _, job := range []syncjob.Job{
			{ID: one, OverallStatus: status, Scopes: []string{one, two}, Details: []syncjob.Detail{{Key: two, Text: text}}},
			{ID: two, OverallStatus: text, Scopes: []string{two}, Details: []syncjob.Detail{{Key: one + text, Text: status}}},
		} {
			if err := summarizer.Add(&job, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		summary := summarizer.Summary(time.Now())
		gatherer := new(collector.Exposition).Of(&scrape.Snapshot{Lists: []scrape.ListRead{{List: list, Summary: summary}}})
		for _, format := range formats() {
			var body bytes.Buffer
			if code := answer(t, gatherer, format.accept, &body); code != http.StatusOK {
				t.Fatalf("%s: status %d", format.name, code)
			}
			if format.name == "openmetrics" {
				// expfmt has no decoder for it.
				if !utf8.Valid(body.Bytes()) || !bytes.HasSuffix(body.Bytes(), []byte("\n# EOF\n")) {
					t.Errorf("the OpenMetrics text is not complete:\n%q", body.String())
				}
				continue
			}
			families := parse(t, format, body.Bytes())
			if up := values(families["cckm_sync_up"], "cloud", "item"); up[list.Cloud+"\x00"+list.Item] != 1 {
				t.Errorf("%s: the list is not up: %v", format.name, up)
			}
			wantScopes(t, summary, families)
		}
	})
}

// wantScopes checks that each scope is exported by its exact name, with its jobs.
func wantScopes(t *testing.T, summary *syncjob.Summary, families map[string]*dto.MetricFamily) {
	t.Helper()
	info, jobs := map[string]float64{}, map[string]float64{}
	for i := range summary.Scopes {
		scope := &summary.Scopes[i]
		info[scope.Name] = 1
		for _, n := range scope.Jobs {
			jobs[scope.Name] += float64(n)
		}
	}
	if diff := cmp.Diff(info, values(families["cckm_sync_scope_info"], "scope")); diff != "" {
		t.Errorf("scopes (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(jobs, values(families["cckm_sync_scope_jobs"], "scope")); diff != "" {
		t.Errorf("jobs of scopes (-want +got)\n%s", diff)
	}
}

// parse decodes an exposition.
func parse(t *testing.T, format format, body []byte) map[string]*dto.MetricFamily {
	t.Helper()
	families := map[string]*dto.MetricFamily{}
	decoder := expfmt.NewDecoder(bytes.NewReader(body), expfmt.ResponseFormat(http.Header{"Content-Type": {format.accept}}))
	for {
		var family dto.MetricFamily
		err := decoder.Decode(&family)
		if errors.Is(err, io.EOF) {
			return families
		}
		if err != nil {
			t.Fatalf("%s: %v in\n%q", format.name, err, body)
		}
		families[family.GetName()] = &family
	}
}

// values returns the sums of a family's gauges by the values of some labels.
func values(family *dto.MetricFamily, by ...string) map[string]float64 {
	sums := map[string]float64{}
	for _, metric := range family.GetMetric() {
		var key []string
		for _, name := range by {
			for _, pair := range metric.GetLabel() {
				if pair.GetName() == name {
					key = append(key, pair.GetValue())
				}
			}
		}
		sums[strings.Join(key, "\x00")] += metric.GetGauge().GetValue()
	}
	return sums
}
