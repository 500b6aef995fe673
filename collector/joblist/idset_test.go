package joblist

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"unsafe"
)

// TestNewJobID checks that different ids differ: UUIDs in their digits, all others in their text.
func TestNewJobID(t *testing.T) {
	t.Parallel()
	const uuid = "5a0e0b90-2473-4c10-8f00-00000000000f"
	all := map[jobID]string{}
	for _, id := range []string{
		uuid, "5a0e0b90-2473-4c10-8f00-00000000000e", "6a0e0b90-2473-4c10-8f00-00000000000f",
		strings.ToUpper(uuid), strings.ReplaceAll(uuid, "-", ""), " " + uuid, uuid + "0", uuid[:35] + "g", uuid[:8] + "0" + uuid[9:],
		"00000000-0000-0000-0000-000000000000", "", "0", "job-1", "job-2", "ключ",
	} {
		key := newJobID(id)
		if key == (jobID{}) {
			t.Errorf("%q has the id zero", id)
		}
		if other, ok := all[key]; ok {
			t.Errorf("%q and %q have one id", id, other)
		}
		all[key] = id
	}
	if got, want := newJobID(uuid), (jobID{0x5a0e0b9024734c10, 0x8f0000000000000f}); got != want {
		t.Errorf("%s is %x, want %x", uuid, got, want)
	}
}

// TestIDSet checks that the set agrees with a map, however many jobs were expected, and over several
// reads.
func TestIDSet(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // A test that repeats.
	set := newIDSet()
	for read := range 60 {
		set.reset()
		jobs := 1 + rng.IntN(1<<(1+rng.IntN(14)))
		expected := rng.IntN(jobs)
		want := map[string]bool{}
		for i := range 2 * jobs {
			if i == expected {
				set.expect(rng.IntN(3 * jobs))
			}
			id := "job-" + strconv.Itoa(rng.IntN(jobs))
			if got := set.add(newJobID(id)); got == want[id] {
				t.Fatalf("read %d: %s is new: %t, want %t", read, id, got, !want[id])
			}
			want[id] = true
			// One that is absent is searched up to a free place.
			if !set.has(newJobID(id)) || set.has(newJobID("none")) {
				t.Fatalf("read %d: the set does not report what is in it", read)
			}
		}
		if set.len() != len(want) {
			t.Fatalf("read %d: %d jobs, want %d", read, set.len(), len(want))
		}
	}
}

// TestIDSetMemory checks that a set takes at most 22 bytes for each job that was expected, and gives up
// what a longer list needed.
func TestIDSetMemory(t *testing.T) {
	t.Parallel()
	set := newIDSet()
	for _, jobs := range []int{1_000, 100_000, 1_000_000, 100_000} {
		set.reset()
		set.expect(jobs)
		for i := range jobs {
			set.add(newJobID(fmt.Sprintf("%08x-0000-4000-8000-%012x", i*2654435761%(1<<32), i)))
		}
		size := cap(set.ids) * int(unsafe.Sizeof(jobID{}))
		if most := 22*jobs + 8192; size > most {
			t.Errorf("%d jobs take %d bytes, want no more than %d", jobs, size, most)
		}
	}
}
