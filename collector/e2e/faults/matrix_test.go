package faults_test

import (
	"cmp"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

const (
	// patient is the timeout of a scrape that must not time out, even on a busy machine.
	patient = 30 * time.Second
	// hasty is the timeout of a scrape that has to time out.
	hasty = 2 * time.Second * slowness
	// slack is the time that a busy machine may add to a timeout.
	slack = 5 * time.Second
)

// outcome is the result of a list in a scrape under a fault: the reason of its failure, or one of the values
// below.
type outcome string

const (
	// whole means that the series are those of the scrape before.
	whole outcome = "whole"
	// counted means that every job is counted, although some of its fields are invalid.
	counted outcome = "counted"
)

func fails(r reason.Reason) outcome { return outcome(r) }

// fault is a row of the matrix.
type fault struct {
	name  string
	place place
	// start starts the fault and returns a function that ends it.
	start func(r *rig) (end func())
	// google and azure are the outcomes of the two lists. An empty azure means whole.
	google, azure outcome
	// patience is the timeout of the scrape, if it is not the default for the outcome.
	patience time.Duration
	// scrapes is the number of scrapes under the fault; 0 means 1.
	scrapes int
	// waits reports whether the exporter may pause after the fault: the first scrapes after it need not be
	// whole.
	waits bool
	// alone keeps the row from running in parallel with others.
	alone bool
	// check checks what else the row is about, after the fault.
	check func(r *rig)
}

// matrix returns all rows. Those of a group share a rig and run one after another.
func matrix() (groups [][]fault) {
	all := slices.Concat(
		// The rows with the longest waits come first.
		loginFaults(), networkFaults(), connectionFaults(), tlsFaults(), statusFaults(), bodyFaults(),
		listFaults(), lifeFaults(),
	)
	if livetest.Everything() {
		all = append(all, cachedFaults()...)
	}
	for row := range slices.Chunk(all, 1) {
		groups = append(groups, row)
	}
	if slowness > 1 {
		// Values of the wrong kind are handled by one goroutine: the race detector finds nothing there.
		return groups
	}
	return append(groups, kindFaults()...)
}

// cachedFaults returns the faults of pages again, for an exporter with a cache, which must stay correct.
// Incremental reads may not request a later page.
func cachedFaults() []fault {
	var cached []fault
	pages := slices.Concat(connectionFaults(), statusFaults(), listFaults(), lifeFaults())
	for i := range pages {
		f := pages[i]
		if !strings.Contains(f.name, "later page") && !strings.Contains(f.name, "in the middle") {
			f.name, f.place.caches, f.check = "cached: "+f.name, true, wantIncremental
			cached = append(cached, f)
		}
	}
	return cached
}

// wantIncremental fails unless a read was incremental.
func wantIncremental(r *rig) {
	const reads = `cckm_sync_exporter_list_reads_total{cloud="google",item="key",kind="incremental"} `
	_, body := r.get(http.MethodGet, "/metrics", patient)
	if !strings.Contains(body, reads) || strings.Contains(body, reads+"0\n") {
		r.t.Error("no read was incremental")
	}
}

// TestMatrix scrapes under every fault. The response must be 200, arrive before the deadline and have the
// expected outcome of each list. The scrape after the fault must be whole.
func TestMatrix(t *testing.T) {
	for _, rows := range matrix() {
		theme, _, _ := strings.Cut(rows[0].name, ":")
		t.Run(theme, func(t *testing.T) {
			if !rows[0].alone {
				t.Parallel()
			}
			r := newRig(t, rows[0].place)
			before := r.whole()
			for _, f := range rows {
				t.Run(f.name, func(t *testing.T) {
					r.t = t
					before = f.try(t, r, before)
				})
			}
			r.t = t
			r.end()
			if t.Failed() {
				t.Log(r.transcript.errors())
			}
		})
	}
}

// try runs a row and returns the scrape after the fault.
func (f *fault) try(t *testing.T, r *rig, before scraped) (after scraped) {
	t.Helper()
	r.appliance.ResetRequests()
	end := f.start(r)
	patience := cmp.Or(f.patience, patient)
	if f.patience == 0 && f.google == fails(reason.Timeout) {
		patience = hasty
	}
	for range max(1, f.scrapes) {
		under := r.scrape(patience)
		f.judge(t, google, f.google, before, under)
		f.judge(t, azure, f.azure, before, under)
	}
	if !r.looked.Load() {
		r.look()
	}
	end()
	if f.waits {
		r.waitUntilUp()
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

// judge fails unless a list has the outcome.
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

// wantCounted fails unless each job is counted once and every value is valid. Series may be absent.
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
