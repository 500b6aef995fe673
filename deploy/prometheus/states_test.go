package prometheus_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/collector/state"
)

// TestStates checks that each state of collector/state has a record with its name, which
// has the rule of the state's alert.
func TestStates(t *testing.T) {
	exprs := map[string]string{}
	for _, alert := range alerts(t) {
		exprs[alert.Name] = strings.Join(strings.Fields(alert.Expr), " ")
	}
	var got []map[string]string
	recorded := map[string]string{}
	for _, r := range rulesOf(t, recordingFile) {
		if r.Record == "cckm_sync_scope:state" {
			got = append(got, r.Labels)
			recorded[r.Labels["state"]] = strings.Join(strings.Fields(r.Expr), " ")
		}
	}
	var want []map[string]string
	for _, s := range state.All() {
		info := s.Info()
		labels := map[string]string{"state": info.Key}
		if s == state.Running {
			continue // It is what remains, so its record is the last.
		}
		if info.Severity != state.None {
			labels["severity"] = string(info.Severity)
		}
		want = append(want, labels)
		conditions := []string{recorded[info.Key]}
		if s == state.Aborted { // Its alert has an age, and combines both conditions with it.
			conditions = regexp.MustCompile(`last_over_time\([^)]*\)`).FindAllString(recorded[info.Key], -1)
		}
		for _, condition := range conditions {
			if info.Alert != "" && !strings.Contains(exprs[info.Alert], condition) {
				t.Errorf("%s is not a part of the rule of %s:\n%s\n%s", info.Name, info.Alert, condition, exprs[info.Alert])
			}
		}
	}
	want = append(want, map[string]string{"state": state.Running.Info().Key})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("labels of the records (-states +records):\n%s", diff)
	}
}
