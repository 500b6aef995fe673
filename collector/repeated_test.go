package collector_test

import (
	"fmt"
	"testing"
	"time"

	"cckm_sync_exporter/collector"
	"cckm_sync_exporter/collector/cmsim"
	"cckm_sync_exporter/collector/joblist"
	"cckm_sync_exporter/collector/syncjob"
)

// TestJobsOfTwoLists has the appliance return the same jobs in two lists: each counts them, and one line of the
// log says so, for as long as the exporter runs.
func TestJobsOfTwoLists(t *testing.T) {
	appliance := cmsim.New(cmsim.Options{Kinds: cmsim.AllKinds()})
	client := connect(t, appliance)
	lists := syncjob.Lists()[:4]
	sources := make([]collector.Source, 0, len(lists))
	for _, list := range lists {
		sources = append(sources, collector.Source{List: list, Reader: joblist.NewReader(list, client, joblist.Options{PageSize: 1000, Concurrency: 2})})
		if list.Cloud == "azure" && list.Item != "secret" {
			appliance.SetFixture(list.Path, cmsim.AzureCertificatesExample())
		}
	}
	var logged logbook
	c := collector.New(sources, collector.Options{Timeout: time.Minute, Logger: logged.logger(), Hide: client.Hide})
	defer c.Close()
	for i := range 3 {
		snapshot := c.Read(t.Context())
		for k, want := range []int{0, 2, 2, 0} {
			if err := snapshot.Lists[k].Err; err != nil {
				t.Fatal(err)
			}
			if got := snapshot.Lists[k].Summary.Jobs[syncjob.Completed]; got != want {
				t.Errorf("%s: %d jobs, want %d", snapshot.Lists[k].List.Name, got, want)
			}
		}
		lines := logged.take(t, "debug", "info", "warn")
		if i > 0 {
			wantLines(t, "another read", lines)
			continue
		}
		wantLines(t, "the first read", lines, line{"level": "debug", "list": "azure-certificates", "other": "azure-keys"})
		ids := map[any]bool{}
		for _, scope := range snapshot.Lists[1].Summary.Scopes {
			ids[scope.Newest.ID] = true
		}
		if len(lines) > 0 && !ids[lines[0]["job"]] {
			t.Errorf("the job is %v, the lists have %v", lines[0]["job"], ids)
		}
	}
}

// TestWhichJobsOfTwoLists holds which jobs are compared, and that each pair of lists is told once.
func TestWhichJobsOfTwoLists(t *testing.T) {
	running := func(id string, minute int, scope string) syncjob.Job {
		return syncjob.Job{ID: id, OverallStatus: "in_progress", CreatedAt: morning(minute), Scopes: []string{scope}}
	}
	first := summed(running("old", 0, "a"), running("middle", 1, "a"), running("new", 2, "a"), ended("past", "completed", -9, -8, done, "a"), ended("last", "completed", -7, -6, done, "a"))
	for id, want := range map[string]bool{"old": true, "middle": false, "new": true, "past": false, "last": true, "another": false} {
		for _, other := range []*syncjob.Summary{summed(running(id, 0, "b")), summed(ended(id, "failed", 0, 1, denied, "b"), ended("z", "failed", 0, 0, denied, "b"))} {
			var logged logbook
			lists := syncjob.Lists()
			// The second and the third list always have a job in common, and each first read has nothing.
			nothing, third := summed(), summed(ended(id, "failed", 0, 1, denied, "c"))
			c := collector.New([]collector.Source{
				{List: lists[0], Reader: says(nothing, first, summed(), first)},
				{List: lists[1], Reader: says(nothing, other)},
				{List: lists[2], Reader: says(nothing, nothing, nothing, third)},
			}, collector.Options{Timeout: time.Minute, Logger: logged.logger()})
			told := map[string]int{}
			for range 6 {
				c.Read(t.Context())
				for _, one := range logged.take(t, "debug") {
					told[fmt.Sprint(one["list"], " ", one["other"], " ", one["job"])]++
				}
			}
			c.Close()
			expected := map[string]int{"azure-certificates azure-keys " + id: 1}
			if want {
				expected["google-keys azure-certificates "+id], expected["google-keys azure-keys "+id] = 1, 1
			}
			if fmt.Sprint(told) != fmt.Sprint(expected) {
				t.Errorf("%s: told %v, want %v", id, told, expected)
			}
		}
	}
}
