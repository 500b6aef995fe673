package main

import (
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"cckm_sync_exporter/collector/printable"
)

// progressInterval is how often the progress of a read is written to a terminal.
const progressInterval = time.Second

// maxStatusLine is the longest status line in bytes: a longer one would wrap in a terminal of the usual
// width, and could not be erased.
const maxStatusLine = 79

// eraseLine erases the current line of a terminal.
const eraseLine = "\r\x1b[K"

// isTerminal reports whether a file is a terminal, or a similar device.
func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// statusLine writes to a terminal. A status is erased before anything else is written, such as the log.
type statusLine struct {
	mu    sync.Mutex
	out   io.Writer
	shown bool
}

// Write implements io.Writer.
func (l *statusLine) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shown {
		_, _ = io.WriteString(l.out, eraseLine)
		l.shown = false
	}
	return l.out.Write(p)
}

// show replaces the status. It may be empty.
func (l *statusLine) show(status string) {
	_, _ = l.Write([]byte(printable.Shorten(status, maxStatusLine)))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shown = status != ""
}

// showProgress shows the progress of the reads of all targets on a line, until ctx ends or stop is called.
func (e *exporter) showProgress(ctx context.Context, line *statusLine) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wait sync.WaitGroup
	wait.Go(func() {
		ticker := time.NewTicker(progressInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				line.show("")
				return
			case <-ticker.C:
				line.show(e.progress())
			}
		}
	})
	return func() {
		cancel()
		wait.Wait()
	}
}

// progress describes the full reads that are running.
func (e *exporter) progress() string {
	var parts []string
	for _, t := range e.targets.All() {
		for _, latest := range t.Latest() {
			if latest.FullRead != nil {
				parts = append(parts, strings.TrimSpace(t.Config.Name+" "+latest.List.Name)+": "+latest.FullRead.String())
			}
		}
	}
	return strings.Join(parts, ", ")
}
