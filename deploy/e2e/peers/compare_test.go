//go:build linux

package peers_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// exposition is what a program says, by the names and labels of the metrics.
type exposition map[string]map[string]float64

// sum returns the sum of all series of a metric.
func (e exposition) sum(metric string) (sum float64) {
	for _, value := range e[metric] {
		sum += value
	}
	return sum
}

// parse reads the exporter's own metrics of an exposition, but those about itself.
func parse(t *testing.T, program string, text []byte) exposition {
	t.Helper()
	said := exposition{}
	decoder := expfmt.NewDecoder(bytes.NewReader(text), expfmt.NewFormat(expfmt.TypeTextPlain))
	for {
		var family dto.MetricFamily
		err := decoder.Decode(&family)
		if errors.Is(err, io.EOF) {
			return said
		}
		if err != nil {
			t.Fatalf("%s: %v in\n%s", program, err, text)
		}
		name := family.GetName()
		if !strings.HasPrefix(name, "cckm_sync_") || strings.HasPrefix(name, "cckm_sync_exporter_") {
			continue
		}
		said[name] = map[string]float64{}
		for _, metric := range family.GetMetric() {
			var labels strings.Builder
			for _, pair := range metric.GetLabel() {
				fmt.Fprintf(&labels, "%s=%q,", pair.GetName(), pair.GetValue())
			}
			said[name][labels.String()] = metric.GetGauge().GetValue()
		}
	}
}

// compare holds that a program says, of every metric that it has, what the
// exporter says.
func compare(t *testing.T, program string, want, got exposition) {
	t.Helper()
	for _, metric := range []string{
		"cckm_sync_up", "cckm_sync_jobs", "cckm_sync_scope_jobs", "cckm_sync_scope_status",
		"cckm_sync_scope_last_job_timestamp_seconds", "cckm_sync_scope_job_age_seconds", "cckm_sync_scope_in_progress_age_seconds",
		"cckm_sync_scope_last_success_timestamp_seconds", "cckm_sync_scope_last_failure_timestamp_seconds",
	} {
		near := 1e-5
		if strings.HasSuffix(metric, "_age_seconds") {
			// One has asked after the other.
			near = 600
		}
		if len(want[metric]) == 0 || len(got[metric]) != len(want[metric]) {
			t.Errorf("%s: %d series of %s, want %d", program, len(got[metric]), metric, len(want[metric]))
		}
		for labels, value := range want[metric] {
			other, ok := got[metric][labels]
			if !ok || math.Abs(other-value) > near {
				t.Errorf("%s: %s{%s} is %v (there: %v), want %v", program, metric, labels, other, ok, value)
			}
		}
	}
}
