package simulator

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// UUID is the id of a job.
type UUID [16]byte

// newUUID returns a random UUID.
func newUUID() UUID {
	raw := secret(16)
	return uuidFrom(binary.BigEndian.Uint64(raw[:8]), binary.BigEndian.Uint64(raw[8:]))
}

// uuidFrom makes a UUID of version 4 from 128 bits.
func uuidFrom(hi, lo uint64) (u UUID) {
	binary.BigEndian.PutUint64(u[:8], hi&^uint64(0xf000)|0x4000)
	binary.BigEndian.PutUint64(u[8:], lo&^(uint64(3)<<62)|uint64(1)<<63)
	return u
}

// String returns the UUID as the API shows it.
func (u UUID) String() string { return string(u.appendTo(nil)) }

func (u UUID) appendTo(b []byte) []byte {
	b = hex.AppendEncode(b, u[:4])
	for _, part := range [...][]byte{u[4:6], u[6:8], u[8:10], u[10:]} {
		b = hex.AppendEncode(append(b, '-'), part)
	}
	return b
}

// secret returns n random bytes. They do not depend on a seed, because an appliance must not accept
// the tokens of another one that was made with the same options.
func secret(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // It never fails.
	return b
}

// mix scrambles a number so that neighboring inputs give unrelated outputs (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	return x ^ (x >> 31)
}

// draw returns the number that belongs to a job's number and a purpose.
func draw(salt uint64, n int, purpose uint64) uint64 {
	return mix(salt ^ mix(uint64(n)<<8|purpose)) //nolint:gosec // n is not negative.
}

// below maps a drawn number to the range from 0 to n-1.
func below(drawn uint64, n int) int {
	return int(drawn % uint64(n)) //nolint:gosec // n is positive, and the result is below it.
}

// microsBelow maps a drawn number to a time below a limit, to the microsecond.
func microsBelow(drawn uint64, limit time.Duration) time.Duration {
	return time.Duration(below(drawn, int(limit/time.Microsecond))) * time.Microsecond
}

// hashText hashes a text (FNV-1a, then mix). Unlike hash/maphash, it returns the same in every process.
func hashText(salt uint64, text string) uint64 {
	h := uint64(0xcbf29ce484222325) ^ mix(salt)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 0x100000001b3
	}
	return mix(h)
}
