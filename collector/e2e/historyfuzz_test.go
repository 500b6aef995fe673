package e2e_test

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// byteSource draws from bytes, one for each number, so that a fuzzer can decide on each by itself.
type byteSource struct {
	bytes []byte
	// rest decides once there are no bytes left: a number that never changes could be drawn for ever.
	rest *rand.PCG
}

// Uint64 implements rand.Source.
func (s *byteSource) Uint64() uint64 {
	if len(s.bytes) == 0 {
		return s.rest.Uint64()
	}
	first := s.bytes[0]
	s.bytes = s.bytes[1:]
	// Small numbers are drawn from the upper bits of either half.
	return uint64(first)<<56 | uint64(first)<<24
}

// FuzzHistory holds that a reader which keeps a history of a list gets at every step of the list's life what a
// reader that keeps nothing gets. The bytes decide on the list, its pages and its life.
//
// One thing is left out, as in TestHistoryEqualsOracle.
func FuzzHistory(f *testing.F) {
	for _, seed := range []string{
		"", "\x00", "\xff\xff\xff\xff\xff\xff\xff\xff", "newest first\x00\x10\x80\xe0", "\x40\x80\xc0\x20\x60\xa0\xe0\x10\x90\x30", "\x01\x80\x01\x80\x01\x80\x01\x80\x01\x80",
		"\xe0\x20 a filter that is refused", "\x80\x40\x00\x00\xff\x80 purge", "\x20\xf0\xf0\xf0\xf0\xf0\x10\x10\x10", "swap \xf1\xf2\xf3\xf4\xf5\xf6",
	} {
		f.Add([]byte(seed))
	}
	// So many that hardly a mistake gets past a run without a fuzzer.
	noise := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // Seeds have to be the same at all times.
	for range 250 {
		seed := make([]byte, 200)
		for i := range seed {
			seed[i] = byte(noise.Uint32()) //nolint:gosec // Any eight bits will do.
		}
		f.Add(seed)
	}
	list := syncjob.Lists()[0]
	now := time.Date(2026, time.May, 17, 9, 40, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, choices []byte) {
		rng := rand.New(&byteSource{bytes: choices, rest: rand.NewPCG(uint64(len(choices)), 1)}) //nolint:gosec // Cases have to come again.
		life := &longLife{
			pagedList: &pagedList{
				rng: rng, order: order(max(0, rng.IntN(5)-2)), filter: filter(max(0, rng.IntN(7)-3)), clamp: pick(rng, 0, 0, 0, 3, 5), cut: rng.IntN(8) == 0,
			},
			jobs:    newJobMaker(rng, list, now),
			created: now.Add(-48 * time.Hour),
			calm:    rng.IntN(3) == 0,
			skew:    pick(rng, 0, 0, 0, time.Second, time.Hour),
		}
		for range 6 + rng.IntN(10) {
			life.start()
		}
		var seen kinds
		options := scrape.ListOptions{
			PageSize: 2 + rng.IntN(4), Concurrency: 1,
			// With the shorter one, every read is compared with a full one by the reader itself.
			FullReadInterval: pick(rng, time.Hour, time.Hour, time.Nanosecond), Observer: &seen,
		}
		keeps := scrape.NewList(list, life, options)
		defer keeps.Close()
		// Without an interval it keeps nothing, so that one that was just made does no more.
		options.FullReadInterval, options.Observer = 0, nil
		forgets := scrape.NewList(list, life, options)
		defer forgets.Close()
		for step := range 3 + rng.IntN(3) {
			life.begin()
			got, _, err := keeps.Read(t.Context())
			if err != nil {
				t.Fatalf("step %d of %s: %v", step, life, err)
			}
			settle(keeps)
			life.begin()
			want, _, err := forgets.Read(t.Context())
			if err != nil {
				t.Fatalf("step %d of %s, read whole: %v", step, life, err)
			}
			if !reflect.DeepEqual(want, got) {
				diff := cmp.Diff(want, got)
				t.Fatalf("step %d of %s, with %+v: (-want +got)\n%s\nof %s", step, life, options, diff, raws(life.records))
			}
			life.live()
		}
		if n := seen.drifts.Load(); n > 0 {
			t.Errorf("%d histories differed from a full read, in the life of %s", n, life)
		}
	})
}
