//go:build linux

package peers_test

import (
	"math"
	"strconv"
	"strings"
	"testing"
)

// exposition has the value of each series, such as cckm_sync_up{cloud="google",item="key"}.
type exposition map[string]float64

func parse(t *testing.T, text string) exposition {
	t.Helper()
	values := exposition{}
	for line := range strings.Lines(text) {
		series, value, found := strings.Cut(strings.TrimSuffix(line, "\n"), "} ")
		if !found || strings.HasPrefix(line, "#") {
			continue
		}
		number, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatal(err)
		}
		values[series+"}"] = number
	}
	return values
}

// only returns the series of a metric.
func (e exposition) only(metric string) exposition {
	values := exposition{}
	for series, value := range e {
		if strings.HasPrefix(series, metric+"{") {
			values[series] = value
		}
	}
	return values
}

// compare checks that a program exports the same series as the exporter of the metrics
// that all have.
func compare(t *testing.T, program string, want, got exposition) {
	t.Helper()
	for _, metric := range []string{
		"cckm_sync_up", "cckm_sync_jobs", "cckm_sync_scope_jobs", "cckm_sync_scope_status",
		"cckm_sync_scope_last_job_timestamp_seconds", "cckm_sync_scope_job_age_seconds", "cckm_sync_scope_in_progress_age_seconds",
		"cckm_sync_scope_last_success_timestamp_seconds", "cckm_sync_scope_last_failure_timestamp_seconds",
	} {
		near := 1e-5
		if strings.HasSuffix(metric, "_age_seconds") {
			near = 600 // They read one after the other.
		}
		want, got := want.only(metric), got.only(metric)
		if len(want) == 0 || len(got) != len(want) {
			t.Errorf("%s: %d series of %s, want %d", program, len(got), metric, len(want))
		}
		for series, value := range want {
			if other, ok := got[series]; !ok || math.Abs(other-value) > near {
				t.Errorf("%s: %s is %v (exists: %t), want %v", program, series, other, ok, value)
			}
		}
	}
}
