package faults_test

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/simulator"
)

// series are the series of one list by their names and labels.
type series map[string]float64

// scraped is the result of one scrape for each list, by the label cloud.
type scraped struct {
	lists map[string]series
	// begun and ended are times before and after the scrape.
	begun, ended time.Time
}

// clouds returns the values of the label cloud.
func clouds() []string { return []string{google, azure} }

const (
	google = "google"
	azure  = "azure"
)

// scrape scrapes and fails unless the response is 200 and arrives before the timeout.
func (r *rig) scrape(patience time.Duration) scraped {
	r.t.Helper()
	begun := time.Now()
	status, body := r.get(http.MethodGet, "/metrics", patience)
	if status != http.StatusOK {
		r.t.Fatalf("status %d: %s", status, body)
	}
	s := scraped{lists: map[string]series{google: {}, azure: {}}, begun: begun, ended: time.Now()}
	if took := s.ended.Sub(begun); took > patience+slack {
		r.t.Errorf("the response took %s, with a timeout of %s", took, patience)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for name, family := range families {
		if strings.HasPrefix(name, "cckm_sync_exporter_") {
			continue // These are about the exporter itself.
		}
		for _, metric := range family.GetMetric() {
			cloud, labels := "", make([]string, 0, len(metric.GetLabel()))
			for _, label := range metric.GetLabel() {
				if label.GetName() == "cloud" {
					cloud = label.GetValue()
				}
				labels = append(labels, fmt.Sprintf("%s=%q", label.GetName(), label.GetValue()))
			}
			if cloud != "" {
				s.lists[cloud][name+"{"+strings.Join(labels, ",")+"}"] = metric.GetGauge().GetValue()
			}
		}
	}
	return s
}

// waitUntilUp scrapes until both lists are up.
func (r *rig) waitUntilUp() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patient)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		s := r.scrape(patient)
		google, _ := s.lists[google].up()
		azure, _ := s.lists[azure].up()
		if google == 1 && azure == 1 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			r.t.Fatalf("the lists did not come up again\n%s", r.transcript.errors())
		}
	}
}

// whole scrapes and fails unless both lists have all jobs of the appliance.
func (r *rig) whole() scraped {
	r.t.Helper()
	s := r.scrape(patient)
	for _, cloud := range clouds() {
		if up, _ := s.lists[cloud].up(); up != 1 {
			r.t.Fatalf("%s is not whole: %v\n%s", cloud, s.lists[cloud].reasons(), r.transcript.errors())
		}
		wantJobs(r.t, s.lists[cloud], r.appliance.List(listOf(cloud)).Len())
	}
	return s
}

func listOf(cloud string) string {
	if cloud == google {
		return simulator.GoogleKeys
	}
	return simulator.AzureCertificates
}

// up returns the value of cckm_sync_up, and false if there is none.
func (s series) up() (value float64, ok bool) {
	for name, value := range s {
		if strings.HasPrefix(name, "cckm_sync_up{") {
			return value, true
		}
	}
	return 0, false
}

// reasons returns the reasons that are 1.
func (s series) reasons() []string {
	var reasons []string
	for name, value := range s {
		if _, after, ok := strings.Cut(name, `reason="`); ok && value != 0 {
			reasons = append(reasons, strings.TrimSuffix(after, `"}`))
		}
	}
	return reasons
}

// wantJobs fails unless the number of jobs is want.
func wantJobs(t *testing.T, s series, want int) {
	t.Helper()
	sum := 0.0
	for name, value := range s {
		if strings.HasPrefix(name, "cckm_sync_jobs{") {
			sum += value
		}
	}
	if int(sum) != want {
		t.Errorf("%v jobs, the list has %d", sum, want)
	}
}

// wantFailed fails unless the list has failed for exactly that reason and has no other series.
func wantFailed(t *testing.T, cloud string, s series, why reason.Reason) {
	t.Helper()
	if up, ok := s.up(); !ok || up != 0 {
		t.Errorf("%s: cckm_sync_up is %v, want 0", cloud, up)
	}
	if got := s.reasons(); !slices.Equal(got, []string{string(why)}) {
		t.Errorf("%s: failed for %v, want %s", cloud, got, why)
		return
	}
	for name := range s {
		if !strings.HasPrefix(name, "cckm_sync_up{") && !strings.HasPrefix(name, "cckm_sync_scrape_error{") {
			t.Errorf("%s: the failed list has %s", cloud, name)
		}
	}
	if want := 1 + len(reason.All()); len(s) != want {
		t.Errorf("%s: %d series, want %d", cloud, len(s), want)
	}
}

// wantSame fails unless a list has the series of an earlier scrape. Ages may grow by the time that has passed;
// the duration and the pages of the read may differ.
func wantSame(t *testing.T, cloud string, before, after scraped) {
	t.Helper()
	old, now := before.lists[cloud], after.lists[cloud]
	if up, _ := now.up(); up != 1 {
		t.Errorf("%s is not whole: %v", cloud, now.reasons())
		return
	}
	for name := range now {
		if _, known := old[name]; !known {
			t.Errorf("%s: additional series %s", cloud, name)
		}
	}
	passed := after.ended.Sub(before.begun).Seconds()
	for name, was := range old {
		is, exported := now[name]
		switch {
		case !exported:
			t.Errorf("%s: missing series %s", cloud, name)
		case strings.HasPrefix(name, "cckm_sync_scrape_"):
			if strings.HasPrefix(name, "cckm_sync_scrape_error") && is != was {
				t.Errorf("%s: %s is %v", cloud, name, is)
			}
		case strings.Contains(name, "_age_seconds{"):
			// The offset of the appliance's clock is known to within a second.
			if is < was-1 || is > was+passed+1 {
				t.Errorf("%s: %s was %v and is %v after %v s", cloud, name, was, is, passed)
			}
		case math.Float64bits(is) != math.Float64bits(was):
			t.Errorf("%s: %s was %v and is %v", cloud, name, was, is)
		}
	}
}
