package simulator

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"
)

// mix scrambles a number so that neighbouring inputs give unrelated outputs (the finalizer of
// SplitMix64). It is how computed jobs vary without anything being stored.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	return x ^ (x >> 31)
}

// draw returns a number for a job's index and a purpose: the same ones always, unrelated ones otherwise.
func draw(salt uint64, i int, purpose uint64) uint64 {
	return mix(salt ^ mix(unsigned(i)<<8|purpose))
}

// below brings a drawn number into the range from 0 to n-1.
func below(drawn uint64, n int) int { return signed(drawn % unsigned(n)) }

// microsBelow brings a drawn number into the times from zero to a limit, to the microsecond.
func microsBelow(drawn uint64, limit time.Duration) time.Duration {
	return time.Duration(below(drawn, int(limit/time.Microsecond))) * time.Microsecond
}

// unsigned converts an index or a length.
func unsigned(n int) uint64 {
	return uint64(n) //nolint:gosec // Indexes and lengths are not negative.
}

// signed converts a number that is below some length.
func signed(n uint64) int {
	return int(n) //nolint:gosec // What is below a length is an int.
}

// hashText turns a text into a number (FNV-1a, then scrambled). It must not change between
// processes, which rules out hash/maphash.
func hashText(salt uint64, text string) uint64 {
	h := uint64(0xcbf29ce484222325) ^ mix(salt)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 0x100000001b3
	}
	return mix(h)
}

// uuidFrom formats 128 bits as a random (version 4) UUID.
func uuidFrom(hi, lo uint64) string {
	hi = hi&^uint64(0xf000) | 0x4000
	lo = lo&^(uint64(3)<<62) | uint64(1)<<63
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:8], hi)
	binary.BigEndian.PutUint64(raw[8:], lo)
	var text [36]byte
	hex.Encode(text[0:8], raw[0:4])
	hex.Encode(text[9:13], raw[4:6])
	hex.Encode(text[14:18], raw[6:8])
	hex.Encode(text[19:23], raw[8:10])
	hex.Encode(text[24:36], raw[10:16])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}

// uuidParts returns the first 32 and the last 48 bits of a UUID's text.
func uuidParts(id string) (first, last uint64, ok bool) {
	if len(id) != 36 {
		return 0, 0, false
	}
	first, errFirst := strconv.ParseUint(id[:8], 16, 64)
	last, errLast := strconv.ParseUint(id[24:], 16, 64)
	return first, last, errFirst == nil && errLast == nil
}

// source hands out reproducible random values to concurrent callers.
type source struct {
	mu     sync.Mutex
	random *rand.ChaCha8
}

func newSource(seed uint64) *source {
	var key [32]byte
	for i := range uint64(4) {
		binary.BigEndian.PutUint64(key[8*i:], mix(seed^mix(i)))
	}
	return &source{random: rand.NewChaCha8(key)}
}

// uuid returns a fresh UUID.
func (s *source) uuid() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return uuidFrom(s.random.Uint64(), s.random.Uint64())
}
