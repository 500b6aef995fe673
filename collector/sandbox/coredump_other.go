//go:build !unix

package sandbox

// NoCoreDumps does nothing: this system leaves no such file by itself.
func NoCoreDumps() error { return nil }
