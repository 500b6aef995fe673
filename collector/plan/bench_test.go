package plan_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"cckm_sync_exporter/collector/inventory"
	"cckm_sync_exporter/collector/plan"
	"cckm_sync_exporter/collector/recordjson"
	"cckm_sync_exporter/collector/schedule"
	"cckm_sync_exporter/collector/syncjob"
)

// BenchmarkPlan joins schedules and an inventory with the scopes of a list, which happens once per read of
// theirs, and computes the times of all scopes, which happens once a minute. The last one is the worst that
// the bounds allow: each scope has a set of schedules of its own, and all run every minute of a time zone.
//
//	go test ./collector/plan -run '^$' -bench Plan -benchtime 5x
func BenchmarkPlan(b *testing.B) {
	for _, size := range []struct {
		scopes, schedules int
		runAt             string
	}{{500, 10, "0 2 * * *"}, {5000, 50, "*/5 * * * *"}, {syncjob.MaxScopes, schedule.MaxSchedules, "TZ=Asia/Kolkata * * * * *"}} {
		list := syncjob.Lists()[0]
		summary := &syncjob.Summary{}
		containers := inventory.NewBuilder(func(text string) string { return text })
		schedules := schedule.NewBuilder(func(text string) string { return text })
		records := make([]schedule.Record, size.schedules)
		for i := range size.scopes {
			name := fmt.Sprintf("ring-%05d", i)
			summary.Scopes = append(summary.Scopes, syncjob.Scope{Name: name})
			if _, err := containers.Add("cckm/google/key-rings", &inventory.Record{ID: recordjson.Text(strconv.Itoa(i)), Name: recordjson.Text(name)}); err != nil {
				b.Fatal(err)
			}
			for _, j := range []int{i % size.schedules, i / size.schedules % size.schedules} {
				params := &records[j].Params.Value
				params.CloudName, params.KeyRings = "gcp", append(params.KeyRings, name)
			}
		}
		for i := range records {
			records[i].ID, records[i].RunAt = recordjson.Text(strconv.Itoa(i)), recordjson.Text(size.runAt)
			if _, err := schedules.Add(&records[i]); err != nil {
				b.Fatal(err)
			}
		}
		all, inv := schedules.Schedules(), containers.Inventory()
		name := fmt.Sprintf("scopes=%d/schedules=%d", size.scopes, size.schedules)
		b.Run(name+"/join", func(b *testing.B) {
			for b.Loop() {
				plan.Of(&list, summary, all, inv)
			}
		})
		b.Run(name+"/times", func(b *testing.B) {
			scopes := plan.Of(&list, summary, all, inv)
			now := time.Date(2026, time.November, 20, 12, 0, 0, 0, time.UTC)
			for b.Loop() {
				now = now.Add(time.Minute)
				for i := range scopes {
					scopes[i].Times(now)
				}
			}
		})
	}
}
