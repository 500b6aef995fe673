package joblist

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
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

// An idSet consists of many tables, because a table that grows exists twice meanwhile.
const (
	tableBits = 6
	idTables  = 1 << tableBits
)

// maxReserved is how many jobs a set reserves memory for before it has any.
const maxReserved = 1 << 18

// idSet is a set of job ids. It takes 19 bytes a job if expect was called with the right number.
type idSet struct {
	// seeds prevent an appliance from choosing ids that collide.
	seeds  [2]uint64
	tables [idTables]idTable
	// expected is the size of each table for the number of jobs that was passed to expect.
	expected int
}

// idTable is a hash table with linear probing. It is never full, so every search ends.
type idTable struct {
	ids []jobID
	n   int
}

func newIDSet() *idSet { return &idSet{seeds: [2]uint64{rand.Uint64(), rand.Uint64()}} } //nolint:gosec // The seeds need not be secret.

// reset empties the set. It keeps the tables for the next read, because new ones would need memory
// before the garbage collector has freed the old ones.
func (s *idSet) reset() {
	for i := range s.tables {
		clear(s.tables[i].ids)
		s.tables[i].n = 0
	}
}

// expect resizes the tables for the given number of jobs, if they are too small or much too large. The
// number may be wrong, so memory for more than maxReserved jobs is reserved by add, in proportion to the
// jobs that were added.
func (s *idSet) expect(jobs int) {
	s.expected = tableSize(jobs)
	reserved := tableSize(min(jobs, maxReserved))
	for i := range s.tables {
		if t := &s.tables[i]; len(t.ids) < reserved || len(t.ids) > 2*s.expected {
			s.resize(t, reserved)
		}
	}
}

// tableSize returns the size of each table of a set of the given number of jobs.
func tableSize(jobs int) int {
	each := jobs / idTables
	return each + each/7 + 8
}

// len returns the number of ids.
func (s *idSet) len() (n int) {
	for i := range s.tables {
		n += s.tables[i].n
	}
	return n
}

// add adds an id and reports whether it is new.
func (s *idSet) add(id jobID) bool {
	hash := s.hash(id)
	t := &s.tables[hash>>(64-tableBits)]
	// Linear probing becomes slow if more than nine tenths of a table are used.
	if 10*(t.n+1) > 9*len(t.ids) {
		s.resize(t, max(len(t.ids)+len(t.ids)/2+16, min(4*len(t.ids), s.expected)))
	}
	return t.add(hash, id)
}

// addAll adds ids and reports whether each is new. It is faster than adding each id when its job is
// counted: a large set is not in the processor's caches, and one search can begin while another one
// waits for memory.
func (s *idSet) addAll(ids []jobID) []bool {
	isNew := make([]bool, len(ids))
	for i, id := range ids {
		isNew[i] = s.add(id)
	}
	return isNew
}

// has reports whether an id is in the set.
func (s *idSet) has(id jobID) bool {
	hash := s.hash(id)
	t := &s.tables[hash>>(64-tableBits)]
	return t.n > 0 && t.ids[t.find(hash, id)] == id
}

// hash mixes an id with the seeds. Its highest bits choose the table, the next ones the index.
func (s *idSet) hash(id jobID) uint64 {
	high, low := bits.Mul64(id.high^s.seeds[0], id.low^s.seeds[1])
	return high ^ low
}

// add adds an id to a table that is not full, and reports whether it is new.
func (t *idTable) add(hash uint64, id jobID) bool {
	at := t.find(hash, id)
	if t.ids[at] == id {
		return false
	}
	t.ids[at] = id
	t.n++
	return true
}

// find returns the index of an id, or the free index at which to insert it.
func (t *idTable) find(hash uint64, id jobID) int {
	place, _ := bits.Mul64(hash<<tableBits, uint64(len(t.ids)))
	at := int(place) //nolint:gosec // It is less than the table's length.
	for t.ids[at] != id && t.ids[at] != (jobID{}) {
		at++
		if at == len(t.ids) {
			at = 0
		}
	}
	return at
}

// resize moves a table's ids to new memory, which has place for more than their number.
func (s *idSet) resize(t *idTable, size int) {
	before := t.ids
	t.ids, t.n = make([]jobID, max(size, 1+t.n+t.n/4)), 0
	for _, id := range before {
		if id != (jobID{}) {
			t.add(s.hash(id), id)
		}
	}
}
