package syncjob_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"cckm_sync_exporter/collector/e2e/oracle"
	"cckm_sync_exporter/collector/printable"
	"cckm_sync_exporter/collector/syncjob"
)

// FuzzScopeStatus compares a job's status, its scopes and the scopes' own statuses with the oracle.
func FuzzScopeStatus(f *testing.F) {
	for _, text := range []string{
		"", "in_progress", " IN_PROGRESS\n", "key ring synchronized successfully", "failover-vault synchronized successfully",
		"notsynchronized synchronized successfully", "vault synchronized successfully: 3 keys failed", "could not be synchronized successfully",
		"has never been fully synchronized", "isn't  complete", "not\tbe\nsynchronized", "notwithstanding, completed", "not only completed",
		"incomplete", "resynchronized", "succeeded", "completed: cancelled", "cancelled: timeout", "not synchronized: aborted", "timed out",
		"ошибка", "completed2", "completed_", "don't yet be fully success", "synchronized " + strings.Repeat("é", syncjob.MaxText),
	} {
		for i, overall := range []string{"in_progress", "completed", "failed", "error", "cancelled"} {
			f.Add(overall, i%2 == 0, "vault::sub", "eastus/vault::sub", text)
		}
	}
	f.Add("completed", true, "a/b", "a/b", "")
	f.Add("completed", false, "", "/", "failed")
	f.Add("In Progress", true, "MyVault::S", "eastus/myvault::s", "In-Progress")
	f.Add("COMPLETED", true, "projects/p/keyRings/r", "projects/p/keyRings/r", "failed")
	lists := make(map[bool]syncjob.List)
	for _, l := range syncjob.Lists() {
		lists[l.RegionPrefixed] = l
	}
	f.Fuzz(func(t *testing.T, overall string, abort bool, field, key, text string) {
		for _, value := range []string{overall, field, key, text} {
			// The oracle ignores the case of all letters, and the decoder rejects invalid UTF-8.
			if !utf8.ValidString(value) || strings.ContainsAny(value, "\u017f\u0130\u0131\u212a") {
				return
			}
		}
		record, err := json.Marshal(map[string]any{
			"id": "1", "overall_status": overall, "abort": abort, "scopes": []string{field}, "detailed_status": map[string]string{key: text},
		})
		if err != nil {
			t.Fatal(err)
		}
		for prefixed, l := range lists {
			s := syncjob.NewSummarizer(l)
			add(t, s, &syncjob.Job{
				ID: "1", OverallStatus: overall, Abort: abort, Scopes: []string{field},
				Details: []syncjob.Detail{{Key: key, Text: printable.Shorten(text, syncjob.MaxText)}},
			}, at(59))
			got := s.Summary(at(59))
			want, texts, err := oracle.Compute(oracle.List{ScopeFields: []string{"scopes"}, RegionPrefix: prefixed}, []json.RawMessage{record}, at(59), 0)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Scopes) != len(texts) {
				t.Errorf("field %q, key %q: %d scopes, want %v", field, key, len(got.Scopes), texts)
			}
			for _, status := range syncjob.Statuses() {
				labels := map[string]string{"cloud": "", "item": "", "status": status.String()}
				if float64(got.Jobs[status]) != want[oracle.Key("cckm_sync_jobs", labels)] {
					t.Errorf("%q, abort %t: %v jobs, want another number that are %s", overall, abort, got.Jobs, status)
				}
				for i := range got.Scopes {
					labels["scope"] = got.Scopes[i].Name
					if float64(got.Scopes[i].Jobs[status]) != want[oracle.Key("cckm_sync_scope_jobs", labels)] {
						t.Errorf("%q, abort %t, text %q: scope %+v, want another number that are %s", overall, abort, text, got.Scopes[i], status)
					}
				}
			}
		}
	})
}
