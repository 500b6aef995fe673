package jobjson

// What is remembered is bounded, so that a list of nonsense takes no memory: the
// strings in number and length. What is beyond is made anew each time.
const (
	maxInterned      = 1 << 14
	maxInternedBytes = 256
	// recent is how many strings are found without a map.
	recent = 256
)

// interner makes strings of bytes, each once. Statuses, texts and scopes are few
// and come again in every job.
type interner struct {
	// recent holds the string that came last of those with the same place.
	recent [recent]string
	all    map[string]string
}

func newInterner() *interner { return &interner{all: map[string]string{}} }

func (in *interner) string(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	// The names of scopes differ in length and at their ends.
	place := &in.recent[(len(b)*31+int(b[len(b)-1])+7*int(b[len(b)/2]))%recent]
	if *place == string(b) {
		return *place
	}
	s := in.remembered(b)
	if len(s) <= maxInternedBytes {
		*place = s
	}
	return s
}

func (in *interner) remembered(b []byte) string {
	if s, ok := in.all[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(in.all) < maxInterned && len(b) <= maxInternedBytes {
		in.all[s] = s
	}
	return s
}
