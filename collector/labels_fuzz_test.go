package collector_test

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-kit/log"
	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"cckm_sync_exporter/collector"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// FuzzLabelValues holds that whatever bytes an appliance has for scopes, statuses
// and texts, every scope is written, by a name of its own, so that a scraper can
// read it; or else the list says that it could not be written.
func FuzzLabelValues(f *testing.F) {
	f.Add("projects/p/locations/global/keyRings/r", "vault::subscription", "completed", "synchronized successfully", uint8(0))
	f.Add("west/vault::sub", "vault::sub", "failed", "denied", uint8(1))
	f.Add("a\xff", "a\xfe", "\xff", "\xc3\x28", uint8(2))
	f.Add("a\xff", `a\xff`, "in_progress", "", uint8(3))
	f.Add("a\ufffd", "a\xff", "in_progress", "", uint8(3))
	f.Add("\xff\"", "\xff\\", "error", "", uint8(4))
	f.Add("line\nfeed", "\r\x00\u2028\"\\", "\x00", "in_progress", uint8(5))
	f.Fuzz(func(t *testing.T, one, two, status, text string, which uint8) {
		lists := syncjob.Lists()
		list, other := lists[int(which)%len(lists)], lists[(int(which)+1)%len(lists)]
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
		var logged bytes.Buffer
		gatherer := (&collector.Exposition{Logger: log.NewLogfmtLogger(&logged)}).Of(&scrape.Snapshot{Lists: []scrape.ListRead{
			{List: list, Summary: summary}, {List: other, Summary: &syncjob.Summary{}},
		}})
		for _, format := range formats() {
			logged.Reset()
			var body bytes.Buffer
			if code := answer(t, gatherer, format.accept, &body); code != http.StatusOK {
				t.Fatalf("%s: status %d", format.name, code)
			}
			if format.name == "openmetrics" {
				// Nothing at hand reads it, and but for the numbers it is like the text format.
				if !utf8.Valid(body.Bytes()) || !bytes.HasSuffix(body.Bytes(), []byte("\n# EOF\n")) {
					t.Errorf("the OpenMetrics text is not whole:\n%q", body.String())
				}
				continue
			}
			families := parse(t, format, body.Bytes())
			ups := values(families["cckm_sync_up"], "cloud", "item")
			if ups[other.Cloud+"\x00"+other.Item] != 1 {
				t.Errorf("%s: the other list is not up: %v", format.name, ups)
			}
			if ups[list.Cloud+"\x00"+list.Item] == 1 {
				wantScopes(t, summary, families)
				continue
			}
			if names := scopeNames(summary); !slices.ContainsFunc(names, func(name string) bool { return !utf8.ValidString(name) }) {
				t.Errorf("%s: %q are valid, and were not written", format.name, names)
			}
			errs := values(families["cckm_sync_scrape_error"], "cloud", "item", "reason")
			if up, ok := ups[list.Cloud+"\x00"+list.Item]; !ok || up != 0 || errs[list.Cloud+"\x00"+list.Item+"\x00other"] != 1 {
				t.Errorf("%s: no failure is shown: %v, %v", format.name, ups, errs)
			}
			if !bytes.Contains(logged.Bytes(), []byte("would both be written")) {
				t.Errorf("%s: nothing says why %q were not written: %s", format.name, scopeNames(summary), logged.String())
			}
		}
	})
}

// TestInvalidNames holds how names are written that are no UTF-8: by names of
// their own, and not at all where that would be another scope's.
func TestInvalidNames(t *testing.T) {
	tests := []struct {
		names []string
		want  map[string]float64
	}{
		{[]string{"a\xfe", "a\xff", "a\ufffd"}, map[string]float64{`a\xfe`: 1, `a\xff`: 1, "a\ufffd": 1}},
		{[]string{"\xff\""}, map[string]float64{`\xff\"`: 1}},
		{[]string{"a\xff", `a\xff`}, map[string]float64{}},
	}
	for _, test := range tests {
		summary := &syncjob.Summary{}
		for _, name := range test.names {
			summary.Scopes = append(summary.Scopes, syncjob.Scope{Name: name})
		}
		var body bytes.Buffer
		text := formats()[0]
		answer(t, (&collector.Exposition{}).Of(&scrape.Snapshot{Lists: []scrape.ListRead{{List: syncjob.Lists()[0], Summary: summary}}}), text.accept, &body)
		got := values(parse(t, text, body.Bytes())["cckm_sync_scope_info"], "scope")
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%q: (-want +got)\n%s", test.names, diff)
		}
	}
}

// wantScopes wants each scope by a name of its own, which is its own where that
// is valid, with its jobs.
func wantScopes(t *testing.T, summary *syncjob.Summary, families map[string]*dto.MetricFamily) {
	t.Helper()
	info := values(families["cckm_sync_scope_info"], "scope")
	jobs := values(families["cckm_sync_scope_jobs"], "scope")
	if len(info) != len(summary.Scopes) || len(jobs) != len(info) {
		t.Errorf("%d scopes of %q have information, %d have jobs", len(info), scopeNames(summary), len(jobs))
	}
	var got, want float64
	for n := range maps.Values(jobs) {
		got += n
	}
	for i := range summary.Scopes {
		name, here := summary.Scopes[i].Name, 0.0
		for _, n := range summary.Scopes[i].Jobs {
			here += float64(n)
		}
		want += here
		if utf8.ValidString(name) && (info[name] != 1 || jobs[name] != here) {
			t.Errorf("scope %q: information %v, %v jobs, want %v", name, info[name], jobs[name], here)
		}
	}
	if got != want {
		t.Errorf("the scopes %q have %v jobs, want %v", scopeNames(summary), got, want)
	}
}

// parse reads an exposition as a scraper does.
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

func scopeNames(summary *syncjob.Summary) []string {
	names := make([]string, 0, len(summary.Scopes))
	for i := range summary.Scopes {
		names = append(names, summary.Scopes[i].Name)
	}
	return names
}
