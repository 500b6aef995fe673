package jobjson

const (
	// maxInterned and maxInternedBytes bound the number and the length of the strings that an
	// interner keeps, and so its memory. It allocates any other string each time.
	maxInterned      = 1 << 14
	maxInternedBytes = 256
	// recentStrings is the number of strings that are found without a map.
	recentStrings = 256
)

// interner converts bytes to strings without allocating equal strings twice. The jobs of a list
// have few different statuses, texts and scopes.
type interner struct {
	// recent has the last string for each value of recentIndex.
	recent [recentStrings]string
	all    map[string]string
}

func newInterner() *interner { return &interner{all: map[string]string{}} }

// string returns b as a string.
func (in *interner) string(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	recent := &in.recent[recentIndex(b)]
	if *recent == string(b) {
		return *recent
	}
	s := in.intern(b)
	if len(s) <= maxInternedBytes {
		*recent = s
	}
	return s
}

// recentIndex is a cheap hash. Names of scopes differ in their lengths and at their ends.
func recentIndex(b []byte) int {
	return (len(b)*31 + int(b[len(b)-1]) + 7*int(b[len(b)/2])) % recentStrings
}

func (in *interner) intern(b []byte) string {
	if s, ok := in.all[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(in.all) < maxInterned && len(b) <= maxInternedBytes {
		in.all[s] = s
	}
	return s
}
