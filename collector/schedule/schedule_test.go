package schedule_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/recordjson"
	"cckm_sync_exporter/collector/schedule"
	"cckm_sync_exporter/collector/syncjob"
)

func recordText(text string) recordjson.Text { return recordjson.Text(text) }
func recordFlag(flag bool) recordjson.Flag   { return recordjson.Flag(flag) }

// decode returns the schedules of a page's records.
func decode(page []byte) (all []*schedule.Schedule, err error) {
	b := schedule.NewBuilder(func(text string) string { return text })
	_, err = recordjson.Decode(bytes.NewReader(page), func(r *schedule.Record) error {
		_, err := b.Add(r)
		return err
	})
	return b.Schedules(), err
}

// TestCovers checks which lists a schedule covers, by its record.
func TestCovers(t *testing.T) {
	for params, want := range map[string]string{
		`"cloud_name":"gcp"`:                          "google-keys",
		`"cloud_name":"aws"`:                          "aws-keys",
		`"cloud_name":"aws-us-gov"`:                   "aws-keys",
		`"cloud_name":"oci"`:                          "oci-keys",
		`"cloud_name":"sap"`:                          "sap-keys",
		`"cloud_name":"sfdc"`:                         "sfdc-keys",
		`"cloud_name":"dsm"`:                          "dsm-keys",
		`"cloud_name":"hsm-luna"`:                     "luna-keys",
		`"cloud_name":"somewhere"`:                    "",
		`"cloud_name":null`:                           "",
		`"cloud_name":"AzureCloud"`:                   "azure-keys",
		`"cloud_name":"AzureUSGov"`:                   "azure-keys",
		`"sync_items":["key"]`:                        "azure-keys",
		`"sync_items":null`:                           "azure-keys",
		`"sync_items":[]`:                             "azure-keys",
		`"sync_items":["all"]`:                        "azure-certificates azure-keys azure-secrets",
		`"sync_items":["certificate"]`:                "azure-certificates",
		`"sync_items":["secret","azure-certificate"]`: "azure-certificates azure-secrets",
		`"sync_items":"Secrets"`:                      "azure-secrets",
		`"sync_item":"all"`:                           "azure-certificates azure-keys azure-secrets",
		`"sync_item":"certificate"`:                   "azure-certificates",
		`"sync_items":["nonsense"]`:                   "",
	} {
		for _, field := range []string{"job_config_params", "cckm_synchronization_params"} {
			if !strings.Contains(params, "cloud_name") {
				params = `"cloud_name":"AzureCloud",` + params
			}
			page := `{"skip":0,"limit":-1,"total":1,"resources":[{"id":"1","run_at":"0 2 * * *","` + field + `":{` + params + `,"synchronize_all":true}}]}`
			all, err := decode([]byte(page))
			if err != nil {
				t.Fatalf("%s: %v", params, err)
			}
			var got []string
			for _, list := range syncjob.Lists() {
				if all[0].Covers(&list) {
					got = append(got, list.Name)
				}
			}
			slices.Sort(got)
			if strings.Join(got, " ") != want {
				t.Errorf("%s in %s covers %v, want %s", params, field, got, want)
			}
		}
	}
}

// TestLabels checks what schedules are called.
func TestLabels(t *testing.T) {
	all := build(t,
		schedule.Record{ID: "aaaaaaaa-1", Name: "nightly"},
		schedule.Record{ID: "bbbbbbbb-2", Name: "nightly"},
		schedule.Record{ID: "bbbbbbbb-2", Name: "nightly"},
		schedule.Record{ID: "cccccccc-3", Name: "twin"},
		schedule.Record{ID: "cccccccc-4", Name: "twin"},
		schedule.Record{ID: "dddddddd-5", Name: "alone"},
		schedule.Record{ID: "eeeeeeee-6"},
		schedule.Record{ID: "ffffffff-7", Name: "other", Operation: "key_rotation"},
	)
	got := make([]string, 0, len(all))
	for _, s := range all {
		got = append(got, s.Label)
	}
	want := []string{
		"alone", "eeeeeeee-6", "nightly (aaaaaaaa)", "nightly (bbbbbbbb)",
		"twin (cccccccc) (cccccccc-3)", "twin (cccccccc) (cccccccc-4)",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestDoubles checks that of two records with one id, the one that was updated last counts.
func TestDoubles(t *testing.T) {
	old, changed := schedule.Record{ID: "1", Name: "old"}, schedule.Record{ID: "1", Name: "new", Disabled: true}
	changed.UpdatedAt.Time = at(t, "2026-01-01 00:00")
	for _, records := range [][]schedule.Record{{old, changed}, {changed, old}} {
		if all := build(t, records...); len(all) != 1 || all[0].Label != "new" || !all[0].Disabled {
			t.Errorf("got %d schedules, the first is %q", len(all), all[0].Label)
		}
	}
}

// TestEnabled checks a schedule's dates.
func TestEnabled(t *testing.T) {
	r := schedule.Record{ID: "1", RunAt: "0 2 * * *"}
	r.StartDate.Time, r.EndDate.Time = at(t, "2026-11-01 00:00"), at(t, "2026-11-30 00:00")
	for now, want := range map[string]bool{"2026-10-31 23:59": false, "2026-11-01 00:00": true, "2026-11-30 00:00": true, "2026-11-30 00:01": false} {
		if got := build(t, r)[0].Enabled(at(t, now)); got != want {
			t.Errorf("at %s: %t", now, got)
		}
	}
	r.Disabled = true
	if build(t, r)[0].Enabled(at(t, "2026-11-15 00:00")) {
		t.Error("a disabled schedule is enabled")
	}
}

// FuzzDecode checks that no response makes the decoder panic, or a schedule without end.
func FuzzDecode(f *testing.F) {
	for _, page := range []string{
		`{"skip":0,"limit":-1,"total":1,"resources":[{"id":"5a0e","name":"google-nightly","operation":"cckm_synchronization","run_at":"0 2 * * *","run_on":"any","disabled":false,
 "createdAt":"2026-01-01T10:00:00.1Z","updatedAt":"2026-01-01T10:00:00.1Z","start_date":"2026-01-01T00:00:00Z","end_date":"0001-01-01T00:00:00Z",
 "job_config_params":{"cloud_name":"gcp","key_rings":["projects/p/locations/global/keyRings/r"],"synchronize_all":false}}]}`,
		`{"total":1,"resources":[{"id":"1","run_at":"TZ="}]}`,
		`{"total":1,"resources":[{"id":"1","run_at":"CRON_TZ=America/Sao_Paulo 0 0 31 2 ?","disabled":"true","job_config_params":[]}]}`,
		`{"total":1,"resources":[{"id":"1","run_at":"@every 1ns","start_date":null,"job_config_params":{"sync_items":{"a":1},"kms":[1,null,"x"]}}]}`,
		`{"total":0,"resources":null}`, `{"total":1,"resources":[[]]}`, `[]`, ``, `{"total":"x"}`, `null`,
	} {
		f.Add([]byte(page))
	}
	now := time.Date(2026, time.November, 20, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, page []byte) {
		all, err := decode(page)
		if err != nil && reason.Of(err) != reason.Decode {
			t.Errorf("the error has the reason %s: %v", reason.Of(err), err)
		}
		times := schedule.NewSet(all).Times(now, time.Time{})
		if times.Due.After(now) || !times.Next.IsZero() && !times.Next.After(now) || times.Late.After(times.Due) || times.Interval < 0 {
			t.Errorf("times %+v", times)
		}
	})
}
