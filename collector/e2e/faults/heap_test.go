package faults_test

import (
	"runtime/metrics"
	"sync/atomic"
	"testing"
	"time"
)

// heapBound is what the heap of the whole process may reach under any fault: that
// is the exporter's, and those of the appliances, proxies and transcripts of all
// rows that run at the time.
const heapBound = 128 << 20

// heapWatch samples the process' heap, garbage included, for the time of a row.
type heapWatch struct{ most atomic.Uint64 }

func watchHeap(t *testing.T) *heapWatch {
	t.Helper()
	w := new(heapWatch)
	w.sample()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				w.sample()
			case <-stop:
				return
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-done
	})
	return w
}

// sample notes what the heap is now. The bodies without end call it as they are
// written, and end where the bound is passed, so that a failure does not take the
// machine's memory.
func (w *heapWatch) sample() (bounded bool) {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(samples)
	now := samples[0].Value.Uint64()
	for {
		before := w.most.Load()
		if now <= before || w.most.CompareAndSwap(before, now) {
			return w.most.Load() <= heapBound
		}
	}
}
