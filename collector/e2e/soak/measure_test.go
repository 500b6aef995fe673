package soak

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
)

// measures are what an idle exporter has of everything. What a system cannot tell is 0 at all times.
type measures struct {
	scrapes     int64
	goroutines  int64
	descriptors int64
	// heap is what is reachable, and resident what the system gives the process; both in bytes.
	heap, resident int64
	// refreshTokens are those that the appliance still accepts.
	refreshTokens int64
}

// measure measures the process. It collects garbage twice, because a sync.Pool lets go of what it holds
// at the second collection.
func measure() measures {
	runtime.GC()
	debug.FreeOSMemory()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return measures{
		goroutines:  int64(runtime.NumGoroutine()),
		descriptors: descriptors(),
		heap:        int64(memory.HeapAlloc), //nolint:gosec // No heap is larger.
		resident:    resident(),
	}
}

// descriptors returns how many files are open, by Linux.
func descriptors() int64 {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	// One was open to read the directory.
	return int64(len(entries)) - 1
}

// resident returns the resident memory, by Linux.
func resident() int64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(statm)
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
