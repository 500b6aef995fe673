package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"cckm_sync_exporter/collector/printable"
	"cckm_sync_exporter/collector/scrape"
)

// progressInterval is how often the progress of a read is written to a terminal.
const progressInterval = time.Second

// maxStatusLine is the longest status line in bytes: a longer one would wrap in a terminal
// of the usual width, and could not be rewritten.
const maxStatusLine = 79

// isTerminal reports whether a file is a terminal, or a similar device.
func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// statusLine is the last line of a terminal, which is rewritten. Whatever is written through
// it, such as the log, stays above the line.
type statusLine struct {
	mu   sync.Mutex
	out  io.Writer
	text string
}

// Write implements io.Writer.
func (l *statusLine) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	shown := l.text
	l.rewrite("")
	n, err := l.out.Write(p)
	l.rewrite(shown)
	return n, err
}

// set shows a text, or nothing.
func (l *statusLine) set(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rewrite(printable.Shorten(text, maxStatusLine))
}

// rewrite replaces what is shown. The caller holds the lock.
func (l *statusLine) rewrite(text string) {
	if text == l.text {
		return
	}
	before, after := utf8.RuneCountInString(l.text), utf8.RuneCountInString(text)
	rewritten := "\r" + text
	if before > after {
		rewritten += strings.Repeat(" ", before-after)
	}
	if after == 0 {
		rewritten += "\r"
	}
	_, _ = io.WriteString(l.out, rewritten)
	l.text = text
}

// showProgress shows on a line how far the reads of all targets are, until the function that
// it returns is called. The line may be nil.
func (e *exporter) showProgress(line *statusLine) (stop func()) {
	if line == nil {
		return func() {}
	}
	return follow(line, func() string {
		targets := e.targets.All()
		parts := make([]string, 0, len(targets))
		for _, t := range targets {
			parts = append(parts, progressOf(t.Config.Name, t.Latest())...)
		}
		return strings.Join(parts, ", ")
	})
}

// follow shows a text that changes on a line, until stop is called.
func follow(line *statusLine, text func() string) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		defer line.set("")
		ticker := time.NewTicker(progressInterval)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				line.set(text())
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// progressOf returns how far the full reads of a target's lists are, in words.
func progressOf(target string, lists []scrape.Latest) []string {
	var parts []string
	for _, latest := range lists {
		name := strings.TrimSpace(target + " " + latest.List.Name)
		switch read := latest.FullRead; {
		case read == nil:
		case read.PagesExpected == 0:
			parts = append(parts, name+": no page has arrived")
		default:
			parts = append(parts, fmt.Sprintf("%s: %d of about %d pages", name, read.Pages, read.PagesExpected))
		}
	}
	return parts
}
