package jobjson

import (
	"fmt"
	"testing"
)

// TestInterner checks that an interner returns equal strings, also after its memory is full, and does not allocate
// those that it has.
func TestInterner(t *testing.T) {
	strs := newInterner()
	for range 2 {
		for i := range 20_000 {
			want := fmt.Sprintf("projects/p/locations/l/keyRings/ring-%d", i)
			if got := strs.string([]byte(want)); got != want {
				t.Fatalf("%q becomes %q", want, got)
			}
		}
	}
	bytes := 0
	for kept := range strs.all {
		bytes += len(kept)
	}
	if bytes > maxInternerBytes {
		t.Errorf("%d bytes of strings are kept, want at most %d", bytes, maxInternerBytes)
	}
	known := []byte("projects/p/locations/l/keyRings/ring-7")
	if allocs := testing.AllocsPerRun(100, func() { strs.string(known) }); allocs != 0 {
		t.Errorf("a known string takes %v allocations", allocs)
	}
}
