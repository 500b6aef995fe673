package joblist

import (
	"hash/maphash"
	"math/bits"
	"sync"
)

// jobKey stands for a job's id by two hashes of it. The first one is not zero.
type jobKey [2]uint64

// seeds make keys. A reader has its own, so that no list can be made up whose
// ids share a key.
type seeds [2]maphash.Seed

func newSeeds() seeds { return seeds{maphash.MakeSeed(), maphash.MakeSeed()} }

func (s *seeds) key(id string) jobKey {
	return jobKey{max(1, maphash.String(s[0], id)), maphash.String(s[1], id)}
}

// seenShardBits is how many bits choose a part of the set of jobs. It has parts
// so that pages which are read at once seldom wait for each other.
const (
	seenShardBits = 6
	seenShards    = 1 << seenShardBits
)

// seenSet is the jobs that came already, of all pages of a pass. It is safe for
// concurrent use but for reset.
//
// It takes 10 bytes a job where it was told how many will come: the garbage
// collector lets a heap grow to twice of what is in use, so that a job costs 20.
// An id is the first hash, in a part that 6 bits of the other one choose. The
// chance that any two of a million ids have the same is 4 in 10 billion; as the
// seeds stay, it is not taken again with each read.
type seenSet struct {
	shards [seenShards]seenShard
}

// seenShard is a table with open addressing: a key is at its place or, in the
// run of keys from there on, behind it. It is never full, so that each search
// ends.
type seenShard struct {
	mu   sync.Mutex
	keys []uint64
	n    int
	// A cache line each: else a lock would slow down its neighbours' holders.
	_ [24]byte
}

// reset empties the set. It keeps the tables for the next pass: made anew each
// time, they would wait for the garbage collector beside their successors.
func (s *seenSet) reset() {
	for i := range s.shards {
		shard := &s.shards[i]
		clear(shard.keys)
		shard.n = 0
	}
}

// expect makes room for so many jobs. Tables that are much too large, from when
// the list was longer, are given up.
func (s *seenSet) expect(jobs int) {
	each := jobs / seenShards
	size := each + each/4 + 8
	for i := range s.shards {
		shard := &s.shards[i]
		shard.mu.Lock()
		if len(shard.keys) < size || len(shard.keys) > 2*size {
			shard.resize(size)
		}
		shard.mu.Unlock()
	}
}

func (s *seenSet) shard(key jobKey) *seenShard { return &s.shards[key[1]>>(64-seenShardBits)] }

// add says whether a job comes for the first time, whichever page it is in.
func (s *seenSet) add(key jobKey) bool {
	shard := s.shard(key)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	// Beyond nine of ten, runs become long.
	if 10*(shard.n+1) > 9*len(shard.keys) {
		shard.resize(len(shard.keys) + len(shard.keys)/2 + 16)
	}
	return shard.insert(key[0])
}

// has says whether a job came already.
func (s *seenSet) has(key jobKey) bool {
	shard := s.shard(key)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	return len(shard.keys) > 0 && shard.keys[shard.find(key[0])] == key[0]
}

// insert says whether a key is new. The table has room.
func (s *seenShard) insert(key uint64) bool {
	at := s.find(key)
	if s.keys[at] == key {
		return false
	}
	s.keys[at] = key
	s.n++
	return true
}

// find returns where a key is, or would be.
func (s *seenShard) find(key uint64) int {
	// The high half of the product spreads keys over a table of any size.
	place, _ := bits.Mul64(key, uint64(len(s.keys)))
	at := int(place) //nolint:gosec // It is less than the table's length.
	for s.keys[at] != key && s.keys[at] != 0 {
		at++
		if at == len(s.keys) {
			at = 0
		}
	}
	return at
}

// resize moves the keys to a table of another size, larger than their number.
func (s *seenShard) resize(size int) {
	before := s.keys
	s.keys, s.n = make([]uint64, max(size, 1+s.n+s.n/4)), 0
	for _, key := range before {
		if key != 0 {
			s.insert(key)
		}
	}
}

// len returns how many jobs came.
func (s *seenSet) len() (n int) {
	for i := range s.shards {
		shard := &s.shards[i]
		shard.mu.Lock()
		n += shard.n
		shard.mu.Unlock()
	}
	return n
}
