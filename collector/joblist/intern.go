package joblist

// maxInterned bounds how many strings are remembered, so that a list of
// nonsense takes no memory. What comes after is made anew each time.
const maxInterned = 1 << 16

// interner makes strings of bytes, each once. Statuses, texts and scopes are few
// and come again in every job.
type interner map[string]string

func (in interner) string(b []byte) string {
	if s, ok := in[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(in) < maxInterned {
		in[s] = s
	}
	return s
}
