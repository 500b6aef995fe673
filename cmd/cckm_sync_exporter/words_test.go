package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cckm_sync_exporter/collector/simulator"
)

// TestFailedJobIsToldWithoutSecrets holds that the log tells a failed job once, with the appliance's own words
// for it, and without the password that these repeat.
func TestFailedJobIsToldWithoutSecrets(t *testing.T) {
	appliance, _, env := startAppliance(t, t.TempDir())
	appliance.SetFixture("cckm/google/synchronization-jobs", nil)
	list := appliance.List(simulator.GoogleKeys)
	job, err := list.Insert(simulator.Job{Scopes: []string{"ring"}})
	if err != nil {
		t.Fatal(err)
	}
	list.Fail(job.ID, job.CreatedAt.Add(61*time.Second), map[string]string{"ring": "denied for " + simulator.DefaultPassword + ": 403"})
	p := start(t, env)
	const told = "a synchronization job has failed"
	for range 3 {
		p.metrics(t)
	}
	p.awaitCount(t, told, 1)
	want := fmt.Sprintf(`during=read list=google-keys scope=ring job=%s text="denied for <secret>: 403" duration=1m1s finished=`, job.ID)
	if text := p.log(); !strings.Contains(text, want) || strings.Count(text, told) != 1 {
		t.Errorf("want one line with %s, got:\n%s", want, text)
	}
	if strings.Contains(p.log(), simulator.DefaultPassword) {
		t.Errorf("the password is shown:\n%s", p.log())
	}
}
