package simulator_test

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/collector/simulator"
)

// newFleet makes an appliance with all lists, and a fleet in it.
func newFleet(t *testing.T, opts simulator.FleetOptions) (*simulator.Appliance, *simulator.Fleet) {
	t.Helper()
	a := simulator.New(simulator.Options{Clock: newClock().Now, Kinds: simulator.AllKinds()})
	f, err := simulator.NewFleet(a, opts)
	if err != nil {
		t.Fatal(err)
	}
	return a, f
}

// lists returns the jobs of the two default lists.
func lists(a *simulator.Appliance) [][]simulator.Job {
	return [][]simulator.Job{a.List(simulator.GoogleKeys).Jobs(), a.List(simulator.AzureCertificates).Jobs()}
}

func TestFleetHasABacklog(t *testing.T) {
	a, _ := newFleet(t, simulator.FleetOptions{})
	begin := newClock().Now()
	for i, jobs := range lists(a) {
		if age := begin.Sub(jobs[len(jobs)-1].CreatedAt); len(jobs) < 400 || age < 6*24*time.Hour || age > 11*24*time.Hour {
			t.Errorf("a backlog of %d jobs since %v", len(jobs), age)
		}
		var completed, failed, aborted, oneOfMany int
		var hanging []time.Duration
		for _, j := range jobs {
			switch {
			case j.OverallStatus == simulator.StatusInProgress:
				hanging = append(hanging, begin.Sub(j.CreatedAt).Truncate(10*time.Minute))
			case j.Abort:
				aborted++
			case j.OverallStatus == simulator.StatusFailed:
				failed++
				if slices.Contains(slices.Collect(maps.Values(j.DetailedStatus)), "vault synchronized successfully") {
					oneOfMany++
				}
			default:
				completed++
			}
		}
		if completed == 0 || failed == 0 || aborted == 0 || (oneOfMany > 0) != (i == 1) {
			t.Errorf("%d completed, %d failed, %d for one vault of several, %d aborted", completed, failed, oneOfMany, aborted)
		}
		if want := []time.Duration{40 * time.Minute, 3 * time.Hour}; !slices.Equal(hanging, want) {
			t.Errorf("in progress since %v, want %v", hanging, want)
		}
	}
}

func TestFleetInOneStepOrMany(t *testing.T) {
	begin := newClock().Now()
	for _, keep := range []int{0, 7} {
		lives := simulator.DefaultLives()
		for i := range lives {
			lives[i].Keep = keep
		}
		for _, span := range []time.Duration{time.Second, 83 * time.Second, 17*time.Minute + 3*time.Second} {
			opts := simulator.FleetOptions{Backlog: 50, Seed: 5, Lives: lives}
			once, f := newFleet(t, opts)
			f.Advance(begin.Add(span))
			often, f := newFleet(t, opts)
			for at := time.Duration(0); at < span; at += 1700 * time.Millisecond {
				f.Advance(begin.Add(at))
			}
			f.Advance(begin.Add(span))
			f.Advance(begin) // Time does not run backwards.
			if diff := cmp.Diff(lists(once), lists(often)); diff != "" {
				t.Fatalf("keep %d, after %v: %s", keep, span, diff)
			}
		}
	}
}

// TestFleetFromSecondToSecond follows every job, and checks that something changes every 20 seconds.
func TestFleetFromSecondToSecond(t *testing.T) {
	a, f := newFleet(t, simulator.FleetOptions{Backlog: 20})
	begin := newClock().Now()
	known := make(map[simulator.UUID]simulator.Job)
	changed := []time.Time{begin, begin}
	var ended, partly, aborting int
	for now := begin; now.Before(begin.Add(20 * time.Minute)); now = now.Add(time.Second) {
		f.Advance(now)
		for i, jobs := range lists(a) {
			for _, j := range jobs {
				old, seen := known[j.ID]
				known[j.ID] = j
				if old.OverallStatus != j.OverallStatus {
					changed[i] = now
				}
				if seen && old.OverallStatus != simulator.StatusInProgress && !reflect.DeepEqual(old, j) {
					t.Fatalf("a finished job changed: %s", cmp.Diff(old, j))
				}
				if j.CreatedAt.After(now) || j.CompletedAt.After(now) || j.UpdatedAt.Before(old.UpdatedAt) || j.UpdatedAt.Before(j.CreatedAt) {
					t.Fatalf("a time is wrong at %v: %+v", now, j)
				}
				if j.OverallStatus == simulator.StatusInProgress {
					if !j.CompletedAt.IsZero() {
						t.Fatalf("a running job is complete: %+v", j)
					}
					if j.Abort {
						aborting++
					}
					for _, text := range j.DetailedStatus {
						if text != simulator.StatusInProgress {
							partly++
						}
					}
					continue
				}
				if took := j.CompletedAt.Sub(j.CreatedAt); took < 2*time.Second || took > 45*time.Second {
					t.Fatalf("a job took %v: %+v", took, j)
				}
				if seen && old.OverallStatus == simulator.StatusInProgress {
					ended++
				}
			}
			if rest := now.Sub(changed[i]); rest > 20*time.Second {
				t.Fatalf("list %d: nothing changed for %v at %v", i, rest, now.Sub(begin))
			}
		}
	}
	if ended < 100 || partly == 0 || aborting == 0 {
		t.Errorf("%d jobs ended, %d sightings of partly finished and %d of aborting ones", ended, partly, aborting)
	}
}

// TestAllLives checks that every list has jobs of each kind from the first second on, keeps changing and
// stays small, and that the other lists do not change the two default ones.
func TestAllLives(t *testing.T) {
	begin := newClock().Now()
	lives := simulator.AllLives()
	for i := range simulator.DefaultLives() {
		lives[i].Keep = 1000
	}
	few, ofFew := newFleet(t, simulator.FleetOptions{Lives: lives[:len(simulator.DefaultLives())]})
	all, ofAll := newFleet(t, simulator.FleetOptions{Lives: lives})
	ended, troubled, recent := make(map[string]int), make(map[string]bool), make(map[string]int)
	seen := make(map[string]bool)
	for now := begin; now.Before(begin.Add(13 * time.Minute)); now = now.Add(20 * time.Second) {
		ofAll.Advance(now)
		for _, kind := range simulator.AllKinds() {
			ended[kind.Name], recent[kind.Name] = 0, 0
			for _, j := range all.List(kind.Name).Jobs() {
				runs := slices.Contains([]string{"in_progress", "in progress"}, j.OverallStatus)
				if !runs {
					ended[kind.Name]++
				}
				if j.Abort || j.OverallStatus == simulator.StatusFailed || runs && begin.Sub(j.CreatedAt) > 30*time.Minute {
					troubled[kind.Name] = true
				}
				if j.CreatedAt.After(begin) {
					recent[kind.Name]++
				}
				seen[kind.Name+": "+j.OverallStatus] = true
				for _, text := range j.DetailedStatus {
					seen[kind.Name+": "+j.OverallStatus+": "+text] = true
				}
			}
		}
		ofFew.Advance(now)
	}
	if diff := cmp.Diff(lists(few), lists(all)); diff != "" {
		t.Fatalf("the default lists differ: %s", diff)
	}
	for _, kind := range simulator.AllKinds() {
		if name := kind.Name; !troubled[name] || ended[name] < 100 || recent[name] < 3 {
			t.Errorf("%s: %d jobs have ended, %d are recent, some are in trouble: %t", name, ended[name], recent[name], troubled[name])
		}
	}
	// The forms that the API's examples and the product's other texts have.
	const aadsts = "[NCERRBadRequest: Bad HTTP request]: Error Listing Azure vault : AADSTS7000222: The provided client secret keys for app " +
		"'9d1c3f0a-6b52-4e8e-8a43-2f0d6c2b9e11' are expired."
	for _, want := range []string{
		"google-keys: in_progress: in_progress", "external-cm-keys: in progress", "external-cm-keys: completed: domain synchronized successfully",
		"aws-keys: failed: [NCERRBadRequest: Bad HTTP request]: Error Listing AWS Keys : TooManyRequests",
		"azure-certificates: failed: " + aadsts, "azure-secrets: completed: " + aadsts, "azure-secrets: completed: vault skipped: pending deletion",
	} {
		if !seen[want] {
			t.Errorf("no job has %q", want)
		}
	}
	ofAll.Advance(begin.AddDate(1, 0, 0))
	for _, kind := range simulator.AllKinds()[2:] {
		if n := all.List(kind.Name).Len(); n > 300 {
			t.Errorf("%s: %d jobs after a year", kind.Name, n)
		}
	}
}

func TestFleetRuns(t *testing.T) {
	now := newClock()
	a := simulator.New(simulator.Options{Clock: now.Now})
	f, err := simulator.NewFleet(a, simulator.FleetOptions{Backlog: 1})
	if err != nil {
		t.Fatal(err)
	}
	want := a.List(simulator.GoogleKeys).Len() + 1
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.Run(ctx, time.Millisecond)
	}()
	for a.List(simulator.GoogleKeys).Len() < want {
		now.Move(100 * time.Millisecond)
	}
	cancel()
	<-done
}

func TestInvalidLives(t *testing.T) {
	for _, life := range []simulator.Life{
		{Name: "a", List: "unknown", Scopes: []string{"s"}, Period: time.Minute},
		{Name: "b", List: simulator.GoogleKeys, Scopes: []string{"s"}, Period: time.Second},
	} {
		if _, err := simulator.NewFleet(simulator.New(simulator.Options{}), simulator.FleetOptions{Lives: []simulator.Life{life}}); err == nil {
			t.Errorf("life %s: no error", life.Name)
		}
	}
}
