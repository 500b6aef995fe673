package jobjson

const (
	// maxInternedBytes bounds the size of a string that an interner keeps, and maxInternerBytes that of
	// all of them. It allocates any other string each time.
	maxInternedBytes = 256
	maxInternerBytes = 1 << 20
	// stringOverhead is about what a string in a map takes in addition to its bytes.
	stringOverhead = 64
	// recentStrings is the number of strings that are found without a map.
	recentStrings = 256
)

// interner converts bytes to strings without allocating equal strings twice. The jobs of a list
// have few different statuses, texts and scopes.
type interner struct {
	// recent has the last string for each value of recentIndex.
	recent [recentStrings]string
	all    map[string]string
	// bytes is the size of the strings in all.
	bytes int
}

func newInterner() *interner { return &interner{all: map[string]string{}} }

// string returns b as a string, and adds it.
func (in *interner) string(b []byte) string {
	s, ok := in.find(b)
	if !ok {
		s = string(b)
		in.add(s)
	}
	return s
}

// find returns b as a string if that was added.
func (in *interner) find(b []byte) (s string, ok bool) {
	if len(b) == 0 {
		return "", true
	}
	recent := &in.recent[recentIndex(b)]
	if *recent == string(b) {
		return *recent, true
	}
	if s, ok = in.all[string(b)]; ok {
		*recent = s
	}
	return s, ok
}

func (in *interner) add(s string) {
	if s == "" || len(s) > maxInternedBytes {
		return
	}
	in.recent[recentIndex(s)] = s
	if size := stringOverhead + len(s); in.bytes+size <= maxInternerBytes {
		in.all[s] = s
		in.bytes += size
	}
}

// reset removes all strings.
func (in *interner) reset() {
	in.recent = [recentStrings]string{}
	clear(in.all)
	in.bytes = 0
}

// recentIndex is a cheap hash. Names of scopes differ in their lengths and at their ends.
func recentIndex[T string | []byte](b T) int {
	last := len(b) - 1
	return (31*last + 10*int(b[max(0, last-1)]) + int(b[last])) % recentStrings
}
