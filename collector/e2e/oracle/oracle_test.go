package oracle_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/collector/e2e/oracle"
)

func google() oracle.List {
	return oracle.List{Cloud: "google", Item: "key", Kind: "key_ring", ScopeFields: []string{"key_rings"}}
}

func azure() oracle.List {
	return oracle.List{Cloud: "azure", Item: "certificate", Kind: "key_vault", ScopeFields: []string{"key_vaults"}, RegionPrefix: true}
}

// compute returns the oracle's series at a time.
func compute(t *testing.T, list oracle.List, records []json.RawMessage, at string, forgetAfter time.Duration) map[string]float64 {
	t.Helper()
	now, err := time.Parse(time.RFC3339, at)
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := oracle.Compute(list, records, now, forgetAfter)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// raw turns texts into records.
func raw(records ...string) []json.RawMessage {
	out := make([]json.RawMessage, 0, len(records))
	for _, record := range records {
		out = append(out, json.RawMessage(record))
	}
	return out
}

// about returns the values that are not 0 and depend on the jobs, without some labels.
func about(got map[string]float64, dropLabels ...string) map[string]float64 {
	kept := make(map[string]float64)
	for key, value := range got {
		name, _, _ := strings.Cut(key, "{")
		if value == 0 && name != "cckm_sync_scope_in_progress_age_seconds" && name != "cckm_sync_scope_job_age_seconds" &&
			name != "cckm_sync_scope_last_duration_seconds" || name == "cckm_sync_up" || name == "cckm_sync_scope_info" {
			continue
		}
		key = strings.TrimPrefix(key, "cckm_sync_")
		for _, label := range dropLabels {
			key = strings.Replace(key, label, "", 1)
		}
		kept[key] = value
	}
	return kept
}

// TestSeries compares the oracle with series that were computed by hand.
func TestSeries(t *testing.T) {
	t.Parallel()
	const finished = `"createdAt":"2022-01-01T00:00:00Z","updatedAt":"2022-01-01T00:00:11Z","completed_at":"2022-01-01T00:00:10Z"`
	for name, test := range map[string]struct {
		list    oracle.List
		records []json.RawMessage
		forget  time.Duration
		want    map[string]float64
	}{
		"no jobs": {list: google(), want: map[string]float64{}},
		"a canceled job is no success": {
			list:    google(),
			records: raw(`{"id":"1","overall_status":"completed","abort":true,"key_rings":["r"],` + finished + `}`),
			want: map[string]float64{
				`jobs{status="aborted"}`:                             1,
				`scope_jobs{scope="r",status="aborted"}`:             1,
				`scope_status{scope="r",status="aborted"}`:           1,
				`scope_last_result{result="aborted",scope="r"}`:      1,
				`scope_last_job_timestamp_seconds{scope="r"}`:        1640995200,
				`scope_job_age_seconds{scope="r"}`:                   60,
				`scope_in_progress_age_seconds{scope="r"}`:           0,
				`scope_last_completion_timestamp_seconds{scope="r"}`: 1640995210,
				`scope_last_duration_seconds{scope="r"}`:             10,
			},
		},
		"a partly failed job": {
			list: azure(),
			records: raw(`{"id":"1","overall_status":"failed","key_vaults":["a::s","b::s"],"detailed_status":{` +
				`"west/a::s":"vault synchronized successfully","east/b::s":"403 Forbidden"},` + finished + `}`),
			want: map[string]float64{
				`jobs{status="failed"}`:                                 1,
				`scope_jobs{scope="a::s",status="completed"}`:           1,
				`scope_status{scope="a::s",status="completed"}`:         1,
				`scope_last_result{result="completed",scope="a::s"}`:    1,
				`scope_last_job_timestamp_seconds{scope="a::s"}`:        1640995200,
				`scope_job_age_seconds{scope="a::s"}`:                   60,
				`scope_in_progress_age_seconds{scope="a::s"}`:           0,
				`scope_last_completion_timestamp_seconds{scope="a::s"}`: 1640995210,
				`scope_last_success_timestamp_seconds{scope="a::s"}`:    1640995210,
				`scope_last_duration_seconds{scope="a::s"}`:             10,
				`scope_jobs{scope="b::s",status="failed"}`:              1,
				`scope_status{scope="b::s",status="failed"}`:            1,
				`scope_last_result{result="failed",scope="b::s"}`:       1,
				`scope_last_job_timestamp_seconds{scope="b::s"}`:        1640995200,
				`scope_job_age_seconds{scope="b::s"}`:                   60,
				`scope_in_progress_age_seconds{scope="b::s"}`:           0,
				`scope_last_completion_timestamp_seconds{scope="b::s"}`: 1640995210,
				`scope_last_failure_timestamp_seconds{scope="b::s"}`:    1640995210,
				`scope_last_duration_seconds{scope="b::s"}`:             10,
			},
		},
		"no times at all": {
			list:    google(),
			records: raw(`{"id":"1","overall_status":"weird","key_rings":"r"}`, `{"id":"2","overall_status":"in_progress","key_rings":["r",""]}`),
			want: map[string]float64{
				`jobs{status="unknown"}`:                        1,
				`jobs{status="in_progress"}`:                    1,
				`scope_jobs{scope="r",status="unknown"}`:        1,
				`scope_jobs{scope="r",status="in_progress"}`:    1,
				`scope_status{scope="r",status="in_progress"}`:  1,
				`scope_last_result{result="unknown",scope="r"}`: 1,
			},
		},
		"two jobs in progress, and a clock that is behind": {
			list: google(),
			records: raw(
				`{"id":"1","overall_status":"in_progress","key_rings":["r"],"createdAt":"2022-01-01T00:00:30Z"}`,
				`{"id":"2","overall_status":"in_progress","key_rings":["r"],"createdAt":"2022-01-01T00:02:00Z"}`,
				`{"id":"2","overall_status":"failed","key_rings":["r"],"createdAt":"2022-01-01T00:02:00Z"}`,
			),
			want: map[string]float64{
				`jobs{status="in_progress"}`:                   2,
				`scope_jobs{scope="r",status="in_progress"}`:   2,
				`scope_status{scope="r",status="in_progress"}`: 1,
				`scope_last_job_timestamp_seconds{scope="r"}`:  1640995320,
				`scope_job_age_seconds{scope="r"}`:             0,
				`scope_in_progress_age_seconds{scope="r"}`:     30,
			},
		},
		"a completed scope of a job in progress": {
			list: google(),
			records: raw(`{"id":"1","overall_status":"in_progress","key_rings":["r"],"detailed_status":{` +
				`"r":"key ring synchronized successfully"},"createdAt":"2022-01-01T00:00:00Z"}`),
			want: map[string]float64{
				`jobs{status="in_progress"}`:                  1,
				`scope_jobs{scope="r",status="completed"}`:    1,
				`scope_status{scope="r",status="completed"}`:  1,
				`scope_last_job_timestamp_seconds{scope="r"}`: 1640995200,
				`scope_job_age_seconds{scope="r"}`:            60,
				`scope_in_progress_age_seconds{scope="r"}`:    0,
			},
		},
		"a vault in three regions has the worst status": {
			list: azure(),
			records: raw(`{"id":"1","overall_status":"in_progress","detailed_status":{` +
				`"east/a::s":"vault synchronized successfully","west/a::s":null,"north/a::s":"Vault not synchronized successfully"}}`),
			want: map[string]float64{
				`jobs{status="in_progress"}`:                      1,
				`scope_jobs{scope="a::s",status="in_progress"}`:   1,
				`scope_status{scope="a::s",status="in_progress"}`: 1,
			},
		},
		"a scope is omitted, but not its jobs": {
			list:    google(),
			forget:  59 * time.Second,
			records: raw(`{"id":"1","overall_status":"completed","key_rings":["r"],` + finished + `}`),
			want:    map[string]float64{`jobs{status="completed"}`: 1},
		},
		"a wrong clock, and names that differ in case": {
			list: azure(),
			records: raw(
				`{"id":"1","overall_status":"completed","key_vaults":["A::s"],"createdAt":"2022-01-01t00:00:00z","completed_at":"1970-01-01T00:00:00Z"}`,
				`{"id":"2","overall_status":"completed","key_vaults":["a::s"],"createdAt":"2023-01-01T00:00:00Z","updatedAt":"2021-12-31T23:59:60Z",`+
					`"detailed_status":{"west/A::S":"timed out"}}`,
			),
			want: map[string]float64{
				`jobs{status="completed"}`:                              2,
				`scope_jobs{scope="A::s",status="completed"}`:           1,
				`scope_jobs{scope="A::s",status="failed"}`:              1,
				`scope_status{scope="A::s",status="completed"}`:         1,
				`scope_last_result{result="failed",scope="A::s"}`:       1,
				`scope_last_job_timestamp_seconds{scope="A::s"}`:        1640995200,
				`scope_job_age_seconds{scope="A::s"}`:                   60,
				`scope_in_progress_age_seconds{scope="A::s"}`:           0,
				`scope_last_completion_timestamp_seconds{scope="A::s"}`: 1640995200,
				`scope_last_failure_timestamp_seconds{scope="A::s"}`:    1640995200,
			},
		},
		"finished before it started": {
			list: google(),
			records: raw(`{"id":"1","overall_status":"error","detailed_status":{"a\"\\\nb":null},` +
				`"createdAt":"2022-01-01T00:01:00Z","updatedAt":"2022-01-01T00:00:11Z","completed_at":"0001-01-01T00:00:00Z"}`),
			want: map[string]float64{
				`jobs{status="failed"}`:                                     1,
				`scope_jobs{scope="a\"\\\nb",status="failed"}`:              1,
				`scope_status{scope="a\"\\\nb",status="failed"}`:            1,
				`scope_last_result{result="failed",scope="a\"\\\nb"}`:       1,
				`scope_last_job_timestamp_seconds{scope="a\"\\\nb"}`:        1640995260,
				`scope_job_age_seconds{scope="a\"\\\nb"}`:                   0,
				`scope_in_progress_age_seconds{scope="a\"\\\nb"}`:           0,
				`scope_last_completion_timestamp_seconds{scope="a\"\\\nb"}`: 1640995211,
				`scope_last_failure_timestamp_seconds{scope="a\"\\\nb"}`:    1640995211,
				`scope_last_duration_seconds{scope="a\"\\\nb"}`:             0,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := compute(t, test.list, test.records, "2022-01-01T00:01:00Z", test.forget)
			got = about(got, `cloud="google",item="key",`, `cloud="azure",item="certificate",`)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("series (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTexts checks the status that a text gives its scope.
func TestTexts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ own, text, want string }{
		{"failed", "key ring synchronized successfully", "completed"},
		{"failed", " Vault Synchronized Successfully\n", "completed"},
		{"in_progress", "in_progress", "in_progress"},
		{"completed", "in_progress", "completed"},
		{"failed", "in_progress", "failed"},
		{"completed", "unsuccessful", "failed"},
		{"failed", "incomplete", "failed"},
		{"completed", "incomplete", "unknown"},
		{"completed", "not synchronized", "unknown"},
		{"completed", "has NOT yet been fully synchronized successfully", "unknown"},
		{"in progress", "", "in_progress"},
		{"FAILED", "In-Progress", "failed"},
		{"completed", "nobody knows", "unknown"},
		{"completed", "TooManyRequests", "failed"},
		{"completed", "domain refreshed", "completed"},
		{"completed", "wasn't completed: cancelled", "aborted"},
		{"weird", "was never complete", "unknown"},
		{"completed", "cancelled after a timeout", "failed"},
		{"in_progress", "Completed", "completed"},
		{"queued", "", "unknown"},
		{"failed", "failover-vault resynchronized successfully", "completed"},
		{"queued", "completely gone", "unknown"},
	} {
		record := fmt.Sprintf(`{"id":"1","overall_status":%q,"detailed_status":{"r":%q}}`, test.own, test.text)
		got := compute(t, google(), raw(record), "2022-01-01T00:01:00Z", 0)
		if key := oracle.Key("cckm_sync_scope_status", map[string]string{"cloud": "google", "item": "key", "scope": "r", "status": test.want}); got[key] != 1 {
			t.Errorf("%q in a job that is %s is not %s: %v", test.text, test.own, test.want, about(got, `cloud="google",item="key",`))
		}
	}
}
