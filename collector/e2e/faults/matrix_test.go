package faults_test

import (
	"cmp"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cckm_sync_exporter/collector/reason"
)

const (
	// usual is how long Prometheus waits by default.
	usual = 10 * time.Second
	// patient is how long it waits where nothing has to time out, however busy
	// the machine is.
	patient = 3 * usual
	// hasty is its timeout if the fault lasts until it gives up.
	hasty = 2 * time.Second * slowness
	// slack is what a busy machine may add. Without Prometheus' own timeout, a read
	// would last for 30 s.
	slack = 5 * time.Second
)

// outcome is how a list fares in a scrape under a fault: the reason for which it
// failed, or one of the words below.
type outcome string

const (
	// whole means that the scrape shows what the one before it showed.
	whole outcome = "whole"
	// counted means that every job was counted, whatever the appliance spoilt.
	counted outcome = "counted"
)

func fails(r reason.Reason) outcome { return outcome(r) }

// fault is a row of the matrix.
type fault struct {
	name  string
	place place
	// bring brings the fault about and returns what mends it.
	bring func(r *rig) (mend func())
	// google and azure are how the two lists fare. Where azure is empty, the
	// fault is not its own and it is whole.
	google, azure outcome
	// patience is how long Prometheus waits, where that is not as usual.
	patience time.Duration
	// scrapes is how often it scrapes under the fault; 0 means once.
	scrapes int
	// shares names the rig that a row has in common with others, which follow one
	// another there; empty means that it has one of its own.
	shares string
	// waits reports whether the exporter may wait after the fault before it sends
	// anything: the first scrapes after it need not be whole.
	waits bool
	// closes reports whether the exporter closes connections in the middle of a response.
	closes bool
	// alone keeps rows from running beside others that would get in its way.
	alone bool
	// check looks at what else the row is about, after the fault.
	check func(r *rig)
}

// matrix is the one table of faults.
func matrix() []fault {
	all := slices.Concat(
		networkFaults(), connectionFaults(), tlsFaults(), statusFaults(), bodyFaults(),
		listFaults(), loginFaults(), lifeFaults(), keptFaults(),
	)
	if slowness > 1 {
		// The kinds of values are one goroutine's business, in which nothing can race.
		return all
	}
	return append(all, kindFaults()...)
}

// keptFaults are the faults of a list's pages again, for an exporter that keeps a
// history: they must not get into it. A page behind the first may not be asked
// for then.
func keptFaults() []fault {
	var kept []fault
	pages := slices.Concat(connectionFaults(), statusFaults(), listFaults(), lifeFaults())
	for i := range pages {
		f := pages[i]
		if !strings.Contains(f.name, "later page") && !strings.Contains(f.name, "in the middle") {
			f.name, f.place.keeps, f.check = "kept history: "+f.name, true, wantIncremental
			kept = append(kept, f)
		}
	}
	return kept
}

// wantIncremental fails unless the history was made use of.
func wantIncremental(r *rig) {
	const reads = `cckm_sync_exporter_list_reads_total{cloud="google",item="key",kind="incremental"} `
	_, body := r.get(http.MethodGet, "/metrics", patient)
	if !strings.Contains(body, reads) || strings.Contains(body, reads+"0\n") {
		r.t.Error("no read was incremental")
	}
}

// TestMatrix holds that every fault ends within the deadline in a 200 that says
// what is wrong with which list, with the other list whole, and that the next
// scrape is whole once the fault is gone.
func TestMatrix(t *testing.T) {
	var survived atomic.Uint64
	faults := matrix()
	t.Cleanup(func() {
		t.Logf("%d faults tried, %d survived", len(faults), survived.Load())
	})
	for _, group := range groups(t, faults) {
		t.Run(group[0].group(), func(t *testing.T) {
			if !group[0].alone {
				t.Parallel()
			}
			r := newRig(t, group[0].place)
			before := r.whole()
			for _, f := range group {
				if t.Run(f.name, func(t *testing.T) {
					r.t = t
					before = f.try(t, r, before)
				}) {
					survived.Add(1)
				}
			}
			r.t = t
			r.end()
			if t.Failed() {
				t.Log(r.transcript.errors())
			}
		})
	}
}

// groups puts the rows together that share a rig.
func groups(t *testing.T, faults []fault) [][]fault {
	t.Helper()
	var groups [][]fault
	names, shared := make(map[string]bool), make(map[string]int)
	for i := range faults {
		f := faults[i]
		if names[f.name] {
			t.Errorf("two faults are called %q", f.name)
		}
		names[f.name] = true
		at, known := shared[f.shares]
		if f.shares == "" || !known {
			shared[f.shares] = len(groups)
			groups = append(groups, []fault{f})
			continue
		}
		groups[at] = append(groups[at], f)
	}
	return groups
}

// group is the name of a row's rig: that which it shares, or else its theme.
func (f *fault) group() string {
	theme, _, _ := strings.Cut(f.name, ":")
	return cmp.Or(f.shares, theme)
}

// try tries one fault, and returns what the appliance says after it.
func (f *fault) try(t *testing.T, r *rig, before scraped) (after scraped) {
	t.Helper()
	r.appliance.ResetRequests()
	mend := f.bring(r)
	patience := cmp.Or(f.patience, patient)
	if f.patience == 0 && f.google == fails(reason.Timeout) {
		patience = hasty
	}
	for range max(1, f.scrapes) {
		under := r.scrape(patience)
		f.judge(t, google, f.google, before, under)
		f.judge(t, azure, f.azure, before, under)
	}
	// If pages are canceled, the appliance sees the next ones before it notices.
	if n := r.appliance.MaxListsInFlight(); n > concurrency && f.patience == 0 && !f.closes {
		t.Errorf("%d pages were in flight at once, want no more than %d", n, concurrency)
	}
	if !r.looked.Load() {
		r.look()
	}
	mend()
	if f.waits {
		r.recover()
	}
	after = r.whole()
	for _, cloud := range clouds() {
		wantSame(t, cloud, before, after)
	}
	if f.check != nil {
		f.check(r)
	}
	return after
}

// judge fails unless a list fares as it should.
func (f *fault) judge(t *testing.T, cloud string, want outcome, before, under scraped) {
	t.Helper()
	switch want {
	case whole, "":
		wantSame(t, cloud, before, under)
	case counted:
		wantCounted(t, cloud, under.lists[cloud])
	default:
		wantFailed(t, cloud, under.lists[cloud], reason.Reason(want))
	}
}

// wantCounted fails unless each job was counted once and every value makes sense,
// whatever is left out.
func wantCounted(t *testing.T, cloud string, under series) {
	t.Helper()
	if up, _ := under.up(); up != 1 {
		t.Errorf("%s is not whole: %v", cloud, under.reasons())
	}
	wantJobs(t, under, jobsInAList)
	for name, value := range under {
		if math.IsNaN(value) || math.IsInf(value, 0) || value < 0 {
			t.Errorf("%s: %s is %v", cloud, name, value)
		}
	}
}
