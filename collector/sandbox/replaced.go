package sandbox

import "os"

// Watch notices that a file was replaced by another one of the same name.
// It is not safe for concurrent use.
type Watch struct{ files map[string]os.FileInfo }

// NewWatch returns a watch that remembers the files as they are now. A file that
// is not there is not watched.
func NewWatch(paths []string) *Watch {
	w := &Watch{files: make(map[string]os.FileInfo, len(paths))}
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil {
			w.files[path] = info
		}
	}
	return w
}

// Replaced returns the files that were replaced, each of them once.
func (w *Watch) Replaced() []string {
	var replaced []string
	for path, before := range w.files {
		now, err := os.Stat(path)
		if err == nil && !os.SameFile(before, now) {
			delete(w.files, path)
			replaced = append(replaced, path)
		}
	}
	return replaced
}
