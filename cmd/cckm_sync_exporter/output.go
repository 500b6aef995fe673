package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// outputMode lets node_exporter, which is another user, read the metrics.
const outputMode = 0o644

// outputFile replaces a file with new content in one step: readers see the old file or the new one.
type outputFile struct {
	path string
	// next is in the same directory, and becomes the file. node_exporter ignores its name.
	next *os.File
}

// createOutput returns an error if the file cannot be replaced later. The caller calls discard.
func createOutput(path string) (*outputFile, error) {
	f := &outputFile{path: followLinks(path)}
	info, err := os.Lstat(f.path) //nolint:gosec // The user of the program chose the file.
	switch {
	case err == nil && !info.Mode().IsRegular():
		return nil, f.failed(errors.New("it is not a regular file"))
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return nil, f.failed(err)
	}
	next, err := os.CreateTemp(filepath.Dir(f.path), "."+filepath.Base(f.path)+".*")
	if err != nil {
		return nil, f.failed(err)
	}
	f.next = next
	return f, nil
}

// followLinks returns what a link leads to, which may not exist yet. A link stays, and its target is replaced. It
// returns a link if there are too many, as in a loop.
func followLinks(path string) string {
	const most = 40 // As Linux.
	for range most {
		target, err := os.Readlink(path)
		if err != nil {
			break // It is not a link.
		}
		if !filepath.IsAbs(target) {
			dir := filepath.Dir(path)
			if resolved, err := filepath.EvalSymlinks(dir); err == nil {
				dir = resolved // "..", if the link begins with it, is the parent of this.
			}
			target = filepath.Join(dir, target)
		}
		path = target
	}
	return path
}

// replace writes the content and replaces the file.
func (f *outputFile) replace(content []byte) error {
	_, err := f.next.Write(content)
	for _, step := range []func() error{
		func() error { return f.next.Chmod(outputMode) },
		f.next.Sync,
		f.next.Close,
		func() error { return os.Rename(f.next.Name(), f.path) },
	} {
		if err == nil {
			err = step()
		}
	}
	if err != nil {
		return f.failed(err)
	}
	return nil
}

// discard removes what replace has not used.
func (f *outputFile) discard() {
	_ = f.next.Close()
	_ = os.Remove(f.next.Name()) //nolint:gosec // It is a file of this process.
}

// failed names the file in an error, instead of the one that becomes it.
func (f *outputFile) failed(err error) error {
	if failure, ok := errors.AsType[*os.PathError](err); ok {
		err = failure.Err
	}
	if failure, ok := errors.AsType[*os.LinkError](err); ok {
		err = failure.Err
	}
	return fmt.Errorf("--output %s cannot be written: %w; give a file in a directory that exists and that this user may write to", f.path, err)
}
