package jobjson

import (
	"fmt"
	"strings"
	"testing"
)

// TestInterner holds that every string is the one that it was made of, however
// many came before, and that those of a list come without memory.
func TestInterner(t *testing.T) {
	strs := newInterner()
	for round := range 3 {
		for i := range 20_000 {
			want := fmt.Sprintf("projects/p/locations/l/keyRings/ring-%d", i)
			if got := strs.string([]byte(want)); got != want {
				t.Fatalf("round %d: %q becomes %q", round, want, got)
			}
		}
	}
	for _, want := range []string{"", "a", "b", strings.Repeat("x", maxInternedBytes+1), strings.Repeat("x", maxInternedBytes) + "y"} {
		if got := strs.string([]byte(want)); got != want {
			t.Errorf("%q becomes %q", want, got)
		}
	}
	bytes := 0
	for kept := range strs.all {
		bytes += len(kept)
	}
	if bytes > maxInternerBytes {
		t.Errorf("%d bytes of strings are kept, want at most %d", bytes, maxInternerBytes)
	}
	again := []byte("projects/p/locations/l/keyRings/ring-7")
	if allocs := testing.AllocsPerRun(100, func() { strs.string(again) }); allocs != 0 {
		t.Errorf("a string that came before takes %v allocations", allocs)
	}
}
