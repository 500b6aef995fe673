package joblist

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
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

// TestIDSet compares the set with a map, for any number of expected jobs and over several reads.
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
			if !set.has(newJobID(id)) || set.has(newJobID("none")) {
				t.Fatalf("read %d: the set lacks an id, or has another one", read)
			}
		}
		if set.len() != len(want) {
			t.Fatalf("read %d: %d jobs, want %d", read, set.len(), len(want))
		}
	}
}
