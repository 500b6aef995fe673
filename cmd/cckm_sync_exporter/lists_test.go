package main

import (
	"fmt"
	"strings"
	"testing"

	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/collector/syncjob"
)

// everyList returns the flags that turn every list on.
func everyList() []string {
	lists := syncjob.Lists()
	flags := make([]string, 0, len(lists))
	for _, list := range lists {
		flags = append(flags, "--collector."+list.Name)
	}
	return flags
}

// TestDemoHasEveryList turns every list on by its flag, as a user would who wants
// to see what there is, and finds scopes and troubles in each.
func TestDemoHasEveryList(t *testing.T) {
	p := start(t, nil, append(everyList(), "demo")...)
	metrics := p.metrics(t)
	for _, list := range syncjob.Lists() {
		labels := fmt.Sprintf("{cloud=%q,item=%q", list.Cloud, list.Item)
		wantLines(t, metrics, "cckm_sync_up"+labels+"} 1")
		if n := strings.Count(metrics, "\ncckm_sync_scope_info"+labels+fmt.Sprintf(",kind=%q,", list.Kind)); n < 2 {
			t.Errorf("the list %s has %d scopes", list.Name, n)
		}
		if !strings.Contains(metrics, "\ncckm_sync_scope_last_result"+labels+`,result="completed"`) {
			t.Errorf("nothing of the list %s has ever finished", list.Name)
		}
	}
	if strings.Contains(p.log(), "level=warn during=read") {
		t.Errorf("the log has failures:\n%s", p.log())
	}
}

// TestListThatIsNotThere has appliances that are too old for a list: it is told
// once, with what to do, and the other lists are whole.
func TestListThatIsNotThere(t *testing.T) {
	const gone = "aws-keys"
	appliance, _, env := startAppliance(t, t.TempDir())
	for _, kind := range simulator.AllKinds() {
		appliance.Register(kind)
		example, _ := simulator.Example(kind.Name)
		appliance.SetFixture(kind.Path, example)
	}
	kind, _ := simulator.KindNamed(gone)
	appliance.SetFixture(kind.Path, nil)
	appliance.Unregister(gone)

	p := start(t, env, everyList()...)
	for range 3 {
		metrics := p.metrics(t)
		for _, list := range syncjob.Lists() {
			labels := fmt.Sprintf("{cloud=%q,item=%q", list.Cloud, list.Item)
			missing := fmt.Sprintf("cckm_sync_scrape_error%s,reason=%q} ", labels, "not_found")
			jobs := strings.Count(metrics, "\ncckm_sync_jobs"+labels)
			scopes := strings.Count(metrics, "\ncckm_sync_scope_info"+labels)
			if list.Name == gone {
				wantLines(t, metrics, "cckm_sync_up"+labels+"} 0", missing+"1")
				if jobs > 0 || scopes > 0 {
					t.Errorf("the list %s is not there, and has %d series of jobs and %d scopes", gone, jobs, scopes)
				}
				continue
			}
			wantLines(t, metrics, "cckm_sync_up"+labels+"} 1", missing+"0")
			if jobs != syncjob.NumStatuses || scopes == 0 {
				t.Errorf("the list %s has %d series of jobs and %d scopes", list.Name, jobs, scopes)
			}
		}
	}
	p.terminate(t)

	var told []string
	for line := range strings.Lines(p.log()) {
		if strings.Contains(line, "reason=not_found") {
			told = append(told, line)
		}
	}
	if len(told) != 1 {
		t.Fatalf("told %d times in three scrapes:\n%s", len(told), p.log())
	}
	for _, want := range []string{
		"level=warn", "list=" + gone, "turn it off (--no-collector." + gone + ")",
	} {
		if !strings.Contains(told[0], want) {
			t.Errorf("%q is missing in %s", want, told[0])
		}
	}
}
