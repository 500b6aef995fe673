// Package sandbox takes from the process, once it has opened what it serves on,
// every right that it does not need any more. On Linux it does so by Landlock;
// where there is none, it takes nothing and says so.
package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Rules are what the process still needs once it has started.
type Rules struct {
	// Files are read anew while the process runs, and may be replaced meanwhile.
	Files []string
	// Ports are the TCP ports that it connects to, on whatever host. Port 53,
	// for names, is always among them.
	Ports []uint16
}

// Enforced says what holds from now on.
type Enforced struct {
	// ABI is the version of Landlock that the kernel has; 0 means none at all.
	ABI int
	// Files says that only Paths can be read, and nothing written or executed.
	Files bool
	// TCP says that only Ports can be connected to, and no port be bound.
	TCP bool
	// Paths are the files that can be read, and the directories below which
	// every file can be.
	Paths []string
	Ports []uint16
	// Fixed are those of the files that could not be allowed by their
	// directory: a file that takes the place of one of them cannot be read.
	Fixed []string
}

// portDNS is where a resolver is asked again whose answer did not fit into a
// datagram.
const portDNS = 53

// access is a right to read.
type access struct {
	path string
	// list allows the names below a directory to be listed as well.
	list bool
}

// places returns what has to be allowed so that a file can be read, and read
// again after it was replaced: a rule holds for the very file that it was made
// for and not for its name, so that it is the directory that has to be allowed.
// Where the name is a symbolic link, so is the directory to which it leads: a
// Kubernetes Secret is a chain of links within one directory, resolv.conf often
// leads into another one.
//
// What is in a directory that holds everything, such as the root, is allowed by
// itself; then fixed is its path.
func places(file string, tooWide ...string) (directories []string, fixed string) {
	target := file
	if resolved, err := filepath.EvalSymlinks(file); err == nil {
		target = resolved
	}
	for _, path := range []string{file, target} {
		directory := filepath.Dir(path)
		if resolved, err := filepath.EvalSymlinks(directory); err == nil {
			directory = resolved
		}
		if !contains(tooWide, directory) {
			directories = append(directories, directory)
		} else if path == target {
			fixed = target
		}
	}
	return directories, fixed
}

func contains(paths []string, path string) bool {
	for _, other := range paths {
		if same(other, path) {
			return true
		}
	}
	return false
}

// same says whether two paths are one, be it by other names.
func same(a, b string) bool {
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	left, err := os.Stat(a)
	if err != nil {
		return false
	}
	right, err := os.Stat(b)
	return err == nil && os.SameFile(left, right)
}

// Admits says what of the rules is not among what is left: a process cannot get
// back what was taken from it.
func (e *Enforced) Admits(rules Rules) error {
	for _, file := range rules.Files {
		directories, fixed := places(file, "/")
		if fixed != "" {
			directories = append(directories, fixed)
		}
		for _, directory := range directories {
			if e.Files && !e.reads(directory) {
				return fmt.Errorf("it may not read %s, which it did not need then", file)
			}
		}
	}
	for _, port := range rules.Ports {
		if e.TCP && !slices.Contains(e.Ports, port) {
			return fmt.Errorf("it may not connect to port %d, which it did not need then", port)
		}
	}
	return nil
}

// reads says whether a path is one that can be read, or below one.
func (e *Enforced) reads(path string) bool {
	for {
		if contains(e.Paths, path) {
			return true
		}
		parent := filepath.Dir(path)
		if parent == path {
			return false
		}
		path = parent
	}
}
