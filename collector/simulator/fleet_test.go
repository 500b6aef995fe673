package simulator_test

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/collector/simulator"
)

// newFleet makes an appliance with a fleet in it.
func newFleet(t *testing.T, opts simulator.FleetOptions) (*simulator.Appliance, *simulator.Fleet) {
	t.Helper()
	a := simulator.New(simulator.Options{Clock: newClock().Now})
	f, err := simulator.NewFleet(a, opts)
	if err != nil {
		t.Fatal(err)
	}
	return a, f
}

// lists returns all that the appliance's two lists hold.
func lists(a *simulator.Appliance) [][]simulator.Job {
	return [][]simulator.Job{a.List(simulator.GoogleKeys).Snapshot(), a.List(simulator.AzureCertificates).Snapshot()}
}

func TestFleetIsThereFromTheFirstSecond(t *testing.T) {
	a, _ := newFleet(t, simulator.FleetOptions{})
	begin := newClock().Now()
	for _, jobs := range lists(a) {
		if len(jobs) < 400 {
			t.Errorf("a backlog of %d jobs", len(jobs))
		}
		if age := begin.Sub(jobs[0].CreatedAt); age < 3*24*time.Hour || age > 5*24*time.Hour {
			t.Errorf("the backlog begins %v before", age)
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
				for _, text := range j.DetailedStatus {
					if text == "vault synchronized successfully" {
						oneOfMany++
					}
				}
			default:
				completed++
			}
		}
		if completed == 0 || failed == 0 || aborted == 0 {
			t.Errorf("%d completed, %d failed, %d aborted", completed, failed, aborted)
		}
		if azure := jobs[0].Cloud == "AzureCloud"; (oneOfMany > 0) != azure {
			t.Errorf("%s: %d jobs failed for one vault of several", jobs[0].Cloud, oneOfMany)
		}
		if want := []time.Duration{3 * time.Hour, 40 * time.Minute}; !slices.Equal(hanging, want) {
			t.Errorf("in progress since %v, want %v", hanging, want)
		}
	}
}

func TestFleetInOneStepOrMany(t *testing.T) {
	begin := newClock().Now()
	for _, keep := range []int{0, 7} {
		for _, span := range []time.Duration{time.Second, 83 * time.Second, 17*time.Minute + 3*time.Second} {
			opts := simulator.FleetOptions{Backlog: 50, Keep: keep, Seed: 5}
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

func TestFleetNeverRests(t *testing.T) {
	begin := newClock().Now()
	for _, name := range []string{simulator.GoogleKeys, simulator.AzureCertificates} {
		a, f := newFleet(t, simulator.FleetOptions{Backlog: 20})
		changed, before := begin, map[string]string(nil)
		for now := begin; now.Before(begin.Add(20 * time.Minute)); now = now.Add(time.Second) {
			f.Advance(now)
			shown := make(map[string]string)
			for _, j := range a.List(name).Snapshot() {
				shown[j.ID] = j.OverallStatus
			}
			if !maps.Equal(shown, before) {
				changed, before = now, shown
			}
			if rest := now.Sub(changed); rest > 20*time.Second {
				t.Fatalf("%s: nothing changed for %v at %v", name, rest, now.Sub(begin))
			}
		}
	}
}

// TestFleetJobsAreOrderly follows every job from second to second.
func TestFleetJobsAreOrderly(t *testing.T) {
	a, f := newFleet(t, simulator.FleetOptions{Backlog: 20})
	begin := newClock().Now()
	known := make(map[string]simulator.Job)
	var ended, partly, aborting int
	for now := begin; now.Before(begin.Add(10 * time.Minute)); now = now.Add(time.Second) {
		f.Advance(now)
		for _, j := range slices.Concat(lists(a)...) {
			old, seen := known[j.ID]
			known[j.ID] = j
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
	}
	if ended < 50 || partly == 0 || aborting == 0 {
		t.Errorf("%d jobs ended, %d sightings of partly finished and %d of aborting ones", ended, partly, aborting)
	}
}

func TestFleetOverYears(t *testing.T) {
	a, f := newFleet(t, simulator.FleetOptions{Keep: 100})
	f.Advance(newClock().Now().AddDate(20, 0, 0))
	for _, jobs := range lists(a) {
		if n := len(jobs); n < 300 || n > 700 {
			t.Errorf("%d jobs, want at most a hundred of each life", n)
		}
	}
}

// newFullFleet makes an appliance with every list and lives in all of them.
func newFullFleet(t *testing.T) (*simulator.Appliance, *simulator.Fleet) {
	t.Helper()
	a := simulator.New(simulator.Options{Clock: newClock().Now, Kinds: simulator.AllKinds()})
	f, err := simulator.NewFleet(a, simulator.FleetOptions{Lives: simulator.AllLives(), Keep: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return a, f
}

// TestAllLives holds that every list has something to show from the first second on and changes afterwards, that it
// stays small, and that the two default lists are what they are without the others.
func TestAllLives(t *testing.T) {
	begin := newClock().Now()
	few, ofFew := newFleet(t, simulator.FleetOptions{Keep: 1000})
	all, ofAll := newFullFleet(t)
	for _, passed := range []time.Duration{0, 13*time.Minute + time.Second} {
		ofFew.Advance(begin.Add(passed))
		ofAll.Advance(begin.Add(passed))
		if diff := cmp.Diff(lists(few), lists(all)); diff != "" {
			t.Fatalf("after %v the default lists differ: %s", passed, diff)
		}
	}
	for _, kind := range simulator.AllKinds() {
		var ended, running, wrong, recent int
		for _, j := range all.List(kind.Name).Snapshot() {
			if j.OverallStatus == simulator.StatusInProgress {
				running++
			} else {
				ended++
			}
			if j.Abort || j.OverallStatus == simulator.StatusFailed || begin.Sub(j.CreatedAt) > 30*time.Minute && j.OverallStatus == simulator.StatusInProgress {
				wrong++
			}
			if j.CreatedAt.After(begin) {
				recent++
			}
		}
		if ended < 100 || wrong == 0 || recent < 3 {
			t.Errorf("%s: %d jobs have ended, %d run, %d are in trouble, %d are recent", kind.Name, ended, running, wrong, recent)
		}
	}
	ofAll.Advance(begin.AddDate(1, 0, 0))
	for _, kind := range simulator.AllKinds() {
		isDefault := kind.Name == simulator.GoogleKeys || kind.Name == simulator.AzureCertificates
		if n := all.List(kind.Name).Len(); n > 300 && !isDefault {
			t.Errorf("%s: %d jobs after a year", kind.Name, n)
		}
	}
}

// TestLivesSayWhatIsKnown checks that the fleet's jobs have what the API's public examples have, and what the
// product does elsewhere: a status with a blank, clouds' errors, completed jobs with a failed scope, odd texts.
func TestLivesSayWhatIsKnown(t *testing.T) {
	a := simulator.New(simulator.Options{Clock: newClock().Now, Kinds: simulator.AllKinds()})
	f, err := simulator.NewFleet(a, simulator.FleetOptions{Lives: simulator.AllLives()})
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for step := range 60 {
		f.Advance(newClock().Now().Add(time.Duration(step) * 7 * time.Second))
		for _, kind := range simulator.AllKinds() {
			for _, j := range a.List(kind.Name).Snapshot() {
				seen[j.OverallStatus] = true
				if strings.Contains(string(a.List(kind.Name).JSON(j)), "detailed_status") == (j.OverallStatus == "in progress") {
					t.Fatalf("%s: detailed_status of a job that is %s: %s", kind.Name, j.OverallStatus, a.List(kind.Name).JSON(j))
				}
				for _, text := range j.DetailedStatus {
					seen[kind.Name+": "+j.OverallStatus+": "+text] = true
				}
			}
		}
	}
	const aadsts = "[NCERRBadRequest: Bad HTTP request]: Error Listing Azure vault : AADSTS7000222: The provided client secret keys for app " +
		"'9d1c3f0a-6b52-4e8e-8a43-2f0d6c2b9e11' are expired."
	for _, want := range []string{
		"in progress", "in_progress", "failed",
		"aws-keys: failed: [NCERRBadRequest: Bad HTTP request]: Error Listing AWS Keys : TooManyRequests",
		"azure-secrets: completed: " + aadsts, "azure-secrets: completed: vault skipped: pending deletion",
		"azure-certificates: failed: " + aadsts, "external-cm-keys: completed: domain synchronized successfully",
	} {
		if !seen[want] {
			t.Errorf("no job has %q", want)
		}
	}
}

func TestFleetLeavesCancelledJobsAlone(t *testing.T) {
	a, f := newFleet(t, simulator.FleetOptions{})
	c := connect(t, a)
	l := a.List(simulator.GoogleKeys)
	hung := slices.IndexFunc(l.Snapshot(), func(j simulator.Job) bool { return j.OverallStatus == simulator.StatusInProgress })
	id := l.Snapshot()[hung].ID
	ask[answered](c, "POST", googlePath+"/"+id+"/cancel", "", 200)
	before, _ := l.Get(id)
	f.Advance(newClock().Now().Add(time.Minute))
	after, _ := l.Get(id)
	if diff := cmp.Diff(before, after); diff != "" || before.OverallStatus != simulator.StatusCompleted {
		t.Error(diff)
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

func TestLivesThatCannotBe(t *testing.T) {
	good := simulator.Life{Name: "x", List: simulator.GoogleKeys, Scopes: []string{"s"}, Period: time.Minute}
	for name, spoil := range map[string]func(*simulator.Life){
		"no name":        func(l *simulator.Life) { l.Name = "" },
		"no scopes":      func(l *simulator.Life) { l.Scopes = nil },
		"no such list":   func(l *simulator.Life) { l.List = "y" },
		"short period":   func(l *simulator.Life) { l.Period = time.Second },
		"negative phase": func(l *simulator.Life) { l.Phase = -1 },
		"negative keep":  func(l *simulator.Life) { l.Keep = -1 },
	} {
		life := good
		spoil(&life)
		if _, err := simulator.NewFleet(simulator.New(simulator.Options{}), simulator.FleetOptions{Lives: []simulator.Life{life}}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := simulator.NewFleet(simulator.New(simulator.Options{}), simulator.FleetOptions{Lives: []simulator.Life{good, good}}); err == nil {
		t.Error("the same name twice: no error")
	}
}
