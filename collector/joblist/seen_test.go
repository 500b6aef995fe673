package joblist

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"cckm_sync_exporter/collector/syncjob"
)

// TestSeenSet holds that the set agrees with a map, however many jobs were
// foretold, and over several passes.
func TestSeenSet(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // A test that repeats.
	set, seeds := new(seenSet), newSeeds()
	for pass := range 60 {
		set.reset()
		jobs := 1 + rng.IntN(1<<(1+rng.IntN(14)))
		foretold := rng.IntN(jobs)
		want := map[string]bool{}
		for i := range 2 * jobs {
			if i == foretold {
				set.expect(rng.IntN(3 * jobs))
			}
			id := "job-" + strconv.Itoa(rng.IntN(jobs))
			if got := set.add(seeds.key(id)); got == want[id] {
				t.Fatalf("pass %d: %s is new: %t, want %t", pass, id, got, !want[id])
			}
			want[id] = true
			// One that is not there is looked for up to a free place.
			if !set.has(seeds.key(id)) || set.has(seeds.key("none")) {
				t.Fatalf("pass %d: the set does not tell what is in it", pass)
			}
		}
		if set.len() != len(want) {
			t.Fatalf("pass %d: %d jobs, want %d", pass, set.len(), len(want))
		}
	}
}

// TestSeenSetConcurrent holds that of many who add the same job at once one is
// the first.
func TestSeenSetConcurrent(t *testing.T) {
	t.Parallel()
	const jobs, workers = 5000, 8
	set, seeds := new(seenSet), newSeeds()
	var news atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := range jobs {
				if set.add(seeds.key(strconv.Itoa(i))) {
					news.Add(1)
				}
			}
		})
	}
	group.Wait()
	if news.Load() != jobs || set.len() != jobs {
		t.Errorf("%d jobs came first, and the set has %d, want %d", news.Load(), set.len(), jobs)
	}
}

// TestSeenSetMemory holds that a set which was told how many jobs come takes no
// more than 11 bytes for each of them, and gives up what a longer list needed.
func TestSeenSetMemory(t *testing.T) {
	t.Parallel()
	set, seeds := new(seenSet), newSeeds()
	for _, jobs := range []int{1_000, 100_000, 1_000_000, 100_000} {
		set.reset()
		set.expect(jobs)
		for i := range jobs {
			set.add(seeds.key(strconv.Itoa(i)))
		}
		wantSmall(t, set, jobs)
	}
}

func wantSmall(t *testing.T, set *seenSet, jobs int) {
	t.Helper()
	size := 0
	for i := range set.shards {
		size += cap(set.shards[i].keys) * int(unsafe.Sizeof(uint64(0)))
	}
	if most := 11*jobs + 8192; size > most {
		t.Errorf("%d jobs take %d bytes, want no more than %d", jobs, size, most)
	}
}

// longList is a list of so many jobs with nothing but an id.
type longList int

// Get implements Getter.
func (l longList) Get(_ context.Context, _ string, query url.Values, read func(io.Reader) error) error {
	skip, err := strconv.Atoi(query.Get("skip"))
	if err != nil {
		return err
	}
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil {
		return err
	}
	var page strings.Builder
	_, _ = fmt.Fprintf(&page, `{"total":%d,"resources":[`, int(l))
	for i := skip; i < min(skip+limit, int(l)); i++ {
		if i > skip {
			page.WriteByte(',')
		}
		_, _ = fmt.Fprintf(&page, `{"id":"job-%d"}`, i)
	}
	page.WriteString("]}")
	return read(strings.NewReader(page.String()))
}

// TestReadMemory holds that a read tells the set how many jobs come.
func TestReadMemory(t *testing.T) {
	t.Parallel()
	const jobs = 22_000
	r := NewReader(syncjob.Lists()[0], longList(jobs), Options{PageSize: 1000, Concurrency: 4})
	for range 2 {
		summary, _, err := r.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := summary.Jobs[syncjob.Unknown]; got != jobs {
			t.Errorf("%d jobs, want %d", got, jobs)
		}
		wantSmall(t, r.spare, jobs)
	}
}
