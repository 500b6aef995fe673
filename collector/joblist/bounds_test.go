package joblist_test

import (
	"context"
	"errors"
	"io"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"

	"cckm_sync_exporter/collector/joblist"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

// wordy returns a job with a long text for each of many key rings, half of a megabyte in all.
func wordy(number int, status string) job {
	wordy := newJob(number, status, rings(0, 1000)...)
	wordy.Details = map[string]string{}
	for _, ring := range wordy.KeyRings {
		wordy.Details[ring] = strings.Repeat("x", syncjob.MaxText)
	}
	return wordy
}

// TestOpenJobsAreBounded checks that a list is cached until its open jobs take more than 8 MiB.
func TestOpenJobsAreBounded(t *testing.T) {
	t.Parallel()
	const bound = 8 << 20
	getter := &served{jobs: completed()}
	reader := newReader(getter, nil)
	readWhole(t, reader)
	size := 0
	for number := 1; ; number++ {
		size += 1000 * syncjob.MaxText
		getter.jobs = slices.Insert(getter.jobs, 0, wordy(number, syncjob.OverallInProgress))
		_, _, err := reader.Update(t.Context())
		if errors.Is(err, joblist.ErrUnproven) {
			break
		}
		if err != nil || size > bound {
			t.Fatalf("%d bytes: %v, want ErrUnproven", size, err)
		}
	}
	if size < bound/2 {
		t.Errorf("only %d bytes were cached", size)
	}
	readWhole(t, reader)
	if reader.Known() {
		t.Error("a list with large open jobs is cached")
	}
}

// TestIncrementalReadIsBounded checks that an incremental read stops when the new jobs are too large.
func TestIncrementalReadIsBounded(t *testing.T) {
	t.Parallel()
	getter := &served{jobs: completed()}
	reader := newReader(getter, nil)
	readWhole(t, reader)
	for number := range 70 {
		getter.jobs = slices.Insert(getter.jobs, 0, wordy(number+1, syncjob.OverallCompleted))
	}
	if _, _, err := reader.Update(t.Context()); !errors.Is(err, joblist.ErrUnproven) {
		t.Errorf("got %v, want ErrUnproven", err)
	}
}

// TestTooManyScopes checks that an incremental read refuses new jobs with too many scopes, of any status.
func TestTooManyScopes(t *testing.T) {
	t.Parallel()
	for _, status := range []string{syncjob.OverallInProgress, syncjob.OverallCompleted} {
		getter := &served{jobs: completed()}
		reader := newReader(getter, nil)
		readWhole(t, reader)
		for number, want := range []reason.Reason{"", reason.Decode} {
			getter.jobs = slices.Insert(getter.jobs, 0, newJob(1+number, status, rings(number*15_000, 15_000)...))
			_, _, err := reader.Update(t.Context())
			if got := reason.Of(err); (err != nil || want != "") && got != want {
				t.Errorf("after %d jobs that are %s: %v, want reason %q", number+1, status, err, want)
			}
		}
		if reader.Known() {
			t.Errorf("a list with too many scopes in jobs that are %s is cached", status)
		}
	}
}

// claiming is a joblist.Getter of a list whose first page has a large total, and whose other pages fail.
type claiming struct{}

// Get implements joblist.Getter.
func (claiming) Get(_ context.Context, _ string, query url.Values, read func(io.Reader) error) error {
	if query.Get("skip") != "0" {
		return reason.New(reason.Decode, errors.New("it went wrong"), "")
	}
	return read(strings.NewReader(`{"total":4194304,"resources":[{"id":"a"},{"id":"b"}]}`))
}

// TestMemoryForAClaimedTotal checks that a total of millions of jobs allocates no memory for jobs that were
// not read. It is not parallel, because it counts what the whole process allocates.
func TestMemoryForAClaimedTotal(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := newReader(claiming{}, nil).NewFullRead(false).Run(t.Context())
	runtime.ReadMemStats(&after)
	if reason.Of(err) != reason.Decode {
		t.Fatalf("got %v, want the error of the second page", err)
	}
	const most = 16 << 20
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > most {
		t.Errorf("%d bytes were allocated, want at most %d", allocated, most)
	}
}

// endless is a joblist.Getter of a page that never ends. It cancels the read while the page is transferred.
type endless struct{ cancel context.CancelFunc }

// Get implements joblist.Getter.
func (e endless) Get(_ context.Context, _ string, _ url.Values, read func(io.Reader) error) error {
	return read(io.MultiReader(strings.NewReader(`{"total":9,"resources":[{"id":"a"}`), e))
}

// Read implements io.Reader.
func (e endless) Read(p []byte) (int, error) {
	e.cancel()
	return copy(p, `,{"id":"a"}`), nil
}

// TestDecodingEndsAtTheDeadline checks that a page that arrives as fast as it is decoded ends with the
// context of the read.
func TestDecodingEndsAtTheDeadline(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	reader := joblist.NewReader(syncjob.Lists()[0], endless{cancel}, joblist.Options{PageSize: 1000})
	if err := reader.NewFullRead(false).Run(ctx); reason.Of(err) != reason.Timeout {
		t.Errorf("got %v, want timeout", err)
	}
}
