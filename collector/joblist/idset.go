package joblist

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"sync"
)

// jobID is a job's id in 16 bytes: a UUID as it is, anything else as the start of its
// SHA-256. It is never zero.
type jobID struct{ high, low uint64 }

// newJobID returns the jobID of an id as the API gives it.
func newJobID(id string) jobID {
	if parsed, ok := parseUUID(id); ok {
		return parsed
	}
	sum := sha256.Sum256([]byte(id))
	return jobID{binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:]) | 1}
}

// uuidLength is the length of a UUID's text: 8-4-4-4-12 hexadecimal digits.
const uuidLength = 36

// notHex is what hexDigits has for a byte that is not a digit.
const notHex = 0xff

// hexDigits maps the lower-case hexadecimal digits to their values.
var hexDigits = func() (values [256]byte) { //nolint:gochecknoglobals // An immutable table.
	for c := range values {
		values[c] = notHex
	}
	for value, c := range []byte("0123456789abcdef") {
		values[c] = byte(value)
	}
	return values
}()

// parseUUID parses a UUID in lower case. It returns false for any other text, so that two spellings
// of a UUID are different ids, and for the UUID of zeros.
func parseUUID(text string) (id jobID, ok bool) {
	if len(text) != uuidLength || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return jobID{}, false
	}
	var octets [16]byte
	var all byte
	// The indexes of the pairs of digits.
	for i, at := range [...]int{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34} {
		high, low := hexDigits[text[at]], hexDigits[text[at+1]]
		all |= high | low
		octets[i] = high<<4 | low
	}
	id = jobID{binary.BigEndian.Uint64(octets[:8]), binary.BigEndian.Uint64(octets[8:])}
	return id, all < 16 && id != jobID{}
}

// An idSet is divided into shards, so that pages that are decoded concurrently seldom wait for each
// other.
const (
	shardBits = 6
	shards    = 1 << shardBits
)

// idSet is a set of job ids. It is safe for concurrent use, except for reset. It takes 19
// bytes a job if expect was called with the right number.
type idSet struct {
	// seeds prevent an appliance from choosing ids that collide.
	seeds  [2]uint64
	shards [shards]idShard
}

// idShard is a hash table with linear probing. It is never full, so every search ends.
type idShard struct {
	mu  sync.Mutex
	ids []jobID
	n   int
	// The padding puts each shard into its own cache line, so that locking one does not slow others.
	_ [24]byte
}

func newIDSet() *idSet { return &idSet{seeds: [2]uint64{rand.Uint64(), rand.Uint64()}} } //nolint:gosec // The seeds need not be secret.

// reset empties the set. It keeps the tables for the next read, because new ones would need memory
// before the garbage collector has freed the old ones.
func (s *idSet) reset() {
	for i := range s.shards {
		clear(s.shards[i].ids)
		s.shards[i].n = 0
	}
}

// expect resizes the tables for the given number of jobs, if they are too small or much too large.
func (s *idSet) expect(jobs int) {
	each := jobs / shards
	size := each + each/7 + 8
	for i := range s.shards {
		shard := &s.shards[i]
		shard.mu.Lock()
		if len(shard.ids) < size || len(shard.ids) > 2*size {
			shard.resize(s, size)
		}
		shard.mu.Unlock()
	}
}

// hash mixes an id with the seeds.
func (s *idSet) hash(id jobID) uint64 {
	high, low := bits.Mul64(id.high^s.seeds[0], id.low^s.seeds[1])
	return high ^ low
}

// add adds an id and reports whether it is new.
func (s *idSet) add(id jobID) bool {
	hash := s.hash(id)
	shard := &s.shards[hash>>(64-shardBits)]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	// Linear probing becomes slow if more than nine tenths of a table are used.
	if 10*(shard.n+1) > 9*len(shard.ids) {
		shard.resize(s, len(shard.ids)+len(shard.ids)/2+16)
	}
	return shard.insert(hash, id)
}

// has reports whether an id is in the set.
func (s *idSet) has(id jobID) bool {
	hash := s.hash(id)
	shard := &s.shards[hash>>(64-shardBits)]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	return len(shard.ids) > 0 && shard.ids[shard.find(hash, id)] == id
}

// len returns the number of ids.
func (s *idSet) len() (n int) {
	for i := range s.shards {
		shard := &s.shards[i]
		shard.mu.Lock()
		n += shard.n
		shard.mu.Unlock()
	}
	return n
}

// insert adds an id to a table that is not full, and reports whether it is new.
func (s *idShard) insert(hash uint64, id jobID) bool {
	at := s.find(hash, id)
	if s.ids[at] == id {
		return false
	}
	s.ids[at] = id
	s.n++
	return true
}

// find returns the index of an id, or the free index at which to insert it.
func (s *idShard) find(hash uint64, id jobID) int {
	// The highest bits have chosen the shard; the next ones choose the index.
	place, _ := bits.Mul64(hash<<shardBits, uint64(len(s.ids)))
	at := int(place) //nolint:gosec // It is less than the table's length.
	for s.ids[at] != id && s.ids[at] != (jobID{}) {
		at++
		if at == len(s.ids) {
			at = 0
		}
	}
	return at
}

// resize moves the ids to a new table, which is always larger than their number.
func (s *idShard) resize(set *idSet, size int) {
	before := s.ids
	s.ids, s.n = make([]jobID, max(size, 1+s.n+s.n/4)), 0
	for _, id := range before {
		if id != (jobID{}) {
			s.insert(set.hash(id), id)
		}
	}
}
