package joblist

// What is remembered is bounded, so that a list of nonsense takes no memory: the
// strings in number and length. What is beyond is made anew each time.
const (
	maxInterned      = 1 << 14
	maxInternedBytes = 256
)

// interner makes strings of bytes, each once. Statuses, texts and scopes are few
// and come again in every job.
type interner map[string]string

func (in interner) string(b []byte) string {
	if s, ok := in[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(in) < maxInterned && len(b) <= maxInternedBytes {
		in[s] = s
	}
	return s
}
