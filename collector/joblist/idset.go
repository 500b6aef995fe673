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

// idSet is a set of job ids: a hash table with linear probing, which is never full, so every search
// ends. It takes 19 bytes a job if expect was called with the right number.
type idSet struct {
	// seeds prevent an appliance from choosing ids that collide.
	seeds [2]uint64
	ids   []jobID
	n     int
}

func newIDSet() *idSet { return &idSet{seeds: [2]uint64{rand.Uint64(), rand.Uint64()}} } //nolint:gosec // The seeds need not be secret.

// reset empties the set. It keeps the table for the next read, because a new one would need memory
// before the garbage collector has freed the old one.
func (s *idSet) reset() {
	clear(s.ids)
	s.n = 0
}

// expect resizes the table for the given number of jobs, if it is too small or much too large.
func (s *idSet) expect(jobs int) {
	if size := jobs + jobs/7 + 8; len(s.ids) < size || len(s.ids) > 2*size {
		s.resize(size)
	}
}

// len returns the number of ids.
func (s *idSet) len() int { return s.n }

// add adds an id and reports whether it is new.
func (s *idSet) add(id jobID) bool {
	// Linear probing becomes slow if more than nine tenths of the table are used.
	if 10*(s.n+1) > 9*len(s.ids) {
		s.resize(len(s.ids) + len(s.ids)/2 + 16)
	}
	at := s.find(id)
	if s.ids[at] == id {
		return false
	}
	s.ids[at] = id
	s.n++
	return true
}

// has reports whether an id is in the set.
func (s *idSet) has(id jobID) bool { return s.n > 0 && s.ids[s.find(id)] == id }

// find returns the index of an id, or the free index at which to insert it.
func (s *idSet) find(id jobID) int {
	// Mix the id with the seeds, and map the result to an index.
	high, low := bits.Mul64(id.high^s.seeds[0], id.low^s.seeds[1])
	place, _ := bits.Mul64(high^low, uint64(len(s.ids)))
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
func (s *idSet) resize(size int) {
	before := s.ids
	s.ids, s.n = make([]jobID, max(size, 1+s.n+s.n/4)), 0
	for _, id := range before {
		if id != (jobID{}) {
			s.add(id)
		}
	}
}
