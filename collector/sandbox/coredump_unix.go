//go:build unix

package sandbox

import "golang.org/x/sys/unix"

// NoCoreDumps keeps a crash from leaving a file with the process's memory, and
// with it the password and the tokens. It returns what setrlimit(2) does.
func NoCoreDumps() error {
	return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
}
